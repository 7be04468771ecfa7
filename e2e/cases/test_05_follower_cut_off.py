"""Case 5: a follower is cut off from the others for two minutes, and they throw away their log.

Clients reach it all the time. The log that the leader keeps is short here, so that only a snapshot
can bring it back. Its own index must not go back, which the checker says of its stale reads.
"""

from functools import partial
from typing import Any

import pytest

from e2e import faults
from e2e.cases.story import VALUES, Story
from e2e.waits import limit, until
from e2e.watcher import is_ready

CUT_S = 120.0
TRAILING = 100
CONFIG = {
    **VALUES["config"],
    "raft_snapshot_threshold": 500,
    "raft_snapshot_interval": "5s",
    "raft_trailing_logs": TRAILING,
}
CONTACTS = 4  # how many stale reads are compared, over the time of the cut


@pytest.mark.case(minutes=5)
def test_a_follower_that_is_cut_off_serves_old_reads_and_comes_back_by_a_snapshot(
    story: Story,
) -> None:
    servers, nodes = story.servers, story.nodes
    story.install(config=CONFIG)
    ids = servers.ids()
    with story.watched() as watcher, story.load() as load:
        leader = servers.leader()
        term = servers.raft(leader)["Term"]
        follower = next(name for name in servers.names if name != leader)
        pods = servers.pods()
        others = [pods[name] for name in servers.names if name != follower]
        with nodes.cut(faults.both_ways(pods[follower], others)):
            cut_s = story.note(f"{follower} is cut off from the others")
            unready_s = until(
                partial(_ready, story, follower), "it is unready", limit("unready_when_cut_off")
            )
            contacts = []
            for number in range(1, CONTACTS + 1):
                story.rest_until(cut_s + CUT_S * number / CONTACTS)
                contacts.append(_last_contact_s(story, follower))
            alone, snapshot = servers.raft(follower), servers.raft(leader)["SnapshotIndex"]
            healed_s = story.note("it is healed")
        goal = servers.raft(leader)["CommitIndex"]
        caught_up_s = until(
            partial(_behind, story, follower, goal), "it has caught up", limit("caught_up")
        )
        servers.wait_until_well("caught_up")

    gap_s = load.gap_s(cut_s, healed_s)
    story.figures |= {
        "write gap while it was cut off s": gap_s,
        "unready after s": round(unready_s, 1),
        "last contact of stale reads s": contacts,
        "behind by entries": goal - alone["LastIndex"],
        "caught up after s": round(caught_up_s, 1),
    }
    assert gap_s <= limit("write_gap_follower_cut_off")
    assert contacts == sorted(contacts)
    assert contacts[-1] > CUT_S / 2
    # The entries after its last one were gone from the leader's log: it was a snapshot.
    assert snapshot - TRAILING > alone["LastIndex"] + 1
    assert (servers.leader(), servers.raft(leader)["Term"]) == (leader, term)
    assert servers.ids() == ids
    # Autopilot may take out who is silent for so long, and takes it in again as the same member.
    assert all(each <= set(ids.values()) for each in watcher.seen.voter_sets())


def _ready(story: Story, pod: str) -> str:
    return f"{pod} is ready" if is_ready(story.servers.pods()[pod]) else ""


def _last_contact_s(story: Story, pod: str) -> float:
    """What it says of a stale read. Raises AnswerError if it refuses it."""
    headers: Any = story.kubectl.ask(pod, story.servers.port, "/v1/kv/e2e?stale&recurse")[1]
    assert headers["x-consul-knownleader"] == "false"
    return round(int(headers["x-consul-lastcontact"]) / 1000, 1)


def _behind(story: Story, pod: str, goal: int) -> str:
    applied = story.servers.raft(pod)["AppliedIndex"]
    return "" if applied >= goal else f"it has applied {applied} of {goal}"
