"""Snapshots, schedules and new clusters: plans with records of their own, and their small worlds.

Each is a handful of facts, and what an act does to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from operator_tests.plans.stories import DESTINATION
from operator_tests.plans.world import NAME, START_S, TICK_S
from proconsul_operator.api.cluster import ClusterSpec, ClusterStatus, ProconsulCluster
from proconsul_operator.api.conditions import Condition, Truth
from proconsul_operator.api.restore import ProconsulRestore
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import Metadata, read, time_text
from proconsul_operator.plans import actions as a
from proconsul_operator.plans import new_cluster, schedule, snapshot
from proconsul_operator.plans.drift import digest
from proconsul_operator.plans.observe import Child, Job
from proconsul_operator.plans.steps import Step

RECORD_STEPS = frozenset(
    {
        Step.SNAPSHOT_FINALIZER,
        Step.START_SNAPSHOT,
        Step.EXPIRE_SNAPSHOT,
        Step.DELETE_REMOTE,
        Step.SNAPSHOT_LET_GO,
        Step.APPLY_CRON_JOB,
        Step.RUN_NOW,
        Step.RECORD_SNAPSHOT,
        Step.DROP_RECORD,
        Step.VERIFY_AGAIN,
        Step.MAKE_CLUSTER,
    }
)
RESULT = {"index": 42, "sha256": "ab", "verified": True, "location": "pvc://backups/a.snap"}


def record(name: str = "now", **spec: Any) -> ProconsulSnapshot:
    """A snapshot that is asked for."""
    asked = {"clusterRef": {"name": NAME}, "destination": DESTINATION, **spec}
    meta = {"name": name, "uid": f"{name}-0000-uid", "generation": 1}
    return read(ProconsulSnapshot, {"metadata": meta, "spec": asked})


@dataclass
class SnapshotWorld:
    """One record, and its Jobs."""

    held: ProconsulSnapshot | None
    now_s: float = START_S
    fails: bool = False
    jobs: dict[str, Job] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    removed: int = 0

    def observe(self) -> snapshot.SnapshotObserved:
        """As it is."""
        assert self.held is not None
        name = snapshot.job_name(self.held)
        return snapshot.SnapshotObserved(
            now_s=self.now_s,
            snapshot=self.held,
            cluster_exists=True,
            job=self.jobs.get(name),
            deletion_job=self.jobs.get(f"{name}-rm"),
        )

    def cycle(self, kill_after: Step | None = None) -> a.Decision | None:
        """One cycle; None once the record is gone."""
        if self.held is None:
            return None
        observed = self.observe()
        decision = snapshot.plan(observed)
        self._act(decision)
        if decision.acts:
            self.steps.append(decision.step)
        if decision.step is not kill_after:
            self._report(observed)
        self._pass_time()
        return decision

    def _report(self, observed: snapshot.SnapshotObserved) -> None:
        if self.held is not None:
            self.held = msgspec.structs.replace(self.held, status=snapshot.report(observed))

    def _act(self, decision: a.Decision) -> None:
        assert self.held is not None
        match decision.action:
            case a.SetFinalizer(present=present):
                self._metadata(finalizers=("proconsul.io/operator",) if present else ())
                if not present:
                    self.held = None
            case a.StartJob(name=name):
                self.jobs.setdefault(name, Job(name=name, uid=name, started_s=self.now_s))
            case a.DeleteObject():
                self.delete()
            case _:
                pass

    def delete(self) -> None:
        """Somebody deletes the record."""
        assert self.held is not None
        if self.held.metadata.finalizers:
            self._metadata(deletion_timestamp=time_text(self.now_s))
        else:
            self.held = None

    def _metadata(self, **fields: Any) -> None:
        assert self.held is not None
        meta: Metadata = msgspec.structs.replace(self.held.metadata, **fields)
        self.held = msgspec.structs.replace(self.held, metadata=meta)

    def _pass_time(self) -> None:
        self.now_s += TICK_S
        for name, job in self.jobs.items():
            if job.succeeded is None and self.now_s > (job.started_s or 0) + TICK_S:
                self.removed += name.endswith("-rm")
                self.jobs[name] = replace(
                    job,
                    succeeded=not self.fails,
                    ended_s=self.now_s,
                    result=None if self.fails else RESULT,
                    message="no bucket" if self.fails else "",
                )


@dataclass
class ScheduleWorld:
    """One schedule, its CronJob and its records."""

    held: ProconsulSnapshotSchedule
    records: dict[str, ProconsulSnapshot] = field(default_factory=dict)
    unrecorded: list[Mapping[str, Any]] = field(default_factory=list)
    applied: str = ""
    owner: str = ""  # of a CronJob that stands there already
    jobs: dict[str, Job] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def observe(self) -> schedule.ScheduleObserved:
        """As it is."""
        child = Child(
            uid="cron",
            resource_version="1",
            manifest={},
            controller_uid=self.owner or self.held.metadata.uid,
            applied=self.applied,
            untouched=True,
        )
        there = [each for each in self.unrecorded if each["metadata"]["name"] not in self.records]
        return schedule.ScheduleObserved(
            now_s=START_S,
            schedule=self.held,
            wanted={"kind": "CronJob", "metadata": {"name": "nightly"}},
            cron_job=child if self.applied or self.owner else None,
            jobs=tuple(self.jobs.values()),
            records=tuple(self.records.values()),
            unrecorded=tuple(there),
        )

    def cycle(self, kill_after: Step | None = None) -> a.Decision:
        """One cycle."""
        observed = self.observe()
        decision = schedule.plan(observed)
        match decision.action:
            case a.Apply(manifests=(manifest,)):
                self.applied = digest(manifest)
            case a.StartJob(name=name):
                assert name not in self.jobs, "a wish is carried out once"
                self.jobs[name] = Job(name=name, uid=name, succeeded=True)
            case a.CreateIfAbsent(manifests=(manifest,)):
                self.records[manifest["metadata"]["name"]] = read(ProconsulSnapshot, manifest)
            case a.DeleteObject(name=name):
                del self.records[name]
            case _:
                pass
        if decision.acts:
            self.steps.append(decision.step)
        if decision.step is not kill_after:
            self.held = msgspec.structs.replace(self.held, status=schedule.report(observed))
        return decision


@dataclass
class NewClusterWorld:
    """A restore into a new cluster."""

    held: ProconsulRestore
    cluster: ProconsulCluster | None = None
    made: int = 0
    snapshots: tuple[ProconsulSnapshot, ...] = ()
    now_s: float = START_S
    becomes_ready: bool = True
    events: list[str] = field(default_factory=list)

    def cycle(self) -> a.Decision:
        """One cycle; the cluster is ready at once."""
        decision = new_cluster.plan(
            new_cluster.NewClusterObserved(
                now_s=self.now_s,
                restore=self.held,
                cluster=self.cluster,
                snapshots=self.snapshots,
            )
        )
        self.now_s += TICK_S
        match decision.action:
            case a.CreateIfAbsent(manifests=(manifest,)) if self.cluster is None:
                made = read(ProconsulCluster, manifest)
                ready = Condition(
                    type="Ready",
                    status=Truth.TRUE,
                    reason="AsSpecified",
                    last_transition_time=time_text(START_S),
                )
                status = ClusterStatus(conditions=(ready,) if self.becomes_ready else ())
                self.cluster = msgspec.structs.replace(made, status=status)
                self.made += 1
            case a.RecordRestore(status=noted, event=event):
                self.events += [event] if event else []
                self.held = msgspec.structs.replace(self.held, status=noted)
            case _:
                pass
        return decision


def somebody_elses() -> ProconsulCluster:
    """A cluster of the name that is wanted."""
    return ProconsulCluster(metadata=Metadata(name="clone"), spec=ClusterSpec())
