"""Is the newest verified snapshot still what it was? It is read again, at a schedule's interval.

A store may lose or spoil an object long after it was verified. So each schedule has a Job read its
newest verified snapshot again, and the newest one of its cluster, whoever asked for that: when
nobody has looked at it for `verifyInterval`. A Job says one of three things. It is as it was. Or it
is not, broken or gone: then the record is no longer verified, and that is final, as nobody knows
who put it back. Or nothing can be said, as the store did not answer: then the record stays what it
is, and the failure is counted.

What retention has taken away is not missed: only those are looked at that it keeps, and one that
went while it was looked at, as a newer good one came, is no news.

A Job's name comes from the record's UID and the time of the last look: one look is one Job, whoever
asks for it and however often.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from proconsul_operator.api.conditions import (
    Finding,
    SnapshotCondition,
    Truth,
    condition_of,
    settle,
)
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot, SnapshotPhase, SnapshotStatus
from proconsul_operator.api.values import duration_s, plain, time_text, unix_s
from proconsul_operator.plans.actions import LOOK_LATER_S, Decision, StartJob, wait
from proconsul_operator.plans.events import Event
from proconsul_operator.plans.observe import Job
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.labels import SCHEDULE
from proconsul_operator.specs.names import head

RETRY_S: Final = 600.0  # after a look that came to nothing, if the interval is not shorter
PATIENCE_S: Final = 60.0  # with the words of a Job that has ended well
DAMAGES: Final = frozenset({"ObjectAbsent", "ArchiveBroken", "ChecksumDiffers"})
"""What a Job may say that is wrong with an object: reasons of the condition Verified."""

_LONG_AGO: Final = "1970-01-01T00:00:00Z"
_VERIFIED: Final = SnapshotCondition.VERIFIED


def is_verified(record: ProconsulSnapshot) -> bool:
    """It was found good, and not found bad since."""
    status = record.status
    return status.phase == SnapshotPhase.COMPLETED and status.verified


def is_damaged(record: ProconsulSnapshot) -> bool:
    """It was to be verified, and is not as it should be."""
    held = condition_of(record.status.conditions, _VERIFIED)
    return held is not None and held.status is Truth.FALSE


def newest(records: Iterable[ProconsulSnapshot]) -> ProconsulSnapshot | None:
    """By the time at which it was completed."""
    return max(records, key=_age, default=None)


def _age(record: ProconsulSnapshot) -> tuple[str, int, str]:
    return (record.status.completed_at or "", record.status.index, record.metadata.name)


def is_superseded(record: ProconsulSnapshot, others: Iterable[ProconsulSnapshot]) -> bool:
    """Its schedule has taken a newer good one: retention may have taken its archive away."""
    schedule = record.metadata.labels.get(SCHEDULE)
    return schedule is not None and any(
        each.metadata.labels.get(SCHEDULE) == schedule
        and is_verified(each)
        and _age(each) > _age(record)
        for each in others
    )


def looked_s(record: ProconsulSnapshot) -> float:
    """When it was last looked at, in vain or not."""
    status = record.status
    times = (status.completed_at, status.verified_at, status.checked_at)
    return max((unix_s(each) for each in times if each), default=0.0)


def job_name(record: ProconsulSnapshot) -> str:
    """Of the next look at it."""
    meta = record.metadata
    return f"{head(meta.name)}-{meta.uid[:8]}-v{int(looked_s(record)):x}"


def due(
    schedule: ProconsulSnapshotSchedule, records: Iterable[ProconsulSnapshot], now_s: float
) -> tuple[ProconsulSnapshot, ...]:
    """Which of a cluster's records this schedule has looked at again now."""
    interval_s = duration_s(schedule.spec.verify_interval)
    if not interval_s:
        return ()
    done = [each for each in records if each.status.phase == SnapshotPhase.COMPLETED]
    own = [each for each in done if each.metadata.labels.get(SCHEDULE) == schedule.metadata.name]
    kept = [each for each in _kept(schedule, own, now_s) if is_verified(each)]
    chosen = {
        each.metadata.name: each
        for each in (newest(kept), newest(done))
        if each is not None and is_verified(each) and each.metadata.deletion_timestamp is None
    }

    def is_due(record: ProconsulSnapshot) -> bool:
        failed = record.status.verify_failures > 0
        distance_s = min(interval_s, RETRY_S) if failed else interval_s
        return now_s >= looked_s(record) + distance_s

    return tuple(each for each in chosen.values() if is_due(each))


def _kept(
    schedule: ProconsulSnapshotSchedule, own: list[ProconsulSnapshot], now_s: float
) -> list[ProconsulSnapshot]:
    """Those of its records whose archives retention leaves in the store."""
    rule = schedule.spec.retention
    if rule is None:
        return own
    last = max(rule.keep_last or 0, 1)
    since_s = now_s if rule.max_age is None else now_s - duration_s(rule.max_age)
    young = [each for each in own if unix_s(each.status.completed_at or _LONG_AGO) >= since_s]
    asked = newest(each for each in own if each.spec.verify != "None")
    return [*sorted(own, key=_age)[-last:], *young, *([] if asked is None else [asked])]


def decide(records: Iterable[ProconsulSnapshot], jobs: Iterable[Job]) -> Decision | None:
    """What to do about those that are due. `jobs`: all such of the cluster; one at a time runs."""
    there = {job.name: job for job in jobs}
    running = [job.name for job in there.values() if job.succeeded is None]
    for record in records:
        name = job_name(record)
        if running:
            return wait(
                Step.AWAIT_VERIFICATION,
                f"Job {running[0]} looks at one",
                target=running[0],
                seconds=LOOK_LATER_S,
            )
        if name not in there:  # one that has ended waits for its record to tell of it
            return _start(record, name)
    return None


def _start(record: ProconsulSnapshot, name: str) -> Decision:
    status = record.status
    return Decision(
        step=Step.VERIFY_AGAIN,
        action=StartJob(
            kind="Verify",
            name=name,
            parameters={
                "uid": record.metadata.uid,
                "location": status.location,
                "destination": plain(record.spec.destination),
                "sha256": status.sha256,
                "sizeBytes": status.size_bytes,
            },
        ),
        target=record.metadata.name,
        why="nobody has looked at it for verifyInterval",
    )


def report(
    record: ProconsulSnapshot, job: Job | None, now_s: float, *, superseded: bool
) -> SnapshotStatus:
    """The record's status after the look at it, if that has ended. See `is_superseded`."""
    held = record.status
    if job is None or job.succeeded is None or not is_verified(record):
        return held
    ended_s = now_s if job.ended_s is None else job.ended_s
    if job.succeeded and job.result is None and now_s < ended_s + PATIENCE_S:
        return held  # its pod is in a list that is newer than ours
    # Never the time of the look before: the next one would have the same Job.
    ended_s = max(ended_s, looked_s(record) + 1)
    ended = time_text(ended_s)
    result = job.result or {}
    error = result.get("error", {})
    reason, message = error.get("reason", ""), error.get("message", "")
    told = result.get("verified") if job.succeeded else None
    if told is True:
        status = msgspec.structs.replace(held, verified_at=ended, verify_failures=0)
        found = Finding(type=_VERIFIED, status=Truth.TRUE, reason=held.phase)
    elif told is False and reason in DAMAGES and not (superseded and reason == "ObjectAbsent"):
        status = msgspec.structs.replace(held, verified=False, verify_failures=0)
        found = Finding(type=_VERIFIED, status=Truth.FALSE, reason=reason, message=message)
    elif told is False and reason in DAMAGES:
        status = held
        found = Finding(type=_VERIFIED, status=Truth.TRUE, reason=held.phase)
    else:
        status = msgspec.structs.replace(held, verify_failures=held.verify_failures + 1)
        why = f"the look of {ended} came to nothing: {message or job.message or 'nothing was said'}"
        found = Finding(type=_VERIFIED, status=Truth.TRUE, reason=held.phase, message=why)
    return msgspec.structs.replace(
        status,
        checked_at=ended,
        conditions=settle(
            held.conditions,
            (found,),
            types=SnapshotCondition,
            generation=record.metadata.generation,
            now_s=now_s,
        ),
    )


def events(before: SnapshotStatus, after: SnapshotStatus) -> tuple[Event, ...]:
    """What a look found that a person should hear of: once, not at every look."""
    if before.phase != SnapshotPhase.COMPLETED:
        return ()
    held = condition_of(after.conditions, _VERIFIED)
    why = "" if held is None else held.message
    if before.verified and not after.verified:
        text = f"{after.location}: {why}"
        return (Event(reason="SnapshotVerificationFailed", message=text, warning=True),)
    if after.verify_failures and not before.verify_failures:
        return (Event(reason="SnapshotNotChecked", message=why, warning=True),)
    return ()
