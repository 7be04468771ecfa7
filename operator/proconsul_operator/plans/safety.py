"""The question before every voluntary stop and every removal: does the quorum outlive it?

An answer is an objection in words, or None. What is not known is an objection. One member with no
other can never be stopped safely; that is said, and done all the same by whoever asks for it.
"""

from typing import Final

from proconsul_operator.plans.observe import Leader, Local, Observed, Pod, RaftServer, Unknown
from proconsul_operator.plans.quorum import majority

LAG_MAX: Final = 1000  # entries; more, and its vote would not help an election


def leader_of(observed: Observed) -> Leader:
    """The leader, where a plan has made sure that there is one."""
    assert isinstance(observed.leader, Leader), "asked without a quorum"
    return observed.leader


def member_of(observed: Observed, pod: Pod) -> RaftServer | None:
    """The pod's member of the configuration: by its ID, or by its name if it is silent."""
    configuration = leader_of(observed).configuration
    if isinstance(pod.local, Local):
        return configuration.by_id(pod.local.id)
    return next(iter(configuration.by_name(pod.name)), None)


def leads(observed: Observed, pod: Pod) -> bool:
    """By the leader's word or by its own."""
    member = member_of(observed, pod)
    by_word = member is not None and member.id == leader_of(observed).id
    return by_word or (isinstance(pod.local, Local) and pod.local.state == "Leader")


def lag_of(observed: Observed, server_id: str) -> int:
    """Entries that a member is behind the leader, both seen in one moment.

    By its own word, else by autopilot's last round, which is seconds old: what the leader has
    written since then says nothing about the member.
    """
    for local in observed.locals():
        if local.id == server_id:
            return local.lag
    leader = leader_of(observed)
    last = {health.id: health.last_index for health in leader.healths}
    return max(last.get(leader.id, leader.commit_index) - last.get(server_id, 0), 0)


def healthy_voters(observed: Observed) -> tuple[RaftServer, ...]:
    """Voters that are well: autopilot's word, and a pod that is there, ready, and stays."""
    leader = leader_of(observed)
    return tuple(
        server
        for server in leader.configuration.voters
        if leader.healthy(server.id) and _pod_is_well(observed, server)
    )


def _pod_is_well(observed: Observed, server: RaftServer) -> bool:
    pod = observed.pod_named(server.name)
    if pod is None or pod.terminating or not pod.ready:
        return False
    return not isinstance(pod.local, Local) or pod.local.id == server.id


def unwell_pods(observed: Observed, besides: Pod | None = None) -> tuple[str, ...]:
    """Names of pods that are missing, going, or not ready."""
    names = []
    for ordinal in range(observed.size):
        pod = observed.pod(ordinal)
        if besides is not None and ordinal == besides.ordinal:
            continue
        if pod is None or pod.terminating or not pod.ready:
            names.append(observed.wanted.pod(ordinal))
    beyond = [pod.name for pod in observed.pods if pod.ordinal >= observed.size]
    return (*names, *beyond)


def is_only_voter(observed: Observed, pod: Pod) -> bool:
    """Nobody can take over from it."""
    voters = leader_of(observed).configuration.voters
    return len(voters) == 1 and voters[0].name == pod.name


def objection_to_stopping(observed: Observed, pod: Pod) -> str | None:
    """Why this pod may not be stopped at this time."""
    return _unrest(observed, pod) or objection_by_count(observed, pod, removed=False)


def objection_to_removing(observed: Observed, pod: Pod) -> str | None:
    """Why this member may not be taken out of the configuration at this time."""
    return _unrest(observed, pod) or objection_by_count(observed, pod, removed=True)


def objection_by_count(observed: Observed, pod: Pod, *, removed: bool) -> str | None:
    """The voters that would be left, against the majority that they need."""
    voters = leader_of(observed).configuration.voters
    left = sum(1 for server in healthy_voters(observed) if server.name != pod.name)
    is_voter = any(server.name == pod.name for server in voters)
    counted = len(voters) - 1 if removed and is_voter else len(voters)
    needed = majority(counted)
    if left >= needed:
        return None
    return f"without {pod.name} {left} of {counted} voters would be well, {needed} must be"


def _unrest(observed: Observed, pod: Pod) -> str | None:
    leader = leader_of(observed)
    learners = [each.name for each in leader.configuration.learners if each.name != pod.name]
    if learners:
        return f"{', '.join(learners)} has no vote yet"
    unwell = unwell_pods(observed, besides=pod)
    if unwell:
        return f"{', '.join(unwell)} is not ready"
    silent = _silent(observed, besides=pod)
    if silent:
        return f"{', '.join(silent)} does not answer"
    names = [server.name for server in leader.configuration.servers]
    if len(set(names)) < len(names):
        return "a member that lost its disk is being replaced"
    behind = [
        server.name
        for server in healthy_voters(observed)
        if server.name != pod.name and lag_of(observed, server.id) > LAG_MAX
    ]
    if behind:
        return f"{', '.join(behind)} is more than {LAG_MAX} entries behind"
    return None


def _silent(observed: Observed, besides: Pod) -> tuple[str, ...]:
    """What Kubernetes says may be old: a pod that it calls ready may have been stopped by us."""
    leader = leader_of(observed)
    unknown = [pod.name for pod in observed.pods if isinstance(pod.local, Unknown)]
    unhealthy = [each.name for each in leader.configuration.voters if not leader.healthy(each.id)]
    return tuple(sorted({*unknown, *unhealthy} - {besides.name}))


def best_heir(observed: Observed, heirs: tuple[RaftServer, ...]) -> RaftServer | None:
    """Of those, the healthy one that is least behind."""
    leader = leader_of(observed)
    well = {server.id for server in healthy_voters(observed)} - {leader.id}
    able = [server for server in heirs if server.id in well]
    return min(able, key=lambda each: (lag_of(observed, each.id), each.name), default=None)
