"""After a quorum was lost for good: the best survivor goes on alone, or a new cluster is founded.

Patience before surgery: if anybody knows a leader, or a majority of the last known voters answers,
it is refused. The survivor is chosen from two looks that agree, half a minute apart. Then in this
order: the epoch into the restore's status, into the cluster's status, the guard (only for a new
cluster), the order that the servers read at their start; and only then pods are deleted. A pod has
passed when its own disk says the epoch.
"""

from typing import Final

from proconsul_operator.api.restore import ProconsulRestore, RestorePhase, Survivor
from proconsul_operator.api.values import time_text, unix_s
from proconsul_operator.plans.actions import (
    Apply,
    Decision,
    DeletePod,
    RecordStatus,
    ResetGuard,
    wait,
)
from proconsul_operator.plans.observe import Leader, Local, Observed, Pod, Unknown
from proconsul_operator.plans.quorum import judge, last_known, majority
from proconsul_operator.plans.restore_record import enter, finish, job_name
from proconsul_operator.plans.snapshot import one_snapshot
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.configmaps import recovery as recovery_order

AGREE_S: Final = 30.0  # between two looks at the survivors
SILENT_S: Final = 60.0


def survivors(observed: Observed) -> tuple[Survivor, ...]:
    """Servers that answer and hold a log of this cluster."""
    return tuple(
        Survivor(
            name=pod.name,
            id=pod.local.id,
            last_term=pod.local.last_term,
            last_index=pod.local.last_index,
            commit_index=pod.local.commit_index,
        )
        for pod in observed.pods
        if isinstance(pod.local, Local) and not pod.local.empty and not pod.local.decommissioned
    )


def quorum_present(observed: Observed) -> str:
    """Why patience is right and surgery is not; "" if it is."""
    if isinstance(observed.leader, Leader):
        return f"{observed.leader.name} leads"
    for pod in observed.pods:
        if isinstance(pod.local, Local) and pod.local.leader_id:
            return f"{pod.name} knows a leader"
    voters = last_known(observed).voters
    answering = {local.id for local in observed.locals()}
    there = sum(1 for server in voters if server.id in answering)
    if voters and there >= majority(len(voters)):
        return f"{there} of {len(voters)} voters answer"
    return ""


def best(found: tuple[Survivor, ...]) -> Survivor:
    """The one with the longest log of the latest term."""
    return max(found, key=lambda each: (each.last_term, each.last_index, each.id))


def validate(observed: Observed, restore: ProconsulRestore) -> Decision:
    """Two looks that agree, and a choice."""
    present = quorum_present(observed)
    if present:
        return finish(
            observed, restore, failed=f"QuorumPresent: {present}, so it is no case for surgery"
        )
    found = survivors(observed)
    if not found:
        return wait(Step.AWAIT_SURVIVORS, "no server with data answers")
    held = restore.status
    if found != held.survivors or held.started_at is None:
        return enter(
            observed,
            restore,
            RestorePhase.VALIDATING,
            step=Step.NOTE_SURVIVORS,
            survivors=found,
            started_at=time_text(observed.now_s),
        )
    left_s = unix_s(held.started_at) + AGREE_S - observed.now_s
    if left_s > 0:
        return wait(Step.AWAIT_SURVIVORS, "a second look must say the same", seconds=left_s)
    chosen = restore.spec.survivor or best(found).id
    if chosen not in {each.id for each in found}:
        return finish(observed, restore, failed=f"the survivor {chosen} does not answer")
    from_index = next(each.last_index for each in found if each.id == chosen)
    return enter(observed, restore, RestorePhase.FENCING, chosen=chosen, from_index=from_index)


def fence(observed: Observed, restore: ProconsulRestore) -> Decision:
    """Everything that must be written down before a pod is touched, one thing a cycle."""
    anew = restore.spec.mode == "InPlace"
    status = restore.status
    if not status.epoch:
        return enter(
            observed,
            restore,
            RestorePhase.FENCING,
            step=Step.NOTE_EPOCH,
            epoch=_next_epoch(observed),
            new_cluster_id=observed.fresh.cluster_id if anew else "",
        )
    if observed.status.recovery_epoch < status.epoch:
        fields: dict[str, object] = {"recovery_epoch": status.epoch}
        if anew:
            fields["cluster_id"] = status.new_cluster_id
        return Decision(
            step=Step.RAISE_EPOCH,
            action=RecordStatus(fields=fields),
            target=observed.wanted.name,
            why=f"recovery {status.epoch} begins",
        )
    return (
        _guard(observed, restore)
        or _order(observed, restore)
        or enter(observed, restore, RestorePhase.REFORMING)
    )


def _next_epoch(observed: Observed) -> int:
    """Greater than any that a disk may have seen, even if the status was thrown away."""
    seen = [local.recovery_epoch for local in observed.locals()]
    ordered = 0 if observed.recovery is None else observed.recovery.epoch
    return max(observed.status.recovery_epoch, ordered, *seen, 0) + 1


def _guard(observed: Observed, restore: ProconsulRestore) -> Decision | None:
    wanted_id = restore.status.new_cluster_id
    held = observed.guard
    if not wanted_id or held is None or held.cluster_id == wanted_id:
        return None
    return Decision(
        step=Step.RESET_GUARD,
        action=ResetGuard(cluster_id=wanted_id, resource_version=held.resource_version),
        target=observed.wanted.guard,
        why="a new cluster is to be founded",
    )


def _order(observed: Observed, restore: ProconsulRestore) -> Decision | None:
    status = restore.status
    if observed.recovery is not None and observed.recovery.epoch >= status.epoch:
        return None
    manifest = recovery_order(
        observed.wanted,
        epoch=status.epoch,
        mode="Reform" if status.chosen else "Rebootstrap",
        voter=status.chosen,
        restore_uid=restore.metadata.uid,
    )
    return Decision(
        step=Step.ORDER_RECOVERY,
        action=Apply(manifests=(manifest,)),
        target=observed.wanted.recovery,
        why=f"servers read at their start what recovery {status.epoch} is",
    )


def reform(observed: Observed, restore: ProconsulRestore) -> Decision:
    """All pods start again, the survivor first; then a leader of the new epoch."""
    status = restore.status
    to_fence = [pod for pod in observed.pods if _is_to_fence(observed, pod, status.epoch)]
    first = min(to_fence, key=lambda pod: (pod.id != status.chosen, pod.ordinal), default=None)
    if first is not None and any(
        pod.terminating and pod.id == status.chosen for pod in observed.pods
    ):
        return wait(Step.AWAIT_FENCE, "the survivor stops")
    if first is not None:
        return Decision(
            step=Step.FENCE_POD,
            action=DeletePod(
                name=first.name, uid=first.uid, resource_version=first.resource_version
            ),
            target=first.name,
            why=f"it has not passed recovery {status.epoch}",
        )
    if any(pod.terminating for pod in observed.pods):
        return wait(Step.AWAIT_FENCE, "pods of before are stopping")
    if not _reformed(observed, restore):
        return wait(Step.AWAIT_NEW_QUORUM, judge(observed).message)
    phase = RestorePhase.REJOINING if status.chosen else RestorePhase.RESTORING
    return enter(observed, restore, phase)


def _is_to_fence(observed: Observed, pod: Pod, epoch: int) -> bool:
    if pod.terminating:
        return False
    if isinstance(pod.local, Unknown):
        silent_s = observed.now_s - max(pod.local.since_s, pod.created_s)
        return silent_s > SILENT_S and not pod.pending
    return pod.local.recovery_epoch < epoch


def _reformed(observed: Observed, restore: ProconsulRestore) -> bool:
    leader = observed.leader
    if not isinstance(leader, Leader):
        return False
    own = next((local for local in observed.locals() if local.id == leader.id), None)
    if own is None or own.recovery_epoch < restore.status.epoch:
        return False
    return not restore.status.new_cluster_id or own.cluster_id == restore.status.new_cluster_id


def rejoin(observed: Observed, restore: ProconsulRestore) -> Decision:
    """The others come back with new IDs, and a snapshot is taken of what there is."""
    if not isinstance(observed.leader, Leader):
        return wait(Step.AWAIT_NEW_QUORUM, judge(observed).message)
    voters = {server.id for server in observed.leader.configuration.voters}
    late = [pod.name for pod in observed.pods if not pod.pending and pod.id not in voters]
    if late:
        return wait(Step.AWAIT_REJOIN, f"{', '.join(late)} has no vote yet", target=late[0])
    taken = one_snapshot(
        observed,
        name=job_name(restore, "after"),
        make=Step.AFTER_SNAPSHOT,
        await_=Step.AWAIT_SAFETY_SNAPSHOT,
        destination=restore.spec.safety_destination,
    )
    if taken.decision is not None:
        return taken.decision
    return finish(
        observed,
        restore,
        message=f"entries that the lost majority committed after index {restore.status.from_index} "
        "may be missing",
        to_index=observed.leader.commit_index,
    )
