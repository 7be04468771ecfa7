"""Servers that missed more than the log still holds, and clusters that lost their majority."""

import json
import signal
from pathlib import Path

import pytest

from server_tests.cluster.loopback_cluster import loopback_cluster

pytestmark = pytest.mark.real_clock

SHORT_LOG = """
raft_snapshot_threshold = 50
raft_snapshot_interval = "1s"
raft_trailing_logs = 10
"""
KEYS = 400


def test_who_missed_too_much_gets_the_snapshot(tmp_path: Path) -> None:
    with loopback_cluster(tmp_path, (171, 172, 173), SHORT_LOG) as cluster:
        leader, late = cluster.leader(), cluster.followers()[0]
        late.end(signal.SIGKILL)
        for number in range(KEYS):
            leader.put(f"/v1/kv/missed/{number}", b"%d" % number)
        cluster.until(lambda: "snapshot complete" in leader.log.read_text(), "a snapshot")
        leader.put("/v1/kv/after", b"1")
        cluster.start(late)
        cluster.until_all_follow()
        assert "installed the leader's snapshot" in late.log.read_text()
        assert len(late.get("/v1/kv/missed/?keys&stale")) == KEYS
        assert len(late.get("/v1/kv/after?stale")) == 1

        late.end(signal.SIGKILL)  # what was installed lasts
        cluster.start(late)
        cluster.until_all_follow()
        assert len(late.get("/v1/kv/missed/?keys&stale")) == KEYS


def test_two_of_five_go_on_with_a_peers_file(tmp_path: Path) -> None:
    with loopback_cluster(tmp_path, (174, 175, 176, 177, 178)) as cluster:
        cluster.leader().put("/v1/kv/a", b"1")
        cluster.until_all_follow()
        ids = {one["Node"]: one["ID"] for one in cluster.leader().servers()}
        for member in cluster.members:
            member.end(signal.SIGKILL)
        survivors = cluster.members[:2]
        peers = [
            {"id": ids[one.name], "address": f"{one.address}:8300", "non_voter": False}
            for one in survivors
        ]
        cluster.members = survivors
        for survivor in survivors:
            (survivor.data / "raft" / "peers.json").write_text(json.dumps(peers))
        cluster.start()
        cluster.until_all_follow()
        assert {one["ID"] for one in cluster.leader().servers()} == {one["id"] for one in peers}
        assert len(cluster.leader().get("/v1/kv/a?consistent")) == 1
        assert cluster.leader().put("/v1/kv/b", b"1") is True
