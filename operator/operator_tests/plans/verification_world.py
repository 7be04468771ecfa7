"""A schedule, the records of a cluster, a store that may lose or spoil what it holds, and Jobs.

The store is the truth that a look is measured by: a record may be called damaged only if its object
is, and a damaged one is found once the store answers.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from operator_tests.plans.records import record
from operator_tests.plans.stories import schedule
from operator_tests.plans.world import START_S
from proconsul_operator.api.conditions import (
    Condition,
    SnapshotCondition,
    Truth,
    condition_of,
)
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot, SnapshotStatus
from proconsul_operator.api.values import duration_s, time_text
from proconsul_operator.plans import actions as a
from proconsul_operator.plans import schedule as schedules
from proconsul_operator.plans import snapshot as snapshots
from proconsul_operator.plans import verification
from proconsul_operator.plans.drift import digest
from proconsul_operator.plans.events import Event
from proconsul_operator.plans.observe import Child, Job
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.labels import SCHEDULE

JOB_S = 20.0
TICK_S = 15.0
WANTED = {"kind": "CronJob", "metadata": {"name": "nightly"}}
GOOD, BROKEN = "good", "broken"
DAMAGED = ("ArchiveBroken", "ObjectAbsent")


@dataclass
class Backups:
    """All of it. `objects`: what the store holds, by record; `away`: it does not answer."""

    asked: dict[str, Any] = field(default_factory=dict)
    now_s: float = START_S
    away: bool = False
    hangs: bool = False
    objects: dict[str, str] = field(default_factory=dict)
    records: dict[str, ProconsulSnapshot] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)  # of a Job: the record's name
    events: list[Event] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        """A schedule with these fields of its spec."""
        made = schedule()
        spec = msgspec.structs.replace(made.spec, **{"verify_interval": "1h", **self.asked})
        self.held: ProconsulSnapshotSchedule = msgspec.structs.replace(made, spec=spec)

    def take(self, name: str, *, by_hand: bool = False, **spec: Any) -> None:
        """A snapshot is taken and verified, and its Job tidies up as schedules ask."""
        made = record(name, **spec)
        verified = made.spec.verify != "None"
        now = time_text(self.now_s)
        settled = Condition(
            type=SnapshotCondition.VERIFIED.value,
            status=Truth.TRUE if verified else Truth.UNKNOWN,
            reason="Completed",
            last_transition_time=now,
        )
        status = SnapshotStatus(
            phase="Completed",
            completed_at=now,
            verified=verified,
            verified_at=now if verified else None,
            location=f"pvc://backups/{name}.snap",
            sha256="ab",
            size_bytes=7,
            conditions=(settled,),
        )
        labels = {} if by_hand else {SCHEDULE: self.held.metadata.name}
        meta = msgspec.structs.replace(made.metadata, labels=labels)
        self.records[name] = msgspec.structs.replace(made, metadata=meta, status=status)
        self.objects[name] = GOOD
        if not by_hand:
            self._tidy()

    def _tidy(self) -> None:
        rule = self.held.spec.retention
        if rule is None or rule.keep_last is None:
            return
        ours = [each for each in self.records.values() if each.metadata.labels]
        ours.sort(key=lambda each: each.status.completed_at or "", reverse=True)
        there = [each.metadata.name for each in ours if each.metadata.name in self.objects]
        good = [
            name
            for name in there
            if self.objects[name] == GOOD and self.records[name].spec.verify != "None"
        ]
        for name in set(there) - set(there[: rule.keep_last]) - set(good[:1]):
            del self.objects[name]

    def spoil(self, name: str) -> None:
        """Other bytes lie there from here on."""
        if name in self.objects:
            self.objects[name] = BROKEN

    def lose(self, name: str) -> None:
        """Nothing lies there from here on."""
        self.objects.pop(name, None)

    def cycle(self, *, kill_after: Step | None = None) -> a.Decision:
        """The schedule is looked at, and then each record; not once the operator is dead."""
        decision = self._schedule()
        if decision.acts:
            self.steps.append(decision.step)
        if decision.acts and decision.step is kill_after:
            return decision
        for name in sorted(self.records):
            self._record(name)
        return decision

    def _schedule(self) -> a.Decision:
        child = Child(
            uid="cron",
            resource_version="1",
            manifest={},
            controller_uid=self.held.metadata.uid,
            applied=digest(WANTED),
            untouched=True,
        )
        own = [each for each in self.records.values() if each.metadata.labels]
        observed = schedules.ScheduleObserved(
            now_s=self.now_s,
            schedule=self.held,
            wanted=WANTED,
            cron_job=child,
            records=tuple(own),
            siblings=tuple(self.records.values()),
            verifications=tuple(self.jobs.values()),
        )
        decision = schedules.plan(observed)
        match decision.action:
            case a.StartJob(kind="Verify", name=name, parameters=given):
                running = [job.name for job in self.jobs.values() if job.succeeded is None]
                assert not running, f"{running} runs, and {name} is started"
                assert name not in self.jobs, "one look is one Job"
                (subject,) = (
                    each.metadata.name
                    for each in self.records.values()
                    if each.metadata.uid == given["uid"]
                )
                self.subjects[name] = subject
                self.jobs[name] = Job(name=name, uid=name, started_s=self.now_s)
            case a.DeleteObject(name=name):
                del self.records[name]
            case _:
                assert not decision.acts
        return decision

    def _record(self, name: str) -> None:
        held = self.records[name]
        job = None
        if verification.is_verified(held):
            job = self.jobs.get(verification.job_name(held))
        observed = snapshots.SnapshotObserved(
            now_s=self.now_s,
            snapshot=held,
            cluster_exists=True,
            verification=job,
            superseded=verification.is_superseded(held, self.records.values()),
        )
        status = snapshots.report(observed)
        if held.status.verified and not status.verified:
            assert self.objects.get(name) != GOOD, f"{name} is called damaged, and is not"
        self.events.extend(snapshots.events(held.status, status))
        self.records[name] = msgspec.structs.replace(held, status=status)

    def pass_time(self, seconds: float = TICK_S) -> None:
        """Jobs end, with what the store says then."""
        self.now_s += seconds
        for name, job in self.jobs.items():
            if job.succeeded is None and not self.hangs and self.now_s >= _end_s(job):
                self.jobs[name] = self._ended(job)

    def _ended(self, job: Job) -> Job:
        name = self.subjects[job.name]
        found = self.objects.get(name)
        if self.away:
            error = {"reason": "StoreFailed", "message": "nobody answers"}
            result: dict[str, Any] = {"error": error}
        elif found == GOOD:
            result = {"verified": True}
        else:
            reason = "ObjectAbsent" if found is None else "ArchiveBroken"
            result = {"verified": False, "error": {"reason": reason, "message": f"{name} is bad"}}
        return replace(job, succeeded=not self.away, ended_s=_end_s(job), result=result)

    def run(self, seconds: float, *, kill_after: Step | None = None) -> None:
        """The operator looks after it for so long; killed the first time that it acts at a step."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            decision = self.cycle(kill_after=kill_after)
            if decision.step is kill_after:
                kill_after = None
            self.pass_time()
        self.cycle()

    def run_an_interval(self) -> None:
        """So long that each look that is due is over."""
        self.run(duration_s(self.held.spec.verify_interval) + 4 * JOB_S)

    def verified(self, name: str) -> tuple[str, str]:
        """Status and reason of the condition."""
        held = condition_of(self.records[name].status.conditions, SnapshotCondition.VERIFIED)
        assert held is not None
        return held.status.value, held.reason

    def looked_at(self) -> list[str]:
        """Records, one for each Job, in the order of the Jobs."""
        return list(self.subjects.values())

    def warnings(self) -> list[str]:
        """Reasons of Events."""
        return [each.reason for each in self.events if each.warning]


def _end_s(job: Job) -> float:
    return (job.started_s or 0.0) + JOB_S
