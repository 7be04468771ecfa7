"""Pods of an old revision are replaced, one at a time, the leader last and after a transfer.

Who is outdated is read from hashes in every cycle, so an operator that starts again comes to the
same next pod. A pod that is not well after its time stops the roll: the others stay as they are,
and when the spec goes back, the broken pod is the outdated one and is rolled back.

Without a quorum nothing is stopped, with one exception, which holds with a quorum, too: an outdated
pod that takes no part may go whatever the others do. Under OnDelete a bad image could never be
mended otherwise.
"""

from typing import Final

from proconsul_operator.api.group import ROLL_NOW
from proconsul_operator.api.values import duration_s
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Apply,
    Decision,
    DeletePod,
    TransferLeader,
    wait,
)
from proconsul_operator.plans.change import is_withheld
from proconsul_operator.plans.drift import needs_apply
from proconsul_operator.plans.observe import Observed, Pod, StatefulSet, Unknown
from proconsul_operator.plans.safety import (
    best_heir,
    is_only_voter,
    leader_of,
    leads,
    objection_by_count,
    objection_to_stopping,
    unwell_pods,
)
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.statefulset import stateful_set

SILENT_S: Final = 60.0


def set_of(observed: Observed) -> StatefulSet:
    """The StatefulSet, where a plan has made sure that there is one."""
    assert observed.stateful_set is not None, "asked before there is a StatefulSet"
    return observed.stateful_set


def is_outdated(observed: Observed, pod: Pod) -> bool:
    """It is of another revision than the set's newest."""
    return pod.revision != set_of(observed).update_revision


def outdated(observed: Observed) -> tuple[Pod, ...]:
    """In the order in which they go: those not ready, followers from the last, the leader."""
    told = isinstance(observed.leader, Unknown)

    def rank(pod: Pod) -> tuple[bool, bool, int]:
        return (pod.ready, not told and leads(observed, pod), -pod.ordinal)

    pods = [
        pod for pod in observed.pods if pod.ordinal < observed.size and is_outdated(observed, pod)
    ]
    return tuple(sorted(pods, key=rank))


def apply_template(observed: Observed) -> Decision | None:
    """The set as the spec asks, of the size that it has. No pod moves by it."""
    if is_withheld(observed):
        return None
    manifest = stateful_set(observed.wanted, observed.size)
    live = set_of(observed)
    for claim in manifest["spec"].get("volumeClaimTemplates", ()):
        # The claim's template never changes; how volumes grow is volumes.py.
        claim["spec"]["resources"]["requests"]["storage"] = live.volume_size
    if not needs_apply(observed, manifest):
        return None
    # The size in it is the one that was seen: on an old view it must not be put back.
    manifest["metadata"]["resourceVersion"] = live.resource_version
    return Decision(
        step=Step.APPLY_TEMPLATE,
        action=Apply(manifests=(manifest,)),
        target=observed.wanted.name,
        why="the StatefulSet is not as the spec asks",
    )


def mend(observed: Observed) -> Decision | None:
    """One outdated pod that takes no part: it can lower no quorum."""
    if observed.stateful_set is None or not observed.stateful_set.observed:
        return None
    if any(pod.terminating for pod in observed.pods):
        return None
    for pod in outdated(observed):
        why = _takes_no_part(observed, pod)
        if why:
            told = f"it is outdated and takes no part: {why}"
            return _delete(Step.MEND_POD, pod, told, unless_leading=pod.id)
    return None


def _takes_no_part(observed: Observed, pod: Pod) -> str:
    if pod.ready:
        return ""
    if pod.stopped:
        return f"its container is not running ({pod.stopped})"
    if pod.pending:
        return pod.unschedulable or "it is on no node"
    if not isinstance(pod.local, Unknown) or observed.now_s - pod.local.since_s <= SILENT_S:
        return ""
    # If nobody answers, it may be us who is cut off; with one pod there is nobody else to ask.
    if len(observed.pods) > 1 and not observed.locals():
        return ""
    return f"its server has been silent for more than {SILENT_S:.0f} s"


def roll(observed: Observed) -> Decision | None:
    """The next thing to do for pods of an old revision; None if there are none."""
    if not set_of(observed).observed:
        return wait(Step.AWAIT_REVISION, "the StatefulSet's controller is behind")
    pods = outdated(observed)
    if not pods:
        return None
    # Two that take no part would wait for each other for ever: neither lowers the quorum.
    return (
        _permission(observed)
        or mend(observed)
        or _stuck(observed)
        or _rest(observed)
        or _going(observed)
        or _next(observed, pods[0])
    )


def await_members(observed: Observed) -> Decision | None:
    """All pods are of the newest revision; the last of them is not well yet."""
    unwell = unwell_pods(observed)
    if not unwell:
        return None
    return _stuck(observed) or wait(
        Step.AWAIT_MEMBER, f"{', '.join(unwell)} is not ready", target=unwell[0]
    )


def stuck_pod(observed: Observed) -> Pod | None:
    """A pod of the newest revision that was given its time and is not well."""
    if observed.stateful_set is None:
        return None
    limit_s = duration_s(observed.spec.update.max_wait_per_pod)
    for pod in observed.pods:
        late = observed.now_s - pod.created_s > limit_s
        if late and not pod.ready and not pod.terminating and not is_outdated(observed, pod):
            return pod
    return None


def _stuck(observed: Observed) -> Decision | None:
    pod = stuck_pod(observed)
    # What is outdated and not ready goes first: rolling back must not wait for the broken one.
    if pod is None or any(not each.ready for each in outdated(observed)):
        return None
    return wait(
        Step.ROLLOUT_STUCK,
        f"{pod.name} is not ready {observed.spec.update.max_wait_per_pod} after it was made: "
        f"{pod.stopped or pod.unschedulable or 'see its log'}. Mend or revert the spec",
        target=pod.name,
        seconds=LOOK_LATER_S,
    )


def _permission(observed: Observed) -> Decision | None:
    begun = any(not is_outdated(observed, pod) for pod in observed.pods)
    revision = set_of(observed).update_revision
    if observed.spec.update.strategy == "Manual":
        if observed.annotations.get(ROLL_NOW) == revision:
            return None
        return wait(
            Step.AWAIT_APPROVAL,
            f"pods are outdated; roll them with the annotation {ROLL_NOW}={revision}",
            seconds=LOOK_LATER_S,
        )
    if begun or observed.may_roll:
        return None
    return wait(Step.AWAIT_TURN, "another cluster is rolled first", seconds=LOOK_LATER_S)


def _rest(observed: Observed) -> Decision | None:
    pause_s = duration_s(observed.spec.update.pause_between_pods)
    since = [
        pod.ready_since_s
        for pod in observed.pods
        if pod.ready and pod.ready_since_s is not None and not is_outdated(observed, pod)
    ]
    left_s = max(since, default=-pause_s) + pause_s - observed.now_s
    if left_s <= 0:
        return None
    return wait(Step.REST_BETWEEN_PODS, f"{left_s:.0f} s of rest between two pods", seconds=left_s)


def _going(observed: Observed) -> Decision | None:
    """A pod that was asked to go is not asked again: its server hands over and drains."""
    for pod in observed.pods:
        if pod.terminating:
            return wait(Step.AWAIT_SAFETY, f"{pod.name} is going", target=pod.name)
    return None


def _next(observed: Observed, pod: Pod) -> Decision | None:
    if is_only_voter(observed, pod):
        unwell = unwell_pods(observed, besides=pod)
        if unwell or leader_of(observed).configuration.learners:
            return None  # it is growing: who joins now takes the load off it
        why = "it is outdated; it is the only one: expect downtime"
        return _delete(Step.ROLL_POD, pod, why, unless_leading="")
    objection = objection_to_stopping(observed, pod)
    if objection is not None:
        if _only_size_forbids(observed, pod):
            return None
        return wait(Step.AWAIT_SAFETY, f"{pod.name} is outdated, but {objection}", target=pod.name)
    if not leads(observed, pod):
        return _delete(Step.ROLL_POD, pod, "it is outdated", unless_leading=pod.id)
    return transfer(
        observed, Step.ROLL_TRANSFER, pod, besides=tuple(each.name for each in outdated(observed))
    )


def _only_size_forbids(observed: Observed, pod: Pod) -> bool:
    """Two of two are well: no pod can go before the next member is there, or one has left."""
    between = observed.size != observed.spec.replicas
    quiet = not unwell_pods(observed) and not leader_of(observed).configuration.learners
    return between and quiet and objection_by_count(observed, pod, removed=False) is not None


def transfer(
    observed: Observed, step: Step, pod: Pod, *, besides: tuple[str, ...] = ()
) -> Decision:
    """Leadership goes from `pod` to the best voter, if it can be to none of `besides`."""
    leader = leader_of(observed)
    others = tuple(each for each in leader.configuration.voters if each.name != pod.name)
    fit = tuple(each for each in others if each.name not in besides)
    heir = best_heir(observed, fit) or best_heir(observed, others)
    if heir is None or leader.name != pod.name:
        return wait(Step.AWAIT_SAFETY, f"{pod.name} leads, and nobody can follow it yet")
    return Decision(
        step=step,
        action=TransferLeader(leader_id=leader.id, term=leader.term, to_id=heir.id),
        target=pod.name,
        why=f"{heir.name} shall lead, as {pod.name} is to go",
    )


def _delete(step: Step, pod: Pod, why: str, *, unless_leading: str) -> Decision:
    return Decision(
        step=step,
        action=DeletePod(
            name=pod.name,
            uid=pod.uid,
            resource_version=pod.resource_version,
            unless_leading=unless_leading,
        ),
        target=pod.name,
        why=why,
    )
