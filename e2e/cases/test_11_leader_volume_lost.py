"""Case 11, first part: the volume of the leader is lost; no operator helps."""

import pytest

from e2e.cases import volumes
from e2e.cases.story import Story
from e2e.waits import limit


@pytest.mark.case(minutes=4)
def test_a_leader_without_its_disk_comes_as_another_after_one_election(story: Story) -> None:
    servers = story.servers
    story.install()
    ids = servers.ids()
    with story.watched() as watcher, story.load() as load:
        leader = servers.leader()
        term = servers.raft(leader)["Term"]
        lost_s = volumes.lose(story, leader)
        replaced_s = volumes.await_replacement(story, ids[leader])
        servers.wait_until_well("member_replaced")

    now = servers.ids()
    sets = watcher.seen.voter_sets()
    gap_s = load.gap_s(lost_s, lost_s + replaced_s)
    story.figures |= {
        "replaced after s": round(replaced_s, 1),
        "write gap s": gap_s,
        "voters, one after the other": [len(each) for each in sets],
    }
    assert gap_s <= limit("write_gap_after_kill")
    assert now[leader] != ids[leader]
    assert {**now, leader: ""} == {**ids, leader: ""}
    assert all(2 <= len(each) <= 3 for each in sets), "four voters lose a quorum with two"
    assert len([each for each in watcher.seen.leaders if each > term]) == 1, "one election"
