"""A ProconsulSnapshotSchedule: a CronJob that needs no operator, and the records of what it took.

The CronJob's own Job makes the records; where it could not (the API was away), the side file beside
the archive is the truth, and the record is made from it later. Records are dropped by number, the
archives by the Job itself. Now and then it has the newest good ones read again (verification.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from proconsul_operator.api.conditions import Finding, ScheduleCondition, Truth, settle
from proconsul_operator.api.schedule import (
    ProconsulSnapshotSchedule,
    ScheduleStatus,
    SuccessfulRun,
)
from proconsul_operator.api.snapshot import ProconsulSnapshot, SnapshotPhase
from proconsul_operator.api.values import plain, time_text, unix_s
from proconsul_operator.plans import verification
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Apply,
    CreateIfAbsent,
    Decision,
    DeleteObject,
    StartJob,
    wait,
)
from proconsul_operator.plans.drift import digest
from proconsul_operator.plans.observe import Child, Job
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.names import head
from proconsul_operator.specs.wanted import Manifest

FOREIGN: Final = "CronJob {name} belongs to somebody else: remove or rename it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleObserved:
    """One schedule, its CronJob as it is wanted and as it is, its Jobs, its records.

    `unrecorded`: records (as manifests) made of side files that no record tells of. `siblings`: all
    records of its cluster, and `verifications` the Jobs that look at one of them again.
    """

    now_s: float
    schedule: ProconsulSnapshotSchedule
    wanted: Manifest
    cron_job: Child | None = None
    last_scheduled_s: float | None = None
    next_s: float | None = None
    jobs: tuple[Job, ...] = ()
    records: tuple[ProconsulSnapshot, ...] = ()
    unrecorded: tuple[Mapping[str, Any], ...] = field(default=())
    siblings: tuple[ProconsulSnapshot, ...] = ()
    verifications: tuple[Job, ...] = ()


def plan(observed: ScheduleObserved) -> Decision:
    """The next act for one schedule."""
    schedule = observed.schedule
    if schedule.metadata.deletion_timestamp is not None:
        return wait(Step.SCHEDULE_IDLE, "Kubernetes deletes it", seconds=LOOK_LATER_S)
    return (
        _foreign(observed)
        or _cron_job(observed)
        or _run_now(observed)
        or _record(observed)
        or _drop(observed)
        or _verify(observed)
        or wait(Step.SCHEDULE_IDLE, "", seconds=LOOK_LATER_S)
    )


def is_foreign(observed: ScheduleObserved) -> bool:
    """A CronJob of that name is somebody else's: it is never written over."""
    held = observed.cron_job
    return held is not None and held.controller_uid != observed.schedule.metadata.uid


def _foreign(observed: ScheduleObserved) -> Decision | None:
    if not is_foreign(observed):
        return None
    name = observed.wanted["metadata"]["name"]
    return wait(Step.FOREIGN_OBJECT, FOREIGN.format(name=name), target=name, seconds=LOOK_LATER_S)


def _cron_job(observed: ScheduleObserved) -> Decision | None:
    held = observed.cron_job
    if held is not None and held.applied == digest(observed.wanted) and held.untouched:
        return None
    name = observed.wanted["metadata"]["name"]
    return Decision(
        step=Step.APPLY_CRON_JOB,
        action=Apply(manifests=(observed.wanted,)),
        target=name,
        why="it is missing or not as the spec asks",
    )


def run_now_job(schedule: ProconsulSnapshotSchedule) -> str:
    """From the token: the same wish is the same Job."""
    token = digest({"metadata": {}, "token": schedule.spec.run_now})[:10]
    return f"{head(schedule.metadata.name)}-now-{token}"


def _run_now(observed: ScheduleObserved) -> Decision | None:
    schedule = observed.schedule
    asked = schedule.spec.run_now
    name = run_now_job(schedule)
    if not asked or asked == schedule.status.run_now or any(j.name == name for j in observed.jobs):
        return None
    return Decision(
        step=Step.RUN_NOW,
        action=StartJob(
            kind="Scheduled", name=name, parameters={"template": plain(schedule.spec.template)}
        ),
        target=name,
        why=f"runNow is {asked}",
    )


def _record(observed: ScheduleObserved) -> Decision | None:
    if not observed.unrecorded:
        return None
    manifest = dict(observed.unrecorded[0])
    name = manifest["metadata"]["name"]
    return Decision(
        step=Step.RECORD_SNAPSHOT,
        action=CreateIfAbsent(manifests=(manifest,)),
        target=name,
        why="a snapshot was taken and has no record",
    )


def _ended(records: tuple[ProconsulSnapshot, ...], phase: SnapshotPhase) -> list[ProconsulSnapshot]:
    """The newest first."""
    ours = [each for each in records if each.status.phase == phase]
    return sorted(ours, key=lambda each: each.status.completed_at or "", reverse=True)


def _drop(observed: ScheduleObserved) -> Decision | None:
    spec = observed.schedule.spec
    good = _ended(observed.records, SnapshotPhase.COMPLETED)
    verified = next((each for each in good if each.status.verified), None)
    surplus = [each for each in good[spec.successful_records :] if each is not verified]
    surplus += _ended(observed.records, SnapshotPhase.FAILED)[spec.failed_records :]
    for record in surplus:
        meta = record.metadata
        if meta.deletion_timestamp is None:
            return Decision(
                step=Step.DROP_RECORD,
                action=DeleteObject(kind="ProconsulSnapshot", name=meta.name, uid=meta.uid),
                target=meta.name,
                why="newer records are enough",
            )
    return None


def _verify(observed: ScheduleObserved) -> Decision | None:
    looked_at = verification.due(observed.schedule, observed.siblings, observed.now_s)
    return verification.decide(looked_at, observed.verifications)


def report(observed: ScheduleObserved) -> ScheduleStatus:
    """What the schedule came to."""
    schedule = observed.schedule
    held = schedule.status
    good = _ended(observed.records, SnapshotPhase.COMPLETED)
    failed = _ended(observed.records, SnapshotPhase.FAILED)
    last_good = good[0].status.completed_at or "" if good else ""
    failures = sum(1 for each in failed if (each.status.completed_at or "") > last_good)
    names = {job.name for job in observed.jobs}
    carried_out = run_now_job(schedule) in names
    return msgspec.structs.replace(
        held,
        observed_generation=schedule.metadata.generation,
        last_scheduled=_time(observed.last_scheduled_s, held.last_scheduled),
        last_successful=_run(good[0]) if good else held.last_successful,
        next_schedule=None if schedule.spec.suspend else _time(observed.next_s, None),
        active=sum(1 for job in observed.jobs if job.succeeded is None),
        cron_job_name=observed.wanted["metadata"]["name"],
        consecutive_failures=failures,
        run_now=schedule.spec.run_now if carried_out else held.run_now,
        conditions=settle(
            held.conditions,
            _findings(observed, good=bool(good), failures=failures),
            types=ScheduleCondition,
            generation=schedule.metadata.generation,
            now_s=observed.now_s,
        ),
    )


def _time(moment_s: float | None, otherwise: str | None) -> str | None:
    return otherwise if moment_s is None else time_text(moment_s)


def _run(record: ProconsulSnapshot) -> SuccessfulRun:
    status = record.status
    return SuccessfulRun(time=status.completed_at, name=record.metadata.name, index=status.index)


def _findings(observed: ScheduleObserved, *, good: bool, failures: int) -> tuple[Finding, ...]:
    there = observed.cron_job is not None
    suspended = observed.schedule.spec.suspend
    foreign = is_foreign(observed)
    ready = Truth.TRUE if there and not suspended and not foreign else Truth.FALSE
    reason = "Suspended" if suspended else "Scheduled" if there else "Creating"
    name = observed.wanted["metadata"]["name"]
    last = Truth.UNKNOWN
    if failures:
        last = Truth.FALSE
    elif good:
        last = Truth.TRUE
    why = {Truth.TRUE: "Succeeded", Truth.FALSE: "Failed", Truth.UNKNOWN: "NoneYet"}[last]
    return (
        Finding(
            type=ScheduleCondition.READY,
            status=ready,
            reason="ForeignObject" if foreign else reason,
            message=FOREIGN.format(name=name) if foreign else "",
        ),
        Finding(
            type=ScheduleCondition.LAST_SNAPSHOT_SUCCEEDED,
            status=last,
            reason=why,
            message=f"{failures} failed since the last good one" if failures else "",
        ),
    )


def newest_success_s(schedules: tuple[ProconsulSnapshotSchedule, ...]) -> float | None:
    """Of all schedules of a cluster."""
    times = [
        unix_s(each.status.last_successful.time)
        for each in schedules
        if each.status.last_successful is not None and each.status.last_successful.time
    ]
    return max(times, default=None)
