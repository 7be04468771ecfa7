"""Case 10: the volume of a follower is lost; no operator helps."""

import pytest

from e2e.cases import volumes
from e2e.cases.story import RELEASE, Story


@pytest.mark.case(minutes=4)
def test_a_follower_without_its_disk_comes_as_another_and_replaces_itself(story: Story) -> None:
    servers = story.servers
    story.install()
    ids = servers.ids()
    term = servers.raft(servers.leader())["Term"]
    with story.watched() as watcher, story.load() as load:
        follower = next(name for name in servers.names if name != servers.leader())
        lost_s = volumes.lose(story, follower)
        replaced_s = volumes.await_replacement(story, ids[follower])
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
