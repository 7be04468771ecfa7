"""From what was observed and decided to what people see: status and Events.

The status is made anew each time; only what the operator must remember is carried over. An Event is
made where the new status differs from the held one, so an operator that died before it reported
tells it in the next cycle, and none tells it twice.
"""

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from proconsul_operator.api.cluster import (
    LEADERSHIP_MAX,
    MEMBERS_MAX,
    ClusterStatus,
    Endpoints,
    GossipStatus,
    LastSnapshot,
    Leadership,
    Member,
    Operation,
    Phase,
    RaftProgress,
    TlsStatus,
)
from proconsul_operator.api.conditions import (
    ClusterCondition,
    Condition,
    holds,
    settle,
)
from proconsul_operator.api.values import time_text, unix_s
from proconsul_operator.plans import verification
from proconsul_operator.plans.actions import Decision, RecordStatus
from proconsul_operator.plans.events import Event, events
from proconsul_operator.plans.findings import (
    cluster_ids,
    findings,
    operation_of,
    ready_pods,
    taken,
)
from proconsul_operator.plans.observe import Leader, Local, Observed, Pod
from proconsul_operator.plans.quorum import Quorum, judge, last_known
from proconsul_operator.plans.refusals import lowest_version, target_version
from proconsul_operator.plans.rollout import is_outdated
from proconsul_operator.plans.rotation import fingerprint
from proconsul_operator.plans.snapshot import schedules_of
from proconsul_operator.plans.steps import Operation as Kind
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.labels import selector

FIGURES_S: Final = 30.0
TRANSFERS: Final = (Step.ROLL_TRANSFER.value, Step.SCALE_TRANSFER.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is written after a cycle."""

    status: ClusterStatus
    events: tuple[Event, ...]


def report(observed: Observed, decision: Decision) -> Report:
    """The new status, and the Events of what changed."""
    held = observed.status
    if isinstance(decision.action, RecordStatus):
        # What was just written must not be written over with what was observed before.
        known = msgspec.structs.replace(held, **decision.action.fields)
        cluster = msgspec.structs.replace(observed.cluster, status=known)
        observed = replace(observed, cluster=cluster)
    conditions = settle(
        held.conditions,
        findings(observed, decision),
        types=ClusterCondition,
        generation=observed.cluster.metadata.generation,
        now_s=observed.now_s,
    )
    status = _status(observed, decision, conditions)
    return Report(status=status, events=events(observed, decision, held, status))


def is_due(held: ClusterStatus, told: ClusterStatus, age_s: float) -> bool:
    """Whether to write `told` in the place of what was written `age_s` ago.

    Where the log stands is another figure at every look, and each write is an event that makes the
    operator look again: such figures alone are written each FIGURES_S.
    """
    if age_s >= FIGURES_S:
        return told != held
    return _without_figures(told) != _without_figures(held)


def _without_figures(status: ClusterStatus) -> ClusterStatus:
    members = (msgspec.structs.replace(each, lag=0, last_contact=None) for each in status.members)
    return msgspec.structs.replace(status, raft=None, members=tuple(members))


def _status(
    observed: Observed, decision: Decision, conditions: tuple[Condition, ...]
) -> ClusterStatus:
    held = observed.status
    leader = observed.leader if isinstance(observed.leader, Leader) else None
    known = last_known(observed)
    ids = cluster_ids(observed)
    updated = [
        pod
        for pod in observed.pods
        if observed.stateful_set is not None and not is_outdated(observed, pod)
    ]
    version, target = lowest_version(observed), target_version(observed)
    return msgspec.structs.replace(
        held,
        observed_generation=observed.cluster.metadata.generation,
        phase=phase_of(observed, decision, conditions).value,
        cluster_id=next(iter(ids)) if len(ids) == 1 and leader is not None else held.cluster_id,
        replicas=observed.size,
        ready_replicas=len(ready_pods(observed)),
        updated_replicas=len(updated),
        voters=len(known.voters),
        learners=len(known.learners),
        selector=",".join(f"{key}={held_}" for key, held_ in selector(observed.wanted).items()),
        leader="" if leader is None else leader.name,
        term=max([local.term for local in observed.locals()], default=held.term),
        raft=_raft(observed, leader),
        version=version,
        target_version="" if target == version else target,
        endpoints=_endpoints(observed),
        members=_members(observed),
        operation=_operation(observed, decision),
        leadership=_leadership(observed, leader),
        gossip=_gossip(observed),
        tls=_tls(observed),
        last_snapshot=last_snapshot(observed),
        replicas_before_hibernation=(
            0 if observed.size and observed.spec.replicas else held.replicas_before_hibernation
        ),
        conditions=conditions,
    )


_PHASES: Final = {
    Kind.DELETION: Phase.DELETING,
    Kind.RECOVERY: Phase.RECOVERING,
    Kind.RESTORE: Phase.RESTORING,
    Kind.BOOTSTRAP: Phase.BOOTSTRAPPING,
}
_BUSY: Final = {
    Kind.CONFIG_CHECK: Phase.UPDATING,
    Kind.UPGRADE_SNAPSHOT: Phase.UPDATING,
    Kind.ROLLING_UPDATE: Phase.UPDATING,
    Kind.SCALE_UP: Phase.SCALING,
    Kind.SCALE_IN: Phase.SCALING,
}


def phase_of(observed: Observed, decision: Decision, conditions: tuple[Condition, ...]) -> Phase:
    """One word, for the column; no decision is taken by it."""
    kind = operation_of(decision)
    if kind in _PHASES and decision.step is not Step.NOTE_FINALIZER:
        return _PHASES[kind]
    if holds(conditions, ClusterCondition.PAUSED):
        return Phase.PAUSED
    verdict = judge(observed)
    if verdict.quorum is Quorum.HIBERNATED:
        return Phase.HIBERNATED
    if not verdict.quorate:
        return Phase.QUORUM_LOST if observed.was_founded else Phase.PENDING
    if holds(conditions, ClusterCondition.DEGRADED):
        return Phase.DEGRADED
    return _BUSY.get(kind, Phase.RUNNING)


def _raft(observed: Observed, leader: Leader | None) -> RaftProgress | None:
    applied = [local.applied_index for local in observed.locals()]
    if leader is None or not applied:
        return observed.status.raft
    return RaftProgress(commit_index=leader.commit_index, min_applied_index=min(applied))


def _endpoints(observed: Observed) -> Endpoints:
    wanted = observed.wanted
    ports = wanted.spec.ports
    scheme, port = ("http", ports.http) if wanted.has_plain_http else ("https", ports.https)
    return Endpoints(
        http=f"{scheme}://{wanted.name}.{wanted.namespace}.svc:{port}", dns=observed.dns_address
    )


def _members(observed: Observed) -> tuple[Member, ...]:
    """Who has a pod, and who is to have one: what was known of it stays until it is known again."""
    there = [_member(observed, pod) for pod in observed.pods]
    names = {member.name for member in there}
    away = [
        msgspec.structs.replace(member, ready=False, role="Unknown")
        for member in observed.status.members
        if member.name not in names and observed.ordinal_of(member.name) < observed.size
    ]
    return tuple(sorted((*there, *away), key=lambda member: member.name)[:MEMBERS_MAX])


def _member(observed: Observed, pod: Pod) -> Member:
    held = next((each for each in observed.status.members if each.name == pod.name), None)
    local = pod.local if isinstance(pod.local, Local) else None
    server = last_known(observed).by_id(pod.id)
    suffrage = "None" if server is None else "Voter" if server.voter else "Nonvoter"
    made = Member(
        name=pod.name,
        id=pod.id or ("" if held is None else held.id),
        pod_uid=pod.uid,
        node=pod.node,
        zone=pod.zone,
        address="" if local is None else local.address,
        role="Unknown" if local is None else local.state,
        suffrage="" if local is None else suffrage,
        ready=pod.ready and not pod.terminating,
        revision=pod.revision,
        version="" if local is None else local.version,
        lag=0 if local is None else local.lag,
        last_contact=_contact(local),
    )
    same = held is not None and (held.role, held.id, held.pod_uid) == (
        made.role,
        made.id,
        made.pod_uid,
    )
    since = held.since if held is not None and same else time_text(observed.now_s)
    return msgspec.structs.replace(made, since=since)


def _contact(local: Local | None) -> str | None:
    if local is None or local.last_contact_s is None:
        return None
    return f"{local.last_contact_s * 1000:.0f}ms"


def _operation(observed: Observed, decision: Decision) -> Operation | None:
    kind = operation_of(decision)
    if kind is Kind.IDLE or decision.step is Step.HIBERNATED:
        return None
    revision = ""
    if kind is Kind.ROLLING_UPDATE and observed.stateful_set is not None:
        revision = f"/{observed.stateful_set.update_revision}"
    name = f"{kind.value}/{observed.cluster.metadata.generation}{revision}"
    held = observed.status.operation
    same = held is not None and held.id == name
    return Operation(
        id=name,
        type=kind.value,
        step=decision.step.value,
        target=decision.target[:253],
        started_at=held.started_at if held is not None and same else time_text(observed.now_s),
        message=decision.why,
    )


def _leadership(observed: Observed, leader: Leader | None) -> tuple[Leadership, ...]:
    held = observed.status.leadership
    if leader is None:
        return held
    if held and (held[0].leader, held[0].term) == (leader.name, leader.term):
        return held
    newest = Leadership(
        leader=leader.name,
        term=leader.term,
        since=time_text(observed.now_s),
        reason=why_it_ended(observed, held[0].leader) if held else "the cluster was founded",
    )
    return (newest, *held)[:LEADERSHIP_MAX]


def why_it_ended(observed: Observed, before: str) -> str:
    """Why the leader before leads no more, as far as it can be seen."""
    operation = observed.status.operation
    if operation is not None and operation.step in TRANSFERS and operation.target == before:
        return f"leadership was transferred: {operation.type}"
    pod = observed.pod_named(before)
    known = next((each for each in observed.status.members if each.name == before), None)
    if pod is None:
        return f"the pod of {before} is gone"
    if known is not None and known.pod_uid and known.pod_uid != pod.uid:
        return f"the pod of {before} was replaced"
    if pod.terminating:
        return f"the pod of {before} was stopped"
    if not pod.ready:
        return f"{before} was not ready{f': {pod.stopped}' if pod.stopped else ''}"
    return f"{before} lost an election"


def _gossip(observed: Observed) -> GossipStatus | None:
    held = observed.status.gossip
    if observed.gossip is None:
        return held
    if len(observed.gossip.keys) > 1:
        return held  # in between it tells which key is the old one
    primary = fingerprint(observed.gossip.keys[0])
    if held is not None and held.primary_fingerprint == primary:
        return held
    return GossipStatus(
        primary_fingerprint=primary,
        last_rotation=time_text(observed.now_s),
        rotation="" if held is None else held.rotation,
    )


def _tls(observed: Observed) -> TlsStatus | None:
    held = observed.status.tls
    if observed.tls is None:
        return held
    return TlsStatus(
        not_after=time_text(observed.tls.not_after_s),
        fingerprint=observed.tls.fingerprint,
        rotation="" if held is None else held.rotation,
    )


def last_good_s(observed: Observed) -> float | None:
    """When the newest was taken that is not known to be damaged; None if there is none.

    What was known stays when its record is dropped, as in the status.
    """
    done = taken(observed)
    newest = verification.newest(each for each in done if not verification.is_damaged(each))
    held = None if done else observed.status.last_snapshot
    if newest is None:
        return None if held is None or held.time is None else unix_s(held.time)
    return unix_s(newest.status.completed_at) if newest.status.completed_at else None


def scheduled_since_s(observed: Observed) -> float | None:
    """Since when a schedule has named the cluster: the oldest of those there are; None for none."""
    made = [each.metadata.creation_timestamp for each in schedules_of(observed)]
    return min((unix_s(each) for each in made if each), default=None)


def last_snapshot(observed: Observed) -> LastSnapshot | None:
    """The newest that ended well; what was known stays when its record is dropped."""
    newest = verification.newest(taken(observed))
    if newest is None:
        return observed.status.last_snapshot
    status = newest.status
    return LastSnapshot(
        name=newest.metadata.name,
        time=status.completed_at,
        index=status.index,
        verified=status.verified,
    )
