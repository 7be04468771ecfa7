"""Case 10: the volume of a follower is lost; no operator helps."""

import pytest

from e2e.cases.story import RELEASE, Story
from e2e.kubectl import AnswerError
from e2e.waits import limit, until


@pytest.mark.case(minutes=4)
def test_a_follower_without_its_disk_comes_as_another_and_replaces_itself(story: Story) -> None:
    servers, kubectl = story.servers, story.kubectl
    story.install()
    ids = servers.ids()
    term = servers.raft(servers.leader())["Term"]
    with story.watched() as watcher, story.load() as load:
        follower = next(name for name in servers.names if name != servers.leader())
        claim = f"data-{follower}"
        uid = kubectl.get("persistentvolumeclaims", claim)["metadata"]["uid"]
        lost_s = story.note(f"{claim} is deleted with its pod")
        kubectl("delete", "pvc", claim, "--wait=false")
        servers.kill(follower)
        until(lambda: _old_claim(story, claim, uid), f"{claim} is another", limit("pod_gone"))
        replaced_s = until(
            lambda: _not_replaced(story, ids[follower]), "it is replaced", limit("member_replaced")
        )
        servers.wait_until_well("member_replaced")

    now = servers.ids()
    sets = watcher.seen.voter_sets()
    story.figures |= {
        "replaced after s": round(replaced_s, 1),
        "write gap s": load.gap_s(lost_s, lost_s + replaced_s),
        "voters, one after the other": [len(each) for each in sets],
    }
    assert now[follower] != ids[follower]
    assert {**now, follower: ""} == {**ids, follower: ""}
    assert all(2 <= len(each) <= 3 for each in sets), "four voters lose a quorum with two"
    assert servers.raft(servers.leader())["Term"] == term, "it was a follower: nobody elects"
    assert RELEASE in follower


def _old_claim(story: Story, claim: str, uid: str) -> str:
    try:
        found = story.kubectl.get("persistentvolumeclaims", claim)["metadata"]["uid"]
    except AnswerError as failure:
        return f"{failure}"
    return "" if found != uid else "the old one is there"


def _not_replaced(story: Story, old: str) -> str:
    voters = story.servers.voters()
    return "" if len(voters) == 3 and old not in voters else f"voters {sorted(voters)}"
