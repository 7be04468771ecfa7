"""Size: one member at a time, and what is half done is finished first.

Nothing is remembered: the set's size, the pods' marks and the configuration say where it stands.

Up: the set grows by one, the new member joins without a vote, gets it, and then the next. A member
that was scaled away and kept its volume has a mark there; it is cleared and joins with a new ID.

In: the last one. It gives its leadership away, is decommissioned (it will not come back by itself),
leaves the configuration, its volume is marked with its ID, and the set shrinks by one. Of two
members it leaves the configuration first, as the other must be able to go on alone. Only a marked
volume is ever deleted. A healthy member is not removed while another is sick.
"""

from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Action,
    Decision,
    Decommission,
    DeleteVolume,
    LabelVolume,
    Recommission,
    RemovePeer,
    SetReplicas,
    wait,
)
from proconsul_operator.plans.observe import Local, Observed, Pod, RaftServer, Unknown, Volume
from proconsul_operator.plans.quorum import majority
from proconsul_operator.plans.rollout import set_of, transfer
from proconsul_operator.plans.safety import (
    leader_of,
    leads,
    member_of,
    objection_to_removing,
    unwell_pods,
)
from proconsul_operator.plans.steps import Step


def finish(observed: Observed) -> Decision | None:
    """Half of a step that somebody began: this plan, or a person who changed the set."""
    if observed.size == 0:
        return None
    return (
        _without_a_pod(observed)
        or _last_is_leaving(observed)
        or _marked_below(observed)
        or _drop_volume(observed)
        or _joining(observed)
    )


def start(observed: Observed) -> Decision | None:
    """The next step towards the spec's size."""
    wanted = observed.spec.replicas
    if observed.size < wanted:
        return _grow(observed)
    if observed.size > wanted > 0:
        return _shrink(observed)
    return None


def _set_replicas(observed: Observed, step: Step, replicas: int, why: str) -> Decision:
    held = set_of(observed)
    action = SetReplicas(uid=held.uid, resource_version=held.resource_version, replicas=replicas)
    return Decision(step=step, action=action, target=observed.wanted.name, why=why)


def _without_a_pod(observed: Observed) -> Decision | None:
    """A member whose number is beyond the set's size."""
    for server in leader_of(observed).configuration.servers:
        ordinal = observed.ordinal_of(server.name)
        if ordinal < observed.size:
            continue
        pod = observed.pod(ordinal)
        if ordinal < observed.spec.replicas:
            return _set_replicas(
                observed,
                Step.BRING_BACK,
                observed.size + 1,
                f"{server.name} is a member and has no pod",
            )
        if pod is not None and not pod.terminating and server.voter:
            return wait(Step.AWAIT_POD_GONE, f"{pod.name} is to go", target=pod.name)
        return _remove(observed, server, pod)
    return None


def _remove(observed: Observed, server: RaftServer, pod: Pod | None) -> Decision:
    configuration = leader_of(observed).configuration
    if server.voter:
        probe = pod or _absent(observed, server)
        if server.id == leader_of(observed).id:
            return transfer(observed, Step.SCALE_TRANSFER, probe)
        objection = objection_to_removing(observed, probe)
        if objection is not None and not _already_out(observed, server):
            return _blocked(f"{server.name} is to be removed, but {objection}", server.name)
    assert configuration.by_id(server.id) is not None
    return Decision(
        step=Step.REMOVE_MEMBER,
        action=RemovePeer(id=server.id),
        target=server.name,
        why=f"{server.name} ({server.id}) has left",
    )


def _already_out(observed: Observed, server: RaftServer) -> bool:
    """It stopped for good already: taking it out of the count can only help the others."""
    pod = observed.pod_named(server.name)
    gone = pod is None or (isinstance(pod.local, Local) and pod.local.decommissioned)
    voters = leader_of(observed).configuration.voters
    return gone and len(voters) - 1 >= majority(len(voters))


def _absent(observed: Observed, server: RaftServer) -> Pod:
    return Pod(
        name=server.name,
        uid="",
        resource_version="",
        ordinal=observed.ordinal_of(server.name),
        revision="",
        local=Unknown(why="it has no pod", since_s=observed.now_s),
    )


def _last_is_leaving(observed: Observed) -> Decision | None:
    """The last pod has its mark, or is no member, and the spec does not want it."""
    pod = observed.pod(observed.size - 1)
    if pod is None or (isinstance(pod.local, Unknown) and member_of(observed, pod) is not None):
        return None
    member = member_of(observed, pod)
    marked = isinstance(pod.local, Local) and pod.local.decommissioned
    if marked and member is not None:
        return _remove(observed, member, pod)
    if pod.ordinal < observed.spec.replicas or observed.spec.replicas == 0:
        return None
    if member is not None or leader_of(observed).configuration.by_name(pod.name):
        return None
    if marked and not _majority_agrees(observed, pod):
        return wait(
            Step.CONFIRM_REMOVAL, f"a majority has not heard that {pod.name} left", target=pod.name
        )
    return _mark_volume(observed, pod) or _set_replicas(
        observed, Step.SHRINK_SET, pod.ordinal, f"{pod.name} is no member"
    )


def _majority_agrees(observed: Observed, pod: Pod) -> bool:
    voters = leader_of(observed).configuration.voters
    index = leader_of(observed).configuration.index
    agreed = 0
    for server in voters:
        each = observed.pod_named(server.name)
        if each is not None and isinstance(each.local, Local) and each.local.id == server.id:
            told = each.local.configuration
            agreed += told.index >= index and told.by_id(pod.id) is None
    return agreed >= majority(len(voters))


def _mark_volume(observed: Observed, pod: Pod) -> Decision | None:
    volume = observed.volume(pod.ordinal)
    # Its server starts again after it was taken out, and says nothing meanwhile.
    known = {member.name: member.id for member in observed.status.members}
    left = pod.id or known.get(pod.name, "")
    if volume is None or volume.left or not left:
        return None
    return _label(Step.MARK_VOLUME, volume, left, f"{pod.name} left it behind")


def _label(step: Step, volume: Volume, left: str, why: str) -> Decision:
    action = LabelVolume(
        name=volume.name, uid=volume.uid, resource_version=volume.resource_version, left=left
    )
    return Decision(step=step, action=action, target=volume.name, why=why)


def _marked_below(observed: Observed) -> Decision | None:
    """Marks of members that are wanted: first the volume's, then the member's own."""
    for pod in observed.pods:
        if pod.ordinal >= min(observed.size, observed.spec.replicas) or pod.terminating:
            continue
        volume = observed.volume(pod.ordinal)
        if volume is not None and volume.left:
            return _label(Step.UNMARK_VOLUME, volume, "", f"{pod.name} is wanted again")
        if isinstance(pod.local, Local) and pod.local.decommissioned:
            return _recommission(observed, pod)
    return None


def _recommission(observed: Observed, pod: Pod) -> Decision:
    member = member_of(observed, pod)
    if member is not None:
        return _remove(observed, member, pod)
    return Decision(
        step=Step.RECOMMISSION,
        action=Recommission(pod=pod.name, pod_uid=pod.uid),
        target=pod.name,
        why=f"{pod.name} left once and is wanted again",
    )


def _drop_volume(observed: Observed) -> Decision | None:
    """A marked volume without a pod, if the spec says so."""
    storage = observed.spec.storage
    if storage is None or storage.on_scale_in != "Delete":
        return None
    beyond = max(observed.size, observed.spec.replicas)
    for volume in observed.volumes:
        unused = volume.ordinal >= beyond and observed.pod(volume.ordinal) is None
        member = leader_of(observed).configuration.by_id(volume.left)
        if unused and volume.left and member is None and not volume.terminating:
            return Decision(
                step=Step.DROP_VOLUME,
                action=DeleteVolume(
                    name=volume.name, uid=volume.uid, resource_version=volume.resource_version
                ),
                target=volume.name,
                why="its member was scaled away, and onScaleIn is Delete",
            )
    return None


def _joining(observed: Observed) -> Decision | None:
    """Pods that have no vote yet, and pods that are on their way out."""
    going = [pod for pod in observed.pods if pod.ordinal >= observed.size]
    if going:
        return wait(Step.AWAIT_POD_GONE, f"{going[0].name} is going", target=going[0].name)
    for ordinal in range(min(observed.size, max(observed.spec.replicas, 1))):
        pod = observed.pod(ordinal)
        name = observed.wanted.pod(ordinal)
        if pod is not None and _is_outdated_and_sick(observed, pod):
            continue
        members = _members(observed, pod, name)
        if any(each.voter for each in members):
            continue
        why = "has no vote yet" if members else "has not joined yet"
        return wait(Step.AWAIT_JOIN, f"{name} {why}", target=name)
    return None


def _members(observed: Observed, pod: Pod | None, name: str) -> tuple[RaftServer, ...]:
    """By its ID if it answers: by its name alone a lost disk would count as a member."""
    if pod is None or isinstance(pod.local, Unknown):
        return leader_of(observed).configuration.by_name(name)
    member = member_of(observed, pod)
    return () if member is None else (member,)


def _is_outdated_and_sick(observed: Observed, pod: Pod) -> bool:
    """It will never join as it is: the roll mends it."""
    return not pod.ready and pod.revision != set_of(observed).update_revision


def _grow(observed: Observed) -> Decision:
    unwell = unwell_pods(observed)
    learners = leader_of(observed).configuration.learners
    if unwell or learners:
        names = unwell or tuple(each.name for each in learners)
        return _blocked(f"{', '.join(names)} must be well before another joins", names[0])
    return _set_replicas(
        observed,
        Step.GROW_SET,
        observed.size + 1,
        f"{observed.size} of {observed.spec.replicas} members are there",
    )


def _shrink(observed: Observed) -> Decision:
    ordinal = observed.size - 1
    pod = observed.pod(ordinal)
    name = observed.wanted.pod(ordinal)
    probe = pod or _absent(observed, RaftServer(id="", name=name, voter=True))
    objection = objection_to_removing(observed, probe)
    if objection is not None:
        return _blocked(f"{name} is to leave, but {objection}", name)
    if leads(observed, probe):
        return transfer(observed, Step.SCALE_TRANSFER, probe)
    member = member_of(observed, probe)
    if pod is None or isinstance(pod.local, Unknown):
        if member is None or not member.voter:
            # It may join again and again: without a vote its pod can go before it has left.
            return _set_replicas(observed, Step.SHRINK_SET, ordinal, f"{name} has no vote")
        return _remove(observed, member, pod)
    if member is not None and _is_one_of_two(observed, member):
        # Two need each other: once it had stopped, nobody could take it out.
        return _remove(observed, member, pod)
    action: Action = Decommission(pod=pod.name, pod_uid=pod.uid, id=pod.id)
    return Decision(
        step=Step.DECOMMISSION, action=action, target=name, why=f"{name} is to leave for good"
    )


def _is_one_of_two(observed: Observed, member: RaftServer) -> bool:
    return member.voter and len(leader_of(observed).configuration.voters) == 2


def _blocked(why: str, target: str) -> Decision:
    return wait(Step.SCALE_BLOCKED, why, target=target, seconds=LOOK_LATER_S)
