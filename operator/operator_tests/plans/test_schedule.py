"""A schedule: the CronJob, a run at once, records that were missed, and records enough."""

from typing import Any

import msgspec
import pytest

from operator_tests.plans.records import ScheduleWorld, record
from operator_tests.plans.stories import schedule
from proconsul_operator.api.conditions import ScheduleCondition, condition_of
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot, SnapshotStatus
from proconsul_operator.api.values import plain
from proconsul_operator.plans.steps import Step


def asked(**fields: Any) -> ProconsulSnapshotSchedule:
    """The schedule, with these fields of its spec."""
    held = schedule()
    return msgspec.structs.replace(held, spec=msgspec.structs.replace(held.spec, **fields))


def ended(number: int, phase: str = "Completed", *, verified: bool = False) -> ProconsulSnapshot:
    """A record of that day."""
    status = SnapshotStatus(
        phase=phase, completed_at=f"2027-01-{number:02d}T00:00:00Z", verified=verified
    )
    return msgspec.structs.replace(record(f"day-{number}"), status=status)


def test_the_cron_job_is_applied_and_then_left() -> None:
    world = ScheduleWorld(asked())
    assert [world.cycle().step for _ in range(2)] == [Step.APPLY_CRON_JOB, Step.SCHEDULE_IDLE]
    assert world.held.status.cron_job_name == "nightly"


@pytest.mark.parametrize("kill", [None, Step.APPLY_CRON_JOB, Step.RUN_NOW])
def test_a_wish_to_run_now_is_one_job(kill: Step | None) -> None:
    world = ScheduleWorld(asked(run_now="monday"))
    for _ in range(5):
        world.cycle(kill)
    assert world.steps == [Step.APPLY_CRON_JOB, Step.RUN_NOW]
    assert world.held.status.run_now == "monday"


def test_a_snapshot_without_a_record_gets_one() -> None:
    world = ScheduleWorld(asked())
    world.unrecorded.append(plain(ended(1)))
    for _ in range(4):
        world.cycle(Step.RECORD_SNAPSHOT)
    assert world.steps == [Step.APPLY_CRON_JOB, Step.RECORD_SNAPSHOT]
    assert world.held.status.last_successful is not None
    assert world.held.status.last_successful.name == "day-1"


def test_old_records_go_but_never_the_newest_verified_one() -> None:
    world = ScheduleWorld(asked(successful_records=2, failed_records=1))
    for number in range(1, 6):
        held = ended(number, verified=number == 2)
        world.records[held.metadata.name] = held
    for number in (6, 7):
        held = ended(number, "Failed")
        world.records[held.metadata.name] = held
    for _ in range(8):
        world.cycle(Step.DROP_RECORD)
    assert set(world.records) == {"day-2", "day-4", "day-5", "day-7"}
    world.cycle()
    assert world.held.status.consecutive_failures == 1


def test_a_cron_job_of_somebody_else_is_not_written_over() -> None:
    world = ScheduleWorld(asked(run_now="monday"), owner="another-schedule-of-that-name")
    for _ in range(3):
        world.cycle()
    assert (world.applied, world.steps, world.jobs) == ("", [], {})
    ready = condition_of(world.held.status.conditions, ScheduleCondition.READY)
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "ForeignObject")
    world.owner = ""
    world.cycle()
    assert world.steps == [Step.APPLY_CRON_JOB]
