"""What holds of a cluster: each condition from what was observed and decided."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from proconsul_operator.api.conditions import (
    ClusterCondition,
    Finding,
    SnapshotCondition,
    Truth,
    condition_of,
)
from proconsul_operator.api.snapshot import ProconsulSnapshot, SnapshotPhase
from proconsul_operator.api.values import duration_s, unix_s
from proconsul_operator.plans import verification
from proconsul_operator.plans.actions import Decision
from proconsul_operator.plans.change import refusal
from proconsul_operator.plans.cluster import paused_by
from proconsul_operator.plans.observe import (
    Keyring,
    Leader,
    Observed,
    Pod,
    TlsSecret,
    Unknown,
    Volume,
)
from proconsul_operator.plans.quorum import Quorum, Verdict, judge
from proconsul_operator.plans.rollout import is_outdated, stuck_pod
from proconsul_operator.plans.snapshot import schedules_of
from proconsul_operator.plans.steps import STEPS, Operation, Step
from proconsul_operator.plans.volumes import wanted_bytes, why_not_grown

BACKUP_MAX_S: Final = 2 * 86400.0  # where the schedule's own distance is not known

_C = ClusterCondition
_T, _F, _U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


def findings(observed: Observed, decision: Decision) -> tuple[Finding, ...]:
    """One for each condition."""
    verdict = judge(observed)
    found = [
        _quorate(verdict),
        _members_ready(observed),
        _members_updated(observed, verdict, decision),
        _progressing(decision),
        _degraded(observed, decision),
        _volumes(observed),
        _backup(observed),
        _tls(observed),
        _gossip(observed),
        _cluster_id(observed),
        _paused(observed),
        _ephemeral(observed),
    ]
    return (_ready(observed, decision, verdict, found), *found)


def _finding(kind: ClusterCondition, status: Truth, reason: str, message: str = "") -> Finding:
    return Finding(type=kind, status=status, reason=reason, message=message)


def _quorate(verdict: Verdict) -> Finding:
    status = _T if verdict.quorate else _F
    if verdict.quorum is Quorum.CANNOT_REACH:
        status = _U
    return _finding(_C.QUORATE, status, verdict.quorum.value, verdict.message)


def _members_ready(observed: Observed) -> Finding:
    kind = _C.ALL_MEMBERS_READY
    if observed.stateful_set is not None and observed.size == 0:
        return _finding(kind, _F, "Hibernated", "replicas is 0")
    for pod in observed.pods:
        if pod.unschedulable:
            return _finding(kind, _F, "Unschedulable", f"{pod.name}: {pod.unschedulable}")
    there = {pod.ordinal for pod in observed.pods if not pod.pending}
    expected = observed.size or observed.spec.replicas
    missing = [observed.wanted.pod(n) for n in range(expected) if n not in there]
    if missing:
        return _finding(kind, _F, "PodPending", f"{', '.join(missing)} is not running")
    unready = [pod.name for pod in observed.pods if not pod.ready or pod.terminating]
    if unready:
        return _finding(kind, _F, "PodNotReady", f"{', '.join(unready)} is not ready")
    return _finding(kind, _T, "AllReady")


def _members_updated(observed: Observed, verdict: Verdict, decision: Decision) -> Finding:
    kind = _C.ALL_MEMBERS_UPDATED
    if observed.stateful_set is None:
        return _finding(kind, _F, "RollingUpdate", "there is no StatefulSet yet")
    old = [pod.name for pod in observed.pods if is_outdated(observed, pod)]
    if not old:
        return _finding(kind, _T, "AllUpdated")
    message = f"{', '.join(old)} is outdated"
    if decision.step is Step.AWAIT_APPROVAL:
        return _finding(kind, _F, "ManualApprovalNeeded", decision.why)
    if not verdict.quorate or decision.step is Step.AWAIT_SAFETY:
        return _finding(kind, _F, "WaitingForQuorum", decision.why or message)
    return _finding(kind, _F, "RollingUpdate", message)


def operation_of(decision: Decision) -> Operation:
    """What is in hand."""
    return STEPS[decision.step].operation


def _progressing(decision: Decision) -> Finding:
    operation = operation_of(decision)
    if operation is Operation.IDLE or decision.step is Step.HIBERNATED:
        return _finding(_C.PROGRESSING, _F, "Idle")
    return _finding(_C.PROGRESSING, _T, operation.value, decision.why)


def _degraded(observed: Observed, decision: Decision) -> Finding:
    kind = _C.DEGRADED
    told = {
        Step.FOREIGN_OBJECT: "ForeignObject",
        Step.ROLLOUT_STUCK: "RolloutStuck",
        Step.SCALE_BLOCKED: "ScaleBlocked",
        Step.SEED_MISSING: "SnapshotMissing",
    }.get(decision.step)
    if told is not None:
        return _finding(kind, _T, told, decision.why)
    if len(cluster_ids(observed)) > 1:
        return _finding(kind, _T, "ClusterIDMismatch", "members are of different clusters")
    refused = refusal(observed)
    if refused is not None:
        return _finding(kind, _T, refused.reason, refused.message)
    if observed.spec.acl.enabled and observed.acl_bootstrapped is None:
        # Whoever asks for it and hears nothing believes that it is there.
        message = "acl.enabled: these servers do not enforce access control, all may do everything"
        return _finding(kind, _T, "ACLNotEnforced", message)
    stuck = stuck_pod(observed)
    if stuck is not None:
        return _finding(kind, _T, "RolloutStuck", f"{stuck.name} does not become ready")
    return _finding(kind, _F, "Healthy")


def _volumes(observed: Observed) -> Finding:
    kind = _C.DATA_VOLUMES_READY
    if observed.spec.storage is None:
        return _finding(kind, _T, "NoVolumes")
    held = [each for each in observed.volumes if not each.left]
    for volume in held:
        if volume.node_gone:
            return _finding(
                kind,
                _F,
                "NodeGone",
                f"{volume.name} is on {volume.node_gone}, which is no more. If it is gone for "
                f"good: {_replace_command(observed, volume)}",
            )
    unbound = [each.name for each in held if not each.bound]
    if unbound:
        return _finding(kind, _F, "PVCPending", f"{', '.join(unbound)} is not bound")
    wanted = wanted_bytes(observed)
    fixed = why_not_grown(observed)
    if fixed:
        return _finding(kind, _F, "ResizeUnsupported", fixed)
    small = [each.name for each in held if each.capacity_bytes < wanted]
    if small:
        return _finding(kind, _F, "ResizePending", f"{', '.join(small)} grows")
    return _finding(kind, _T, "AllBound")


def _replace_command(observed: Observed, volume: Volume) -> str:
    pod = observed.wanted.pod(volume.ordinal)
    member = volume.uid  # where the leader has taken the member out already
    if isinstance(observed.leader, Leader):
        held = observed.leader.configuration.by_name(pod)
        member = held[0].id if held else member
    space = observed.cluster.metadata.namespace
    return f"kubectl -n {space} annotate pod {pod} proconsul.io/replace-member={member}"


def _backup(observed: Observed) -> Finding:
    kind = _C.BACKUP_READY
    schedules = schedules_of(observed)
    if not schedules:
        return _finding(kind, _U, "NoSchedule", "no ProconsulSnapshotSchedule names this cluster")
    failing = [each.metadata.name for each in schedules if each.status.consecutive_failures]
    if failing:
        return _finding(kind, _F, "LastFailed", f"the last run of {', '.join(failing)} failed")
    newest = verification.newest(taken(observed))
    if newest is None or newest.status.completed_at is None:
        return _finding(kind, _F, "TooOld", "none was taken yet")
    if newest.spec.verify != "None" and not newest.status.verified:
        held = condition_of(newest.status.conditions, SnapshotCondition.VERIFIED)
        why = "" if held is None else f": {held.reason}: {held.message}"
        return _finding(kind, _F, "NotVerified", f"{newest.metadata.name} is not verified{why}")
    if observed.now_s - unix_s(newest.status.completed_at) > BACKUP_MAX_S:
        return _finding(kind, _F, "TooOld", f"the newest is of {newest.status.completed_at}")
    return _finding(kind, _T, "Recent")


def _tls(observed: Observed) -> Finding:
    kind = _C.TLS_READY
    tls = observed.spec.tls
    if tls is None or not observed.wanted.has_tls:
        return _finding(kind, _U, "NotEnabled")
    held = observed.tls
    if held is None:
        return _finding(kind, _F, "SecretMissing", f"Secret {observed.wanted.tls_secret}")
    mismatch = _tls_mismatch(observed, held)
    if mismatch:
        return _finding(kind, _F, "MismatchBetweenMembers", mismatch)
    if observed.now_s > held.not_after_s - duration_s(tls.renew_before):
        return _finding(kind, _F, "Expiring", f"it ends in less than {tls.renew_before}")
    silent = [
        pod.name
        for pod in observed.pods
        if isinstance(pod.certificate, Unknown) or isinstance(pod.trusts, Unknown)
    ]
    if silent:
        return _finding(kind, _U, "OperatorCannotReach", f"{', '.join(silent)} does not answer")
    return _finding(kind, _T, "AllValid")


def _tls_mismatch(observed: Observed, held: TlsSecret) -> str:
    """Who has not taken what the Secret holds; "" if all have."""
    stay = [pod for pod in observed.pods if not pod.terminating]
    other = [
        pod.name
        for pod in stay
        if isinstance(pod.certificate, str) and pod.certificate != held.fingerprint
    ]
    if other:
        return f"{', '.join(other)} serves another certificate than the Secret's"
    strange = [
        pod.name
        for pod in stay
        if isinstance(pod.trusts, tuple) and set(pod.trusts) != set(held.authorities)
    ]
    return f"{', '.join(strange)} trusts other CAs than the Secret's" if strange else ""


def _gossip(observed: Observed) -> Finding:
    kind = _C.GOSSIP_KEY_CONSISTENT
    if observed.spec.gossip is None:
        return _finding(kind, _U, "NotEnabled")
    secret = observed.gossip
    ring = observed.leader.keyring if isinstance(observed.leader, Leader) else None
    if secret is None or not isinstance(ring, Keyring):
        return _finding(kind, _U, "OperatorCannotReach")
    if len(secret.keys) > 1:
        return _finding(kind, _F, "RotationInProgress")
    if not ring.primary_everywhere(secret.keys[0]):
        return _finding(kind, _F, "MemberMissingKey", "not all encrypt with the Secret's key")
    return _finding(kind, _T, "SameKey")


def cluster_ids(observed: Observed) -> frozenset[str]:
    """As the members tell them."""
    return frozenset(local.cluster_id for local in observed.locals() if local.cluster_id)


def _cluster_id(observed: Observed) -> Finding:
    ids = cluster_ids(observed)
    if len(ids) > 1:
        return _finding(_C.CLUSTER_ID_MISMATCH, _T, "DifferentIDs", ", ".join(sorted(ids)))
    if not ids:
        return _finding(_C.CLUSTER_ID_MISMATCH, _U, "OperatorCannotReach")
    return _finding(_C.CLUSTER_ID_MISMATCH, _F, "SameID")


def _paused(observed: Observed) -> Finding:
    by = paused_by(observed)
    return _finding(_C.PAUSED, _T if by else _F, by or "NotPaused")


def _ephemeral(observed: Observed) -> Finding:
    if observed.spec.storage is None:
        return _finding(_C.EPHEMERAL, _T, "NoVolumes", "a full stop loses everything")
    return _finding(_C.EPHEMERAL, _F, "HasVolumes")


_UNREADY: Final = {
    Operation.BOOTSTRAP: "Creating",
    Operation.CONFIG_CHECK: "ConfigCheck",
    Operation.UPGRADE_SNAPSHOT: "RollingUpdate",
    Operation.ROLLING_UPDATE: "RollingUpdate",
    Operation.SCALE_UP: "Scaling",
    Operation.SCALE_IN: "Scaling",
    Operation.RECOVERY: "Recovering",
    Operation.RESTORE: "Restoring",
    Operation.DELETION: "Deleting",
}


def _ready(
    observed: Observed, decision: Decision, verdict: Verdict, found: Iterable[Finding]
) -> Finding:
    by = {finding.type: finding for finding in found}
    if by[_C.PAUSED].status is _T:
        return _finding(_C.READY, _F, "Paused", "reconciliation is paused")
    if verdict.quorum is Quorum.HIBERNATED:
        return _finding(_C.READY, _F, "Hibernated", verdict.message)
    if verdict.quorum is Quorum.CANNOT_REACH:
        return _finding(_C.READY, _U, "OperatorCannotReach", verdict.message)
    return _unready(observed, decision, verdict, by) or _finding(_C.READY, _T, "AsSpecified")


def _unready(
    observed: Observed, decision: Decision, verdict: Verdict, by: dict[StrEnum, Finding]
) -> Finding | None:
    reason = _UNREADY.get(operation_of(decision))
    if reason is not None:
        return _finding(_C.READY, _F, reason, decision.why)
    if not verdict.quorate:
        reason = "QuorumLost" if observed.was_founded else "Creating"
        return _finding(_C.READY, _F, reason, verdict.message)
    for other, bad, why in (
        (_C.DEGRADED, _T, "Degraded"),
        (_C.ALL_MEMBERS_READY, _F, "MembersNotReady"),
        (_C.ALL_MEMBERS_UPDATED, _F, "RollingUpdate"),
    ):
        if by[other].status is bad:
            return _finding(_C.READY, _F, why, by[other].message)
    if decision.acts and operation_of(decision) is Operation.IDLE:
        return _finding(_C.READY, _F, "Creating", decision.why)
    return None


def taken(observed: Observed) -> list[ProconsulSnapshot]:
    """Records of this cluster's snapshots that ended well."""
    name = observed.cluster.metadata.name
    return [
        each
        for each in observed.snapshots
        if each.spec.cluster_ref.name == name and each.status.phase == SnapshotPhase.COMPLETED
    ]


def ready_pods(observed: Observed) -> tuple[Pod, ...]:
    """That are ready and stay."""
    return tuple(pod for pod in observed.pods if pod.ready and not pod.terminating)
