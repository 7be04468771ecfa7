"""A ProconsulSnapshot: one Job, whose name comes from the object's UID, and what became of it.

The name makes it one: an operator that starts again finds the Job, and never takes a second
snapshot. A failure is final. A record that others ask for (before a stop, a deletion, a restore)
has a name from its occasion, so it is one, too.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from proconsul_operator.api.conditions import (
    Finding,
    SnapshotCondition,
    Truth,
    settle,
)
from proconsul_operator.api.group import API_VERSION, FINALIZER
from proconsul_operator.api.places import Destination
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import (
    ProconsulSnapshot,
    SnapshotError,
    SnapshotPhase,
    SnapshotStatus,
)
from proconsul_operator.api.values import duration_s, plain, time_text, unix_s
from proconsul_operator.plans import verification
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    CreateIfAbsent,
    Decision,
    DeleteObject,
    SetFinalizer,
    StartJob,
    wait,
)
from proconsul_operator.plans.events import Event
from proconsul_operator.plans.observe import Job, Observed
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.labels import CLUSTER
from proconsul_operator.specs.names import head

FINAL: Final = (SnapshotPhase.COMPLETED, SnapshotPhase.FAILED, SnapshotPhase.EXPIRED)
FROM_RESULT: Final = {
    "index": "index", "term": "term", "clusterID": "cluster_id", "version": "version",
    "sizeBytes": "size_bytes", "sha256": "sha256", "location": "location",
    "verified": "verified", "keysChecked": "keys_checked",
}  # fmt: skip
"""Names in a Job's result, and the fields of the status that they fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotObserved:
    """One record, its Jobs, and whether its cluster is there."""

    now_s: float
    snapshot: ProconsulSnapshot
    cluster_exists: bool
    job: Job | None = None
    deletion_job: Job | None = None
    verification: Job | None = None  # the look at it that is next, by its name
    superseded: bool = False  # see verification.is_superseded


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A snapshot that another plan asked for: what to do, or that it is done, or why it failed."""

    decision: Decision | None = None
    failed: str = ""
    name: str = ""


def job_name(snapshot: ProconsulSnapshot) -> str:
    """The same for the same object, and no other's."""
    return f"{head(snapshot.metadata.name)}-{snapshot.metadata.uid[:8]}"


def plan(observed: SnapshotObserved) -> Decision:
    """The next act for one record."""
    return (
        _delete(observed)
        or _finalizer(observed)
        or _expire(observed)
        or _start(observed)
        or wait(Step.SNAPSHOT_IDLE, "", seconds=LOOK_LATER_S)
    )


def _removes_remote(snapshot: ProconsulSnapshot) -> bool:
    return snapshot.spec.deletion_policy == "Delete"


def _finalizer(observed: SnapshotObserved) -> Decision | None:
    snapshot = observed.snapshot
    if not _removes_remote(snapshot) or FINALIZER in snapshot.metadata.finalizers:
        return None
    return _set_finalizer(Step.SNAPSHOT_FINALIZER, snapshot, present=True)


def _set_finalizer(step: Step, snapshot: ProconsulSnapshot, *, present: bool) -> Decision:
    meta = snapshot.metadata
    return Decision(
        step=step,
        action=SetFinalizer(
            kind="ProconsulSnapshot", name=meta.name, uid=meta.uid, present=present
        ),
        target=meta.name,
        why="the remote object goes with the record",
    )


def _delete(observed: SnapshotObserved) -> Decision | None:
    """The record is deleted: the remote object first, if it is to go."""
    snapshot = observed.snapshot
    if snapshot.metadata.deletion_timestamp is None:
        return None
    if FINALIZER not in snapshot.metadata.finalizers:
        return wait(Step.SNAPSHOT_IDLE, "it is being deleted", seconds=LOOK_LATER_S)
    if not snapshot.status.location:
        return _set_finalizer(Step.SNAPSHOT_LET_GO, snapshot, present=False)
    job = observed.deletion_job
    if job is None:
        name = f"{job_name(snapshot)}-rm"
        return Decision(
            step=Step.DELETE_REMOTE,
            action=StartJob(
                kind="Delete",
                name=name,
                parameters={
                    "location": snapshot.status.location,
                    "destination": plain(snapshot.spec.destination),
                },
            ),
            target=name,
            why="deletionPolicy is Delete",
        )
    if job.succeeded is None:
        return wait(Step.AWAIT_DELETE_REMOTE, f"Job {job.name} deletes it", target=job.name)
    return _set_finalizer(Step.SNAPSHOT_LET_GO, snapshot, present=False)


def _expire(observed: SnapshotObserved) -> Decision | None:
    snapshot = observed.snapshot
    ended = snapshot.status.completed_at
    if snapshot.spec.ttl is None or ended is None:
        return None
    if observed.now_s < unix_s(ended) + duration_s(snapshot.spec.ttl):
        return None
    meta = snapshot.metadata
    return Decision(
        step=Step.EXPIRE_SNAPSHOT,
        action=DeleteObject(kind="ProconsulSnapshot", name=meta.name, uid=meta.uid),
        target=meta.name,
        why=f"it is older than {snapshot.spec.ttl}",
    )


def _start(observed: SnapshotObserved) -> Decision | None:
    snapshot = observed.snapshot
    if snapshot.status.phase in FINAL:
        return None
    if observed.job is not None:
        return wait(Step.AWAIT_SNAPSHOT, f"Job {observed.job.name} runs", target=observed.job.name)
    if not observed.cluster_exists:
        return wait(
            Step.AWAIT_CLUSTER,
            f"ProconsulCluster {snapshot.spec.cluster_ref.name} is not there",
            seconds=LOOK_LATER_S,
        )
    name = job_name(snapshot)
    return Decision(
        step=Step.START_SNAPSHOT,
        action=StartJob(
            kind="Snapshot",
            name=name,
            parameters={
                "snapshot": snapshot.metadata.name,
                "uid": snapshot.metadata.uid,
                "spec": plain(snapshot.spec),
            },
        ),
        target=name,
        why="the record has no Job yet",
    )


def report(observed: SnapshotObserved) -> SnapshotStatus:
    """The record's status; what is final stays, but for what a later look at it finds."""
    snapshot = observed.snapshot
    held = snapshot.status
    if held.phase in FINAL:
        job, superseded = observed.verification, observed.superseded
        return verification.report(snapshot, job, observed.now_s, superseded=superseded)
    job = observed.job
    fields: dict[str, Any] = {}
    phase = SnapshotPhase.PENDING
    if job is not None:
        phase, fields = _of_job(job)
    fields["phase"] = phase.value
    fields["observed_generation"] = snapshot.metadata.generation
    status = msgspec.structs.replace(held, **fields)
    found = _findings(snapshot, status)
    return msgspec.structs.replace(
        status,
        conditions=settle(
            held.conditions,
            found,
            types=SnapshotCondition,
            generation=snapshot.metadata.generation,
            now_s=observed.now_s,
        ),
    )


def _of_job(job: Job) -> tuple[SnapshotPhase, dict[str, Any]]:
    fields: dict[str, Any] = {"job_name": job.name, "attempts": job.attempts}
    if job.started_s is not None:
        fields["started_at"] = time_text(job.started_s)
    if job.succeeded is None:
        return SnapshotPhase.RUNNING, fields
    if job.ended_s is not None:
        fields["completed_at"] = time_text(job.ended_s)
        if job.started_s is not None:
            fields["duration"] = f"{max(job.ended_s - job.started_s, 0):.0f}s"
    result = job.result or {}
    if job.succeeded and result:
        fields |= {ours: result[name] for name, ours in FROM_RESULT.items() if name in result}
        if fields.get("verified") and job.ended_s is not None:
            fields["verified_at"] = time_text(job.ended_s)
        return SnapshotPhase.COMPLETED, fields
    if job.succeeded:
        # Its pod is gone: the gateway reads the side file beside the archive, in a later cycle.
        return SnapshotPhase.VERIFYING, fields
    error = result.get("error", {})
    fields["error"] = SnapshotError(
        reason=error.get("reason", "JobFailed"), message=error.get("message", job.message)
    )
    return SnapshotPhase.FAILED, fields


def events(before: SnapshotStatus, after: SnapshotStatus) -> tuple[Event, ...]:
    """What a person should hear of."""
    if after.phase == before.phase:
        return verification.events(before, after)
    if after.phase == SnapshotPhase.FAILED:
        why = "" if after.error is None else after.error.message
        return (Event(reason="SnapshotFailed", message=why, warning=True),)
    if after.phase == SnapshotPhase.COMPLETED:
        return (Event(reason="SnapshotTaken", message=after.location),)
    return ()


def _findings(snapshot: ProconsulSnapshot, status: SnapshotStatus) -> tuple[Finding, ...]:
    done = status.phase == SnapshotPhase.COMPLETED
    failed = status.phase == SnapshotPhase.FAILED
    reason = status.phase
    why = status.error.message if status.error is not None else ""
    verified = Truth.UNKNOWN
    if done and snapshot.spec.verify != "None":
        verified = Truth.TRUE if status.verified else Truth.FALSE
    kinds = SnapshotCondition
    return (
        Finding(type=kinds.COMPLETE, status=_truth(done), reason=reason, message=why),
        Finding(type=kinds.FAILED, status=_truth(failed), reason=reason, message=why),
        Finding(type=kinds.VERIFIED, status=verified, reason=reason),
    )


def _truth(holds: bool) -> Truth:
    return Truth.TRUE if holds else Truth.FALSE


def schedules_of(observed: Observed) -> list[ProconsulSnapshotSchedule]:
    """Schedules that name this cluster."""
    name = observed.cluster.metadata.name
    return [each for each in observed.schedules if each.spec.cluster_ref.name == name]


def destination_of(observed: Observed) -> Destination | None:
    """Where the cluster's schedule puts its snapshots; the first by name."""
    first = min(schedules_of(observed), key=lambda each: each.metadata.name, default=None)
    return None if first is None else first.spec.template.destination


def one_snapshot(
    observed: Observed,
    *,
    name: str,
    make: Step,
    await_: Step,
    destination: Destination | None = None,
) -> Taken:
    """A snapshot for another plan. Without a destination there is none, and nothing to wait for."""
    where = destination or destination_of(observed)
    held = next((each for each in observed.snapshots if each.metadata.name == name), None)
    if held is None and where is None:
        return Taken()
    if held is None:
        return Taken(decision=_make(observed, name, where, make), name=name)
    if held.status.phase == SnapshotPhase.FAILED:
        error = held.status.error
        return Taken(failed=(error.message if error else "") or "see its status", name=name)
    if held.status.phase == SnapshotPhase.COMPLETED:
        return Taken(name=name)
    return Taken(
        decision=wait(await_, f"ProconsulSnapshot {name} is taken", target=name), name=name
    )


def _make(observed: Observed, name: str, where: Destination | None, step: Step) -> Decision:
    cluster = observed.cluster.metadata
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "ProconsulSnapshot",
        "metadata": {
            "name": name,
            "namespace": cluster.namespace,
            "labels": {CLUSTER: cluster.name},
        },
        "spec": {"clusterRef": {"name": cluster.name}, "destination": plain(where)},
    }
    return Decision(
        step=step,
        action=CreateIfAbsent(manifests=(manifest,)),
        target=name,
        why="a snapshot is taken first",
    )
