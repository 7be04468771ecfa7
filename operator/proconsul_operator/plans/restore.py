"""A restore owns its cluster from the lock to its last phase; then nothing else is done there.

Every phase is entered again from what is observed: the epoch (in the restore, in the cluster's
status, in the order, on each disk), the lock, the leader, the restore's UID in the state. What must
be known before an act is written before it. Nothing that cannot be repeated is repeated: the
archive is put under the restore's UID, which the servers know again, and an epoch counts once for
each disk.
"""

from collections.abc import Callable
from typing import Final

from proconsul_operator.api.restore import ProconsulRestore, RestorePhase
from proconsul_operator.api.values import time_text
from proconsul_operator.plans import recovery
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Decision,
    Lock,
    PutSnapshot,
    StartJob,
    wait,
)
from proconsul_operator.plans.observe import Leader, Local, Observed
from proconsul_operator.plans.quorum import Quorum, judge
from proconsul_operator.plans.restore_record import enter, finish, job_name, source_of
from proconsul_operator.plans.restore_source import (
    Lack,
    fail,
    has_begun,
    is_of_another,
    lack_of_archive,
    replaced,
    settle,
)
from proconsul_operator.plans.snapshot import one_snapshot
from proconsul_operator.plans.steps import Step

_P = RestorePhase
FINAL = (_P.SUCCEEDED, _P.FAILED)


def plan(observed: Observed) -> Decision | None:
    """What a restore does next with the cluster; None if none owns it or waits for it."""
    restore = observed.restore
    if observed.lock and (restore is None or restore.metadata.uid != observed.lock):
        return _lock(observed, Step.RELEASE_LOCK, "", "the restore that owned it is no more")
    if restore is None or restore.spec.mode == "NewCluster":
        return None
    if restore.status.phase in FINAL:
        if not observed.lock:
            return None
        return _lock(observed, Step.RELEASE_LOCK, "", f"{restore.metadata.name} is done")
    if is_of_another(restore, observed.cluster.metadata.uid):
        return replaced(observed.now_s, restore)
    return _phase(observed, restore) if observed.lock else _begin(observed, restore)


def _begin(observed: Observed, restore: ProconsulRestore) -> Decision | None:
    """The lock; nothing, so that the cluster is not held up, while what it names is missing."""
    lack = None if has_begun(restore) else _lack(observed, restore)
    if lack is not None:
        decision = settle(observed.now_s, restore, lack)
        return decision if decision.acts else None
    uid = restore.metadata.uid
    return _lock(observed, Step.TAKE_LOCK, uid, f"{restore.metadata.name} begins")


def _lack(observed: Observed, restore: ProconsulRestore) -> Lack | None:
    return lack_of_archive(restore.spec.snapshot_ref, observed.snapshots)


def _lock(observed: Observed, step: Step, uid: str, why: str) -> Decision:
    meta = observed.cluster.metadata
    action = Lock(resource_version=meta.resource_version, restore_uid=uid)
    return Decision(step=step, action=action, target=meta.name, why=why)


def _phase(observed: Observed, restore: ProconsulRestore) -> Decision:
    acts = _PHASES.get(restore.status.phase)
    if acts is None:
        return enter(
            observed,
            restore,
            _P.VALIDATING,
            started_at=time_text(observed.now_s),
            cluster_uid=observed.cluster.metadata.uid,
            message="",
        )
    return acts(observed, restore)


def _validate(observed: Observed, restore: ProconsulRestore) -> Decision:
    if restore.spec.mode == "RecoverQuorum":
        return recovery.validate(observed, restore)
    return _check(observed, restore)


def _check(observed: Observed, restore: ProconsulRestore) -> Decision:
    name = job_name(restore, "check")
    job, lack = observed.job(name), _lack(observed, restore)
    if job is None and lack is not None:
        return fail(observed.now_s, restore, lack)
    if job is None:
        return Decision(
            step=Step.CHECK_ARCHIVE,
            action=StartJob(kind="Validate", name=name, parameters={"source": source_of(restore)}),
            target=name,
            why="the archive is read before anything is touched",
        )
    if job.succeeded is None:
        return wait(Step.AWAIT_ARCHIVE, f"Job {name} reads the archive", target=name)
    if not job.succeeded:
        return finish(observed, restore, failed=f"the archive is not good: {job.message}")
    from_index = observed.leader.commit_index if isinstance(observed.leader, Leader) else 0
    return enter(observed, restore, _P.SAFETY_SNAPSHOT, from_index=from_index)


def _safety_snapshot(observed: Observed, restore: ProconsulRestore) -> Decision:
    asked = restore.spec.safety_snapshot
    if asked == "Skip":
        return _after_safety(observed, restore)
    if not judge(observed).quorate:
        if asked == "Required":
            return finish(
                observed, restore, failed="there is no quorum to take the safety snapshot from"
            )
        return _after_safety(observed, restore)
    taken = one_snapshot(
        observed,
        name=job_name(restore, "before"),
        make=Step.SAFETY_SNAPSHOT,
        await_=Step.AWAIT_SAFETY_SNAPSHOT,
        destination=restore.spec.safety_destination,
    )
    if taken.decision is not None:
        return taken.decision
    if asked == "Required" and (taken.failed or not taken.name):
        why = taken.failed or "neither safetyDestination nor a schedule says where to"
        return finish(observed, restore, failed=f"the safety snapshot was not taken: {why}")
    return _after_safety(observed, restore, name="" if taken.failed else taken.name)


def _after_safety(observed: Observed, restore: ProconsulRestore, name: str = "") -> Decision:
    verdict = judge(observed)
    if verdict.quorate:
        return enter(observed, restore, _P.RESTORING, safety_snapshot_name=name)
    if verdict.quorum is Quorum.MAJORITY_LOST:
        return enter(observed, restore, _P.FENCING)
    return wait(Step.AWAIT_NEW_QUORUM, f"the disks may live: {verdict.message}", seconds=5.0)


def _put(observed: Observed, restore: ProconsulRestore) -> Decision:
    uid = restore.metadata.uid
    if not isinstance(observed.leader, Leader):
        return wait(Step.AWAIT_NEW_QUORUM, judge(observed).message)
    told = _leaders_own(observed)
    if told is not None and told.restore_uid == uid:
        return enter(observed, restore, _P.VERIFYING, to_index=observed.leader.commit_index)
    name = job_name(restore, "put")
    job, lack = observed.job(name), _lack(observed, restore)
    if job is None and lack is not None:
        return fail(observed.now_s, restore, lack)
    if job is None:
        return Decision(
            step=Step.PUT_SNAPSHOT,
            action=PutSnapshot(name=name, restore_uid=uid, source=source_of(restore)),
            target=name,
            why="the snapshot takes the place of the data",
        )
    if job.succeeded is False:
        return finish(observed, restore, failed=f"the snapshot was not taken in: {job.message}")
    return wait(Step.AWAIT_PUT, f"Job {name} puts the snapshot", target=name)


def _leaders_own(observed: Observed) -> Local | None:
    assert isinstance(observed.leader, Leader)
    leader = observed.leader
    return next((local for local in observed.locals() if local.id == leader.id), None)


def _verify(observed: Observed, restore: ProconsulRestore) -> Decision:
    if not isinstance(observed.leader, Leader):
        return wait(Step.AWAIT_NEW_QUORUM, judge(observed).message)
    uid = restore.metadata.uid
    told = {local.id: local for local in observed.locals()}
    behind = [
        server.name
        for server in observed.leader.configuration.voters
        if server.id not in told or told[server.id].restore_uid != uid
    ]
    if behind:
        return wait(
            Step.AWAIT_REJOIN,
            f"{', '.join(behind)} has not taken the snapshot in",
            seconds=LOOK_LATER_S,
        )
    return finish(
        observed, restore, message=f"all members hold the snapshot, index {restore.status.to_index}"
    )


_PHASES: Final[dict[str, Callable[[Observed, ProconsulRestore], Decision]]] = {
    _P.VALIDATING: _validate,
    _P.SAFETY_SNAPSHOT: _safety_snapshot,
    _P.FENCING: recovery.fence,
    _P.REFORMING: recovery.reform,
    _P.RESTORING: _put,
    _P.REJOINING: recovery.rejoin,
    _P.VERIFYING: _verify,
}
