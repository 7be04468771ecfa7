"""Case 9: all servers are gone at once, and come back with other addresses."""

import time

import pytest

from e2e.cases.story import Story
from e2e.waits import limit, until


@pytest.mark.case(minutes=3)
def test_all_come_back_at_new_addresses_as_the_same_cluster(story: Story) -> None:
    servers = story.servers
    story.install()
    ids, addresses = servers.ids(), _addresses(story)
    cluster_ids = {raft["ClusterID"] for raft in servers.rafts().values()}
    with story.watched() as watcher, story.load() as load, watcher.expecting(0):
        killed_s = story.note("all are killed")
        servers.kill(*servers.names)
        until(lambda: _same_pods(story, addresses), "all addresses are new", limit("pod_gone"))
        until(lambda: servers.leader()[:0], "somebody leads", limit("pod_gone"))
        quorum_s = time.time() - killed_s
        servers.wait_until_well("back_as_voter")

    story.figures |= {
        "quorum again after s": round(quorum_s, 1),
        "write gap s": load.gap_s(killed_s, killed_s + quorum_s),
    }
    assert quorum_s <= limit("quorum_after_full_restart")
    assert servers.ids() == ids
    assert {raft["ClusterID"] for raft in servers.rafts().values()} == cluster_ids
    # No configuration but that of the first day: nobody founded anything.
    assert set(watcher.seen.voter_sets()) == {frozenset(ids.values())}


def _addresses(story: Story) -> set[str]:
    return {pod["status"].get("podIP", "") for pod in story.servers.pods().values()}


def _same_pods(story: Story, before: set[str]) -> str:
    found = _addresses(story)
    if len(found) == story.servers.replicas and "" not in found and not found & before:
        return ""
    return f"{sorted(found)}, before {sorted(before)}"
