"""An Event is told once, when something turns; a cycle in which nothing did tells none."""

import msgspec
import pytest

from operator_tests.plans.operator import Operator
from operator_tests.plans.stories import reasons, well
from operator_tests.plans.world import NAME, World
from proconsul_operator.plans.actions import Decision, Nothing
from proconsul_operator.plans.events import Event, events
from proconsul_operator.plans.observe import Ref
from proconsul_operator.plans.steps import Step


def told(operator: Operator, reason: str) -> list[Event]:
    """Those with this reason."""
    return [event for event in operator.events if event.reason == reason]


def test_a_new_cluster_is_founded_once_and_led_by_nobody_before() -> None:
    operator = Operator(World())
    operator.settle()
    (event,) = told(operator, "Bootstrapped")
    assert "leads first" in event.message
    assert told(operator, "LeaderChanged") == []
    assert told(operator, "QuorumRestored") == [], "it was never lost"


def test_while_all_is_well_nothing_is_told() -> None:
    _, operator = well()
    operator.run(cycles=10)
    assert operator.events == []


def test_an_operator_that_starts_again_tells_nothing_twice() -> None:
    world, operator = well()
    world.delete_pod(2)
    operator.settle()
    operator.events.clear()
    operator.kill()
    operator.run(cycles=5)
    assert operator.events == []


def test_a_new_leader_is_told_with_the_old_one_its_term_and_why() -> None:
    world, operator = well()
    before = world.cluster.status.leader
    world.crash(int(before[-1]))
    operator.run(cycles=2)
    (event,) = told(operator, "LeaderChanged")
    assert event.message.startswith(f"{before} → {world.cluster.status.leader} in term ")
    assert before in event.message.partition(": ")[2]


def test_a_quorum_that_is_lost_is_a_warning_and_its_return_is_none() -> None:
    world, operator = well()
    for ordinal in (0, 1):
        world.crash(ordinal)
    operator.run(cycles=4)
    world.heal()
    operator.settle()
    (lost,), (restored,) = told(operator, "QuorumLost"), told(operator, "QuorumRestored")
    assert (lost.warning, restored.warning) == (True, False)


def test_a_lost_disk_is_a_member_replaced_and_then_promoted() -> None:
    world, operator = well()
    old = world.objects.disks[1].id
    world.lose_disk(1)
    operator.settle()
    joined = told(operator, "MemberReplaced") + told(operator, "MemberJoined")
    assert any(f"{NAME}-1" in event.message for event in joined)
    assert any(old in event.message for event in joined)
    assert [event.message for event in told(operator, "MemberPromoted")] == [f"{NAME}-1 votes"]


@pytest.mark.parametrize(
    ("node", "message"), [("n7", "a new pod on n7"), ("", "a new pod, on no node yet")]
)
def test_a_new_pod_is_told_with_its_node_where_it_has_one(node: str, message: str) -> None:
    world, operator = well()
    held = world.cluster.status
    again = msgspec.structs.replace(held.members[2], pod_uid="another", node=node)
    new = msgspec.structs.replace(held, members=(*held.members[:2], again))
    idle = Decision(step=Step.IDLE, action=Nothing(), target="", why="")
    (event,) = events(operator.observe(world.objects), idle, held, new)
    assert event.message == f"{NAME}-2 has {message}"


def test_a_size_is_told_step_by_step() -> None:
    world, operator = well()
    world.edit(replicas=5)
    operator.settle()
    assert reasons(operator).count("ScaleUp") == 2
    operator.events.clear()
    world.edit(replicas=3)
    operator.settle()
    assert reasons(operator).count("ScaleIn") == 2
    assert reasons(operator).count("MemberRemoved") == 2
    assert "QuorumRestored" not in reasons(operator)


def test_a_roll_has_a_beginning_a_pod_after_the_other_and_an_end() -> None:
    world, operator = well()
    world.edit(image={"tag": "1.1.0"})
    operator.settle()
    wanted = ["RollingUpdateStarted", *["PodRolled"] * 3, "RollingUpdateDone"]
    assert [each for each in reasons(operator) if each in wanted] == wanted
    assert reasons(operator).count("LeadershipTransferred") == 1
    assert all("outdated" in event.message for event in told(operator, "PodRolled"))


@pytest.mark.parametrize("reason", ["VersionSkewRefused", "ConfigInvalid"])
def test_a_refusal_is_told_again_only_when_it_was_over_in_between(reason: str) -> None:
    world, operator = well()
    wrong = (
        {"image": {"tag": "9.0.0"}} if reason == "VersionSkewRefused" else {"config": {"server": 1}}
    )
    for _ in range(2):
        world.edit(**wrong)
        operator.run(cycles=6)
        world.edit()
        operator.run(cycles=3)
    events = told(operator, reason)
    assert len(events) == 2
    assert all(event.warning for event in events)


def test_a_pause_and_its_end_are_told() -> None:
    world, operator = well()
    world.annotate(paused="true")
    operator.run(cycles=3)
    world.annotate(paused="false")
    operator.run(cycles=3)
    assert reasons(operator) == ["Paused", "Resumed"]


def test_our_own_changes_are_no_drift() -> None:
    world, operator = well()
    world.edit(config={"log_level": "DEBUG"}, service={"annotations": {"a": "b"}})
    operator.settle()
    assert told(operator, "DriftCorrected") == []


def test_drift_is_named_by_its_object_and_fields() -> None:
    world, operator = well()
    thing = world.objects.things[Ref("Service", NAME)]
    spec = {**thing.manifest["spec"], "publishNotReadyAddresses": True, "type": "NodePort"}
    thing.manifest, thing.version = {**thing.manifest, "spec": spec}, thing.version + 1
    operator.settle()
    (event,) = told(operator, "DriftCorrected")
    assert event.message.startswith(f"Service {NAME}: ")
    assert "spec.type" in event.message
