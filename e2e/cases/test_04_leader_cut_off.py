"""Case 4: the leader is cut off for a minute, under load that also asks each member itself.

Three ways: between it and its followers; only what it sends to them (what they send still comes,
but no connection lives on half of its packets); and between it and everybody. That a consistent
read is never old is the checker's to say, and that a write of unknown outcome is there or not, in
all members alike.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import pytest

from e2e import faults
from e2e.cases.story import Loaded, Story
from e2e.kubectl import Manifest
from e2e.load.checker import answers_of
from e2e.load.pod import Rates
from e2e.waits import limit, until

CUT_S = 60.0
Ways = Callable[[Manifest, list[Manifest]], list[faults.Way]]
WAYS: Final[Mapping[str, Ways]] = {
    "from_followers": faults.both_ways,
    "one_way": lambda leader, others: [faults.one_way(leader, each) for each in others],
    "from_everybody": lambda leader, others: faults.all_ways(leader),
}
RUNS = tuple(WAYS)
RATES = Rates(member_ops_per_s=5.0)


@pytest.mark.case(minutes=4)
@pytest.mark.parametrize("run", RUNS)
def test_a_leader_that_is_cut_off_promises_nothing_more(story: Story, run: str) -> None:
    servers, nodes = story.servers, story.nodes
    story.install()
    ids = servers.ids()
    with story.watched() as watcher, story.load(RATES) as load:
        old = servers.leader()
        term = servers.raft(old)["Term"]
        pods = servers.pods()
        others = [pods[name] for name in servers.names if name != old]
        began_s = story.note(f"{old}, which leads term {term}, is cut off: {run}")
        with nodes.cut(WAYS[run](pods[old], others)):
            cut_s = story.note("it is cut off")
            until(partial(_no_newer, story, term), "the majority elects", limit("newer_leader"))
            new = servers.leader()
            new_term = servers.raft(new)["Term"]
            story.rest_until(cut_s + CUT_S)
            # What it had taken and could not get to anybody: there must be some to be thrown away.
            tail = _uncommitted(story, old) if run != "from_everybody" else None
            healed_s = story.note("it is healed")
        back_s = servers.wait_until_well("back_as_voter")

    elected_s = watcher.seen.leaders[new_term][2] - began_s
    gap_s = load.gap_s(began_s, began_s + limit("newer_leader"))
    story.figures |= {
        "newer leader seen after s": round(elected_s, 1),
        "write gap s": gap_s,
        "uncommitted entries of the old leader": tail,
        "well after the heal after s": round(back_s, 1),
    }
    assert elected_s <= limit("newer_leader")
    assert gap_s <= limit("newer_leader")
    assert tail is None or tail > 0
    assert _promises(load, old, cut_s + limit("cut_off_leader_stops"), healed_s) == []
    assert servers.leader() == new, "the heal cost an election"
    assert {raft["Term"] for raft in servers.rafts().values()} == {new_term}
    assert servers.ids() == ids
    # Autopilot may take out who is silent for a minute, and takes it in again as the same member.
    assert all(each <= set(ids.values()) for each in watcher.seen.voter_sets())


def _no_newer(story: Story, term: int) -> str:
    leader = story.servers.leader()
    newest = story.servers.raft(leader)["Term"]
    return "" if newest > term else f"{leader} leads term {newest}"


def _uncommitted(story: Story, pod: str) -> int:
    raft = story.servers.raft(pod)
    assert raft["State"] != "Leader", f"{pod} takes itself for the leader after a minute alone"
    return int(raft["LastIndex"] - raft["CommitIndex"])


def _promises(load: Loaded, member: str, from_s: float, to_s: float) -> list[str]:
    """What it acknowledged and must not have."""
    ledger = load.ledger
    assert ledger is not None
    window = ledger.at_ns(from_s), ledger.at_ns(to_s)
    return [
        f"{member} answered {one.kind} {one.number}"
        for kind in ("put", "get consistent", "get default")
        for one in answers_of(ledger, member, kind, *window)
    ]
