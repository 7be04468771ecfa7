"""Events: what a person should hear of once, from the difference of two statuses.

A reason is a promise: alerts match on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from proconsul_operator.api.cluster import ClusterStatus
from proconsul_operator.api.conditions import ClusterCondition, Truth, condition_of
from proconsul_operator.plans.actions import Apply, Decision
from proconsul_operator.plans.drift import drifted_fields, ref_of
from proconsul_operator.plans.observe import Observed
from proconsul_operator.plans.steps import STEPS, Operation, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One Kubernetes Event on the cluster."""

    reason: str
    message: str
    warning: bool = False


_C = ClusterCondition

# Condition, status that it came to, reason of the Event, whether it is a warning.
_TURNS = (
    (_C.QUORATE, Truth.FALSE, "QuorumLost", True),
    (_C.QUORATE, Truth.TRUE, "QuorumRestored", False),
    (_C.PAUSED, Truth.TRUE, "Paused", False),
    (_C.PAUSED, Truth.FALSE, "Resumed", False),
)
_TOLD = {
    Step.ROLL_POD: "PodRolled",
    Step.MEND_POD: "PodRolled",
    Step.ROLL_TRANSFER: "LeadershipTransferred",
    Step.SCALE_TRANSFER: "LeadershipTransferred",
    Step.GROW_SET: "ScaleUp",
    Step.SHRINK_SET: "ScaleIn",
    Step.REMOVE_MEMBER: "MemberRemoved",
    Step.FORGET_KEY: "GossipKeyRotated",
    Step.RENEW_CERTIFICATE: "CertificateRenewed",
    Step.CHANGE_CERTIFICATE: "CertificateRenewed",
    Step.FORGET_AUTHORITY: "AuthorityRotated",
    Step.ORPHAN_SET: "PVCResized",
    Step.TAKE_LOCK: "RestoreStarted",
    Step.FINISH_RESTORE: "RestoreSucceeded",
    Step.REFUSE_RESTORE: "RestoreFailed",
}


def events(
    observed: Observed, decision: Decision, held: ClusterStatus, new: ClusterStatus
) -> tuple[Event, ...]:
    """What there is to tell."""
    return (
        *_leader(held, new),
        *_members(held, new),
        *_turns(held, new),
        *_degraded(held, new),
        *_operations(held, new),
        *_acts(observed, decision),
    )


def _leader(held: ClusterStatus, new: ClusterStatus) -> Iterator[Event]:
    if not new.leadership or new.leadership[:1] == held.leadership[:1]:
        return
    newest = new.leadership[0]
    if not held.leadership:
        yield Event(
            reason="Bootstrapped", message=f"{newest.leader} leads first, in term {newest.term}"
        )
        return
    yield Event(
        reason="LeaderChanged",
        message=f"{held.leadership[0].leader} → {newest.leader} in term {newest.term}: "
        f"{newest.reason}",
    )


def _members(held: ClusterStatus, new: ClusterStatus) -> Iterator[Event]:
    before = {member.name: member for member in held.members}
    for member in new.members:
        old = before.get(member.name)
        if old is None or not old.id:
            if member.id and held.members and old is None:
                yield Event(reason="MemberJoined", message=f"{member.name} ({member.id})")
            continue
        if member.id and old.id != member.id and old.suffrage == "None":
            yield Event(reason="MemberJoined", message=f"{member.name} ({member.id})")
        elif member.id and old.id != member.id:
            yield Event(reason="MemberReplaced", message=f"{member.name}: {old.id} → {member.id}")
        elif old.pod_uid != member.pod_uid:
            where = f" on {member.node}" if member.node else ", on no node yet"
            yield Event(reason="MemberRestarted", message=f"{member.name} has a new pod{where}")
        if member.suffrage == "Voter" and old.suffrage == "Nonvoter":
            yield Event(reason="MemberPromoted", message=f"{member.name} votes")


def _turns(held: ClusterStatus, new: ClusterStatus) -> Iterator[Event]:
    for kind, status, reason, warning in _TURNS:
        before, after = condition_of(held.conditions, kind), condition_of(new.conditions, kind)
        if before is None or after is None or before.status is Truth.UNKNOWN:
            continue
        # A first quorum is Bootstrapped: it was never lost.
        first = kind is _C.QUORATE and not held.leadership
        silent = first or after.reason == "Hibernated"
        if after.status is status and before.status is not status and not silent:
            yield Event(reason=reason, message=after.message or reason, warning=warning)


def _degraded(held: ClusterStatus, new: ClusterStatus) -> Iterator[Event]:
    before = condition_of(held.conditions, _C.DEGRADED)
    after = condition_of(new.conditions, _C.DEGRADED)
    if after is None or after.status is not Truth.TRUE:
        return
    if before is None or before.status is not Truth.TRUE or before.reason != after.reason:
        yield Event(reason=after.reason, message=after.message, warning=True)


def _operations(held: ClusterStatus, new: ClusterStatus) -> Iterator[Event]:
    was = "" if held.operation is None else held.operation.type
    now = "" if new.operation is None else new.operation.type
    rolling = Operation.ROLLING_UPDATE.value
    if now == rolling and was != rolling:
        yield Event(reason="RollingUpdateStarted", message=f"to {new.target_version or 'the spec'}")
    if was == rolling and now != rolling and new.updated_replicas == new.replicas:
        yield Event(reason="RollingUpdateDone", message=f"{new.updated_replicas} pods are new")


def _acts(observed: Observed, decision: Decision) -> Iterator[Event]:
    reason = _TOLD.get(decision.step)
    if reason is not None:
        yield Event(
            reason=reason,
            message=f"{decision.target}: {decision.why}",
            warning=decision.step is Step.REFUSE_RESTORE,
        )
    if decision.step is Step.ROLL_POD and "expect downtime" in decision.why:
        yield Event(reason="DowntimeExpected", message=decision.target, warning=True)
    if isinstance(decision.action, Apply) and STEPS[decision.step].acts:
        for manifest in decision.action.manifests:
            child = observed.children.get(ref_of(manifest))
            fields = () if child is None else drifted_fields(manifest, child)
            if fields:
                ref = ref_of(manifest)
                yield Event(
                    reason="DriftCorrected", message=f"{ref.kind} {ref.name}: {', '.join(fields)}"
                )
