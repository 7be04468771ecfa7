"""The status tells what is, in one look; it forgets nothing that the operator must remember."""

import msgspec
import pytest

from operator_tests.plans.stories import reason, well
from operator_tests.plans.world import BROKEN, NAME, SPACE, World
from proconsul_operator.api.cluster import LEADERSHIP_MAX, ClusterStatus, Member
from proconsul_operator.api.conditions import REASONS, ClusterCondition, Truth, condition_of
from proconsul_operator.plans.status import FIGURES_S, is_due
from proconsul_operator.plans.steps import Step


def member(world: World, ordinal: int) -> Member:
    """As the status has it."""
    return next(each for each in world.cluster.status.members if each.name == f"{NAME}-{ordinal}")


def test_of_a_cluster_that_is_well_everything_is_told() -> None:
    world, _ = well(gossip={}, tls={})
    status = world.cluster.status
    assert (status.phase, status.version, status.target_version) == ("Running", "1.0.0", "")
    assert (status.replicas, status.ready_replicas, status.updated_replicas) == (3, 3, 3)
    assert (status.voters, status.learners, status.term) == (3, 0, world.term)
    assert status.operation is None
    assert status.observed_generation == world.cluster.metadata.generation
    assert world.objects.guard is not None
    assert status.cluster_id == world.objects.guard.cluster_id
    assert status.endpoints is not None
    assert status.endpoints.http == f"http://{NAME}.{SPACE}.svc:8500"
    assert [each.role for each in status.members].count("Leader") == 1
    assert {each.suffrage for each in status.members} == {"Voter"}
    assert status.raft is not None
    assert status.raft.min_applied_index <= status.raft.commit_index


def test_every_condition_is_there_and_has_a_reason_that_is_promised() -> None:
    world, operator = well()
    world.crash(1)
    operator.run(cycles=2)
    conditions = world.cluster.status.conditions
    assert [each.type for each in conditions] == [kind.value for kind in ClusterCondition]
    for kind in ClusterCondition:
        held = condition_of(conditions, kind)
        assert held is not None
        assert held.reason in REASONS[kind][Truth(held.status)]


def test_a_member_that_is_away_keeps_its_row_until_it_is_known_again() -> None:
    world, operator = well()
    before = member(world, 2)
    del world.objects.pods[f"{NAME}-2"]
    operator.cycle()
    away = member(world, 2)
    assert (away.id, away.ready, away.role) == (before.id, False, "Unknown")
    operator.settle()
    back = member(world, 2)
    assert (back.id, back.ready, back.role) == (before.id, True, "Follower")
    assert back.pod_uid != before.pod_uid


def test_a_member_that_was_scaled_away_has_no_row() -> None:
    world, operator = well(replicas=5)
    world.edit(replicas=3)
    operator.settle()
    assert [each.name for each in world.cluster.status.members] == [f"{NAME}-{n}" for n in range(3)]


def test_since_when_is_the_last_change_of_role_identity_or_pod() -> None:
    world, operator = well()
    before = member(world, 2).since
    operator.run(cycles=5)
    assert member(world, 2).since == before
    world.delete_pod(2)
    operator.settle()
    assert member(world, 2).since != before


def test_while_it_rolls_the_target_and_the_operation_are_told() -> None:
    world, operator = well()
    world.edit(image={"tag": "1.1.0"})
    while Step.ROLL_POD not in operator.steps:
        operator.cycle()
    status = world.cluster.status
    assert (status.version, status.target_version, status.phase) == ("1.0.0", "1.1.0", "Updating")
    assert status.operation is not None
    assert status.operation.type == "RollingUpdate"
    assert status.operation.id.endswith(world.revision())
    began = status.operation.started_at
    operator.run(cycles=2)
    assert world.cluster.status.operation is not None
    assert world.cluster.status.operation.started_at == began
    operator.settle()
    status = world.cluster.status
    assert (status.version, status.target_version, status.operation) == ("1.1.0", "", None)


def test_the_version_is_the_lowest_until_the_last_is_new() -> None:
    world, operator = well()
    world.edit(image={"tag": "1.1.0"})
    for _ in range(60):
        operator.cycle()
        operator.pass_time()
        if len({pod.tag for pod in world.objects.pods.values()}) == 2:
            assert world.cluster.status.version == "1.0.0"
    assert world.cluster.status.version == "1.1.0"


def test_leadership_is_history_the_newest_first_and_not_for_ever() -> None:
    world, operator = well()
    for turn in range(LEADERSHIP_MAX + 5):
        world.move_leader(turn % 3)
        operator.run(cycles=1)
    held = world.cluster.status.leadership
    assert len(held) == LEADERSHIP_MAX
    assert [each.term for each in held] == sorted((each.term for each in held), reverse=True)
    assert held[0].leader == world.cluster.status.leader


def test_without_a_quorum_what_was_known_stays_and_is_not_called_new() -> None:
    world, operator = well()
    before = world.cluster.status
    for ordinal in (0, 1):
        world.crash(ordinal)
    operator.run(cycles=3)
    status = world.cluster.status
    assert (status.phase, status.leader) == ("QuorumLost", "")
    assert (status.cluster_id, status.voters) == (before.cluster_id, 3)
    assert status.leadership == before.leadership
    assert reason(world, ClusterCondition.QUORATE) == "MajorityUnreachable"


@pytest.mark.parametrize(
    ("spec", "phase"),
    [
        ({"replicas": 5}, "Scaling"),
        ({"image": {"tag": "1.1.0"}}, "Updating"),
        ({"paused": True}, "Paused"),
        ({"image": {"tag": "2.0.0"}}, "Degraded"),
    ],
)
def test_the_phase_is_one_word_for_what_is_going_on(spec: dict[str, object], phase: str) -> None:
    world, operator = well()
    world.edit(**spec)
    seen = set()
    for _ in range(4):
        operator.cycle()
        seen.add(world.cluster.status.phase)
    assert phase in seen


def test_ready_is_said_of_no_spec_that_is_not_done() -> None:
    world, operator = well(update={"maxWaitPerPod": "1m"})
    world.annotate(allow_version=BROKEN)
    world.edit(image={"tag": BROKEN}, update={"maxWaitPerPod": "1m"})
    for _ in range(40):
        operator.cycle()
        operator.pass_time()
        held = condition_of(world.cluster.status.conditions, ClusterCondition.READY)
        assert held is not None
        applied = {pod.tag for pod in world.objects.pods.values()} == {BROKEN}
        told_of_now = Step.APPLY_TEMPLATE in operator.steps
        assert held.status is not Truth.TRUE or applied or not told_of_now


def test_what_the_operator_must_remember_outlives_a_status_that_is_made_anew() -> None:
    world, operator = well(replicas=5)
    world.edit(replicas=0)
    operator.settle()
    assert world.cluster.status.replicas_before_hibernation == 5
    operator.kill()
    operator.run(cycles=3)
    assert world.cluster.status.replicas_before_hibernation == 5


def test_a_status_that_was_thrown_away_is_the_same_again() -> None:
    world, operator = well()
    before = world.cluster.status
    world.set_status(ClusterStatus())
    operator.run(cycles=3)
    after = world.cluster.status
    same = ("phase", "cluster_id", "replicas", "leader", "voters", "version", "endpoints")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]


def test_figures_that_change_with_every_write_are_told_at_their_own_pace() -> None:
    """As each telling wakes the operator, which looks again and finds other figures."""
    world, _ = well()
    held = world.cluster.status
    assert held.raft is not None
    later = msgspec.structs.replace(
        held,
        raft=msgspec.structs.replace(held.raft, commit_index=held.raft.commit_index + 7),
        members=tuple(msgspec.structs.replace(each, lag=7) for each in held.members),
    )
    assert not is_due(held, later, age_s=FIGURES_S - 1)
    assert is_due(held, later, age_s=FIGURES_S)
    assert not is_due(held, held, age_s=FIGURES_S)


def test_whatever_else_changes_is_told_at_once() -> None:
    world, _ = well()
    held = world.cluster.status
    assert is_due(held, msgspec.structs.replace(held, leader="consul-9"), age_s=0.0)
    silent = msgspec.structs.replace(held.members[0], role="Unknown")
    assert is_due(held, msgspec.structs.replace(held, members=(silent,)), age_s=0.0)
