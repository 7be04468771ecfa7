"""A server's volume is lost, and how it is told that another member has taken its place."""

from functools import partial

from e2e.cases.story import Story
from e2e.kubectl import AnswerError
from e2e.waits import limit, until


def lose(story: Story, pod: str) -> float:
    """Its claim and the pod itself, until there is another claim: when it began, wall clock."""
    kubectl, claim = story.kubectl, f"data-{pod}"
    uid = kubectl.get("persistentvolumeclaims", claim)["metadata"]["uid"]
    lost_s = story.note(f"{claim} is deleted with its pod")
    kubectl("delete", "pvc", claim, "--wait=false")
    story.servers.kill(pod)
    until(partial(_is_old, story, claim, uid), f"{claim} is another", limit("pod_gone"))
    return lost_s


def await_replacement(story: Story, old: str) -> float:
    """Until there are three voters without that ID: how long it took, in seconds."""
    return until(partial(_is_member, story, old), "it is replaced", limit("member_replaced"))


def _is_old(story: Story, claim: str, uid: str) -> str:
    try:
        found = story.kubectl.get("persistentvolumeclaims", claim)["metadata"]["uid"]
    except AnswerError as failure:
        return f"{failure}"
    return "" if found != uid else "the old one is there"


def _is_member(story: Story, old: str) -> str:
    voters = story.servers.voters()
    return "" if len(voters) == 3 and old not in voters else f"voters {sorted(voters)}"
