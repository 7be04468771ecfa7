"""Case 2: the leader's pod is deleted by force, ten times, under load."""

from functools import partial

import pytest

from e2e.cases.story import Story, middle
from e2e.waits import limit, until

ROUNDS = 10
ROUNDS_SHORT = 3


@pytest.mark.case(minutes=8, short=True)
def test_a_killed_leader_is_followed_soon_and_comes_back_as_itself(story: Story) -> None:
    servers = story.servers
    story.install()
    ids = servers.ids()
    kills_s, served_s, back_s = [], [], []
    with story.watched() as watcher, story.load() as load:
        for _ in range(ROUNDS_SHORT if story.short else ROUNDS):
            leader, term = servers.leader(), servers.raft(servers.leader())["Term"]
            kills_s.append(story.note(f"{leader} is killed in term {term}"))
            servers.kill(leader)
            served_s.append(
                until(
                    partial(_old_times, story, term),
                    "the leader Service moves",
                    limit("leader_service_moves"),
                )
            )
            back_s.append(servers.wait_until_well("back_as_voter"))
            assert servers.ids() == ids

    gaps_s = [load.gap_s(at_s, at_s + limit("write_gap_after_kill")) for at_s in kills_s]
    story.figures |= {
        "rounds": len(kills_s),
        "write gap median s": middle(gaps_s),
        "write gap worst s": max(gaps_s),
        "leader Service moved after s, worst": round(max(served_s), 1),
        "all well again after s, worst": round(max(back_s), 1),
    }
    assert max(gaps_s) <= limit("write_gap_after_kill")
    # Nobody came, nobody went: at most an address was changed in place.
    assert set(watcher.seen.voter_sets()) == {frozenset(ids.values())}


def _old_times(story: Story, term: int) -> str:
    """What is missing until the leader Service leads to the leader of a newer term."""
    leader = story.servers.leader()
    if story.servers.raft(leader)["Term"] <= term:
        return f"{leader} leads the old term {term}"
    there = story.servers.leads_the_service()
    return "" if there == leader else f"{leader} leads, the Service leads to {there or 'nobody'}"
