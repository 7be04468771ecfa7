"""A snapshot is one Job, a failure is final, and the remote object goes before its record."""

import pytest

from operator_tests.plans.records import RESULT, SnapshotWorld, record
from proconsul_operator.api.conditions import SnapshotCondition, holds
from proconsul_operator.plans.observe import Job
from proconsul_operator.plans.steps import Step


def run(world: SnapshotWorld, cycles: int = 8, kill_after: Step | None = None) -> SnapshotWorld:
    """So many cycles; killed at the first act of this step."""
    for _ in range(cycles):
        decision = world.cycle(kill_after)
        if decision is not None and decision.step is kill_after:
            kill_after = None
    return world


def test_a_snapshot_is_taken_once_and_its_result_is_the_status() -> None:
    world = run(SnapshotWorld(record()))
    assert world.held is not None
    status = world.held.status
    assert world.steps == [Step.START_SNAPSHOT]
    assert (status.phase, status.index, status.sha256) == ("Completed", 42, "ab")
    assert status.location == RESULT["location"]
    assert holds(status.conditions, SnapshotCondition.VERIFIED)


def test_a_failure_is_final_and_says_why() -> None:
    world = run(SnapshotWorld(record(), fails=True))
    assert world.held is not None
    status = world.held.status
    assert status.phase == "Failed"
    assert status.error is not None
    assert status.error.message == "no bucket"
    assert world.steps == [Step.START_SNAPSHOT]


def test_a_result_that_was_not_read_is_waited_for() -> None:
    world = run(SnapshotWorld(record()), cycles=1)
    assert world.held is not None
    name = next(iter(world.jobs))
    world.jobs[name] = Job(name=name, uid=name, succeeded=True, ended_s=world.now_s)
    world.cycle()
    assert world.held.status.phase == "Verifying"


@pytest.mark.parametrize(
    "step",
    [
        None,
        Step.SNAPSHOT_FINALIZER,
        Step.START_SNAPSHOT,
        Step.EXPIRE_SNAPSHOT,
        Step.DELETE_REMOTE,
        Step.SNAPSHOT_LET_GO,
    ],
)
def test_an_old_one_goes_with_its_remote_object_wherever_we_are_killed(step: Step | None) -> None:
    world = SnapshotWorld(record(ttl="1m", deletionPolicy="Delete"))
    run(world, cycles=40, kill_after=step)
    assert world.held is None
    assert world.removed == 1
    assert world.steps == [
        Step.SNAPSHOT_FINALIZER,
        Step.START_SNAPSHOT,
        Step.EXPIRE_SNAPSHOT,
        Step.DELETE_REMOTE,
        Step.SNAPSHOT_LET_GO,
    ]


def test_a_record_alone_has_no_finalizer() -> None:
    world = run(SnapshotWorld(record()))
    assert world.held is not None
    assert world.held.metadata.finalizers == ()
