"""A member is given up because a person said so: its volume is on a node that is no more.

The annotation `proconsul.io/replace-member=<ID>` on its pod is the word; where the leader has taken
the member out already, as it does with who is away, the UID of its claim takes the ID's place. The
claim goes first, then the pod, each by UID; the new pod has a new ID, and the members do the rest.
Never the leader, and never if the others would be no majority.
"""

from proconsul_operator.api.group import REPLACE_MEMBER
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Decision,
    DeletePod,
    DeleteVolume,
    wait,
)
from proconsul_operator.plans.observe import Observed, Pod
from proconsul_operator.plans.safety import (
    is_only_voter,
    leader_of,
    leads,
    objection_to_stopping,
)
from proconsul_operator.plans.steps import Step


def replace_member(observed: Observed) -> Decision | None:
    """The next act for a pod that carries the annotation; None if there is none."""
    for pod in observed.pods:
        asked = pod.annotations.get(REPLACE_MEMBER)
        if asked:
            return _replace(observed, pod, asked)
    return None


def _replace(observed: Observed, pod: Pod, asked: str) -> Decision | None:
    if not _means(observed, pod, asked):
        return None  # it is replaced already, or was never this pod's
    if leads(observed, pod) or is_only_voter(observed, pod):
        return _refused(pod, "it leads")
    objection = objection_to_stopping(observed, pod)
    if objection is not None:
        return _refused(pod, objection)
    volume = observed.volume(pod.ordinal)
    if volume is not None and not volume.terminating:
        return Decision(
            step=Step.REPLACE_VOLUME,
            action=DeleteVolume(
                name=volume.name, uid=volume.uid, resource_version=volume.resource_version
            ),
            target=volume.name,
            why=f"{pod.name} ({asked}) is given up",
        )
    if pod.terminating:
        return None
    return Decision(
        step=Step.REPLACE_POD,
        action=DeletePod(
            name=pod.name, uid=pod.uid, resource_version=pod.resource_version, unless_leading=asked
        ),
        target=pod.name,
        why=f"{pod.name} ({asked}) is given up",
    )


def _means(observed: Observed, pod: Pod, asked: str) -> bool:
    """Whether the word is of this pod's member, or of the claim that it waits for in vain."""
    member = leader_of(observed).configuration.by_id(asked)
    if member is not None:
        return member.name == pod.name
    volume = observed.volume(pod.ordinal)
    return bool(pod.unschedulable) and (volume is None or volume.uid == asked)


def _refused(pod: Pod, why: str) -> Decision:
    return wait(
        Step.REPLACE_REFUSED,
        f"{pod.name} is not replaced: {why}",
        target=pod.name,
        seconds=LOOK_LATER_S,
    )
