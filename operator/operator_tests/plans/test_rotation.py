"""Keys and certificates change while the cluster works: in order, for all, wherever anything dies.

That nobody is ever shown a certificate or a message that it cannot trust or read is asserted by the
worlds themselves, at every tick (certificates_world.py, world.py).
"""

from typing import Any

import pytest

from operator_tests.plans.certificates_world import DAY_S, LEAF_S
from operator_tests.plans.operator import Operator
from operator_tests.plans.stories import is_whole
from operator_tests.plans.world import World
from proconsul_operator.plans.steps import STEPS, Operation, Step

SPEC: dict[str, Any] = {"tls": {}, "gossip": {}}
NEW_KEY = [
    Step.ADD_KEY, Step.NOTE_ROTATION, Step.INSTALL_KEY, Step.PREFER_KEY, Step.USE_KEY,
    Step.REMOVE_KEY, Step.FORGET_KEY,
]  # fmt: skip
NEW_AUTHORITY = [
    Step.ADD_AUTHORITY, Step.NOTE_AUTHORITY, Step.TRUST_BOTH, Step.CHANGE_CERTIFICATE,
    Step.TRUST_NEW, Step.FORGET_AUTHORITY,
]  # fmt: skip
ROTATIONS = {
    Operation.GOSSIP_ROTATION: NEW_KEY,
    Operation.AUTHORITY_ROTATION: NEW_AUTHORITY,
}
EVERY_STEP = [(kind, step) for kind, steps in ROTATIONS.items() for step in steps]


def begun(**spec: object) -> tuple[World, Operator]:
    """A settled cluster, and its operator, which has done nothing since."""
    world = World(**{**SPEC, **spec})
    operator = Operator(world)
    operator.settle()
    operator.steps.clear()
    return world, operator


def ask(world: World, kind: Operation, value: str = "1") -> None:
    """A person wants it."""
    if kind is Operation.GOSSIP_ROTATION:
        world.annotate(rotate_gossip=value)
    else:
        world.annotate(rotate_ca=value)


def is_done(world: World, kind: Operation, key: tuple[str, ...], authority: str) -> bool:
    """There is another, and it alone."""
    for _ in range(5):
        world.tick()
    if kind is Operation.GOSSIP_ROTATION:
        rings = {frozenset(ring) for ring in world.rings().values()}
        return world.keys != key and rings == {frozenset(world.keys)} and len(world.keys) == 1
    held = world.certificates
    return held.authority != authority and held.is_by_newest_alone()


def run_until(operator: Operator, step: Step) -> None:
    """This act is done."""
    for _ in range(200):
        decision = operator.cycle()
        operator.pass_time()
        if decision.step is step:
            return
    raise AssertionError(f"{step} did not come: {operator.last}")


def of(kind: Operation, operator: Operator) -> list[Step]:
    """What it did for that."""
    return [step for step in operator.steps if STEPS[step].operation is kind]


@pytest.mark.parametrize("kind", ROTATIONS)
def test_it_goes_step_by_step_and_once_for_a_wish(kind: Operation) -> None:
    world, operator = begun()
    key, authority = world.keys, world.certificates.authority
    ask(world, kind)
    operator.settle()
    assert operator.steps == ROTATIONS[kind]
    assert is_done(world, kind, key, authority)
    operator.kill()
    operator.steps.clear()
    operator.settle()
    assert of(kind, operator) == []


@pytest.mark.parametrize("kind", ROTATIONS)
def test_nothing_begins_while_a_member_is_down(kind: Operation) -> None:
    world, operator = begun()
    key, authority = world.keys, world.certificates.authority
    world.crash(2)
    ask(world, kind)
    operator.run(cycles=30)
    assert of(kind, operator) == []
    world.heal()
    operator.settle_killed_each_time()
    assert is_done(world, kind, key, authority)


@pytest.mark.parametrize(("kind", "step"), EVERY_STEP)
def test_a_member_out_of_reach_holds_it_back_at_every_step(kind: Operation, step: Step) -> None:
    world, operator = begun()
    key, authority = world.keys, world.certificates.authority
    ask(world, kind)
    run_until(operator, step)
    pod = world.pod(1)
    assert pod is not None
    pod.silent = True
    operator.run(cycles=15)
    world.heal()
    operator.settle()
    assert is_done(world, kind, key, authority)
    assert is_whole(world, 3)


@pytest.mark.parametrize(("kind", "step"), EVERY_STEP)
def test_a_member_that_begins_anew_at_any_step_is_one_of_them(kind: Operation, step: Step) -> None:
    world, operator = begun()
    key, authority = world.keys, world.certificates.authority
    ask(world, kind)
    run_until(operator, step)
    operator.kill()
    world.lose_disk(1)
    operator.settle()
    assert is_done(world, kind, key, authority)
    assert is_whole(world, 3)


@pytest.mark.parametrize("step", NEW_AUTHORITY)
def test_a_certificate_that_ends_in_the_middle_is_renewed_by_the_same_ca(step: Step) -> None:
    world, operator = begun()
    ask(world, Operation.AUTHORITY_ROTATION)
    run_until(operator, step)
    held = world.certificates.leaf
    assert held is not None
    world.crash(2)
    world.certificates.near_end(world.now_s)
    operator.run(cycles=10)
    renewed = world.certificates.leaf
    assert renewed is not None
    assert (renewed.issuer, renewed.trusts) == (held.issuer, held.trusts)
    assert renewed.ends_s > world.now_s + LEAF_S - DAY_S
    world.heal()
    operator.settle()
    operator.run(cycles=5)
    assert world.certificates.is_by_newest_alone()


def test_nobody_waits_for_the_keys_of_a_member_that_is_gone() -> None:
    world, operator = begun()
    ask(world, Operation.GOSSIP_ROTATION)
    key = world.keys
    while Step.PREFER_KEY not in operator.steps:
        operator.run(cycles=1)
    world.lose_disk(2)
    for ordinal in (0, 1):  # who starts again uses the new key
        world.delete_pod(ordinal)
        for _ in range(6):
            operator.pass_time()
    operator.settle()
    assert Step.USE_KEY not in operator.steps
    assert is_done(world, Operation.GOSSIP_ROTATION, key, world.certificates.authority)


@pytest.mark.parametrize("step", NEW_AUTHORITY)
def test_a_lost_secret_of_the_members_comes_again_from_a_ca_that_all_trust(step: Step) -> None:
    world, operator = begun()
    ask(world, Operation.AUTHORITY_ROTATION)
    run_until(operator, step)
    world.certificates.leaf = None
    operator.settle()
    operator.run(cycles=5)
    assert world.certificates.is_by_newest_alone()
    assert is_whole(world, 3)


def test_a_certificate_is_renewed_without_a_quorum() -> None:
    world, operator = begun()
    world.crash(1)
    world.crash(2)
    world.certificates.near_end(world.now_s)
    operator.run(cycles=3)
    assert operator.steps == [Step.RENEW_CERTIFICATE]


def test_a_wish_for_renewal_longer_than_a_life_is_no_reason_to_renew_for_ever() -> None:
    world, operator = begun(tls={"renewBefore": "8760h"})
    operator.run(cycles=20)
    assert len(world.certificates.issued) == 1


def test_a_secret_that_others_keep_is_left_to_them() -> None:
    world, operator = begun()
    world.edit(tls={"secretName": "given"}, gossip={"secretName": "given-too"})
    ask(world, Operation.AUTHORITY_ROTATION)
    ask(world, Operation.GOSSIP_ROTATION)
    world.certificates.near_end(world.now_s)
    operator.run(cycles=60)
    kinds = {STEPS[step].operation for step in operator.steps}
    assert not kinds & {*ROTATIONS, Operation.CERTIFICATE_RENEWAL}
    assert len(world.certificates.issued) == 1


def test_the_status_says_who_has_not_taken_what_the_secret_holds() -> None:
    world, operator = begun()
    ask(world, Operation.AUTHORITY_ROTATION)
    run_until(operator, Step.TRUST_BOTH)
    pod = world.pod(1)
    assert pod is not None
    held = world.certificates.loaded[pod.uid]
    for _ in range(10):
        operator.pass_time()
        world.certificates.loaded[pod.uid] = held
        operator.cycle()
    told = {each.type: each for each in world.cluster.status.conditions}["TLSReady"]
    assert (told.status, told.reason) == ("False", "MismatchBetweenMembers")
    assert told.message == "consul-1 trusts other CAs than the Secret's"
    assert Step.CHANGE_CERTIFICATE not in operator.steps
