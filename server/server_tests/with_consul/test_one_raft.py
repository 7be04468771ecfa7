"""One of ours among real Consul 1.8.7 servers: it follows, takes their snapshot, leads.

What they hold must be the same at the same index, state and log. Writes through a real server
while ours leads need gossip: without it they do not find the leader's RPC port.
"""

import json
from dataclasses import dataclass

import pytest

from proconsul.raft.messages import EntryKind
from proconsul.runtime.disk import RealDisk
from proconsul.runtime.log_entries import entry_of
from proconsul.runtime.wal_files import WalFiles
from proconsul.wal.segments import DEFAULT_SEGMENT_BYTES
from server_tests.fsm.everything import fill
from server_tests.fsm.raft_db import LoggedCommand, logged_commands
from server_tests.fsm.real_server import free_address, requires_real_consul
from server_tests.fsm.states import records, said
from server_tests.with_consul.servers import Node, ended, leader_of, same_state, until

pytestmark = [requires_real_consul, pytest.mark.real_clock]

TURNS_MAX = 12  # of letting chance decide who leads next
KEYS = 200


@dataclass
class Cluster:
    """Two real servers and one of ours."""

    real: list[Node]
    ours: Node

    @property
    def all(self) -> list[Node]:
        """The three."""
        return [*self.real, self.ours]

    def until_ours_leads(self) -> None:
        """Kill whoever else leads, until chance is with ours; all live behind this."""
        for _ in range(TURNS_MAX):
            leader = leader_of(*self.all)
            if leader is self.ours:
                return
            leader.kill()
            others = [node for node in self.all if node is not leader]
            leader_of(*others)
            leader.start()
            until(leader.knows_a_leader, "it is back")
        raise AssertionError("ours never led")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    folder = tmp_path_factory.mktemp("one-raft")
    real = [
        Node(f"real{number}", free_address(20 + number), folder / f"real{number}", ours=False)
        for number in (1, 2)
    ]
    ours = Node("ours", free_address(23), folder / "ours", ours=True)
    return Cluster(real, ours)


def found_real_cluster(cluster: Cluster) -> None:
    """Real servers by themselves. (Their own recovery cannot read large keys in a log.)"""
    first, second = cluster.real
    first.start("-bootstrap-expect=2")
    second.start("-bootstrap-expect=2", f"-retry-join={first.address}")
    leader = leader_of(*cluster.real)
    until_it_is_settled(leader)
    for node in cluster.real:
        node.kill()


def until_it_is_settled(leader: Node) -> None:
    """What a new leader does first is done."""
    until(lambda: leader.call("GET", "/v1/acl/token/self")[0] == 200, "ACLs are there")
    ca = {"Provider": "consul", "Config": {"LeafCertTTL": "72h", "RotationPeriod": "2160h"}}
    until(lambda: leader.call("PUT", "/v1/connect/ca/configuration", ca)[0] == 200, "a CA is there")
    until(lambda: b"serfHealth" in leader.get("/v1/health/node/real1"), "the catalog is there")


def test_one_of_ours_follows_real_servers_then_leads_them(cluster: Cluster) -> None:
    with ended(*cluster.all):
        found_real_cluster(cluster)
        for node in cluster.real:
            node.write_peers(cluster.all)
            node.start()
        leader = leader_of(*cluster.real)
        until_it_is_settled(leader)
        fill(leader)
        filled_at = leader.snapshot()[0].index
        put_keys(leader, "before")
        until(lambda: leader.snapshot_index() >= filled_at, "a snapshot with one of everything")

        cluster.ours.start()
        until(lambda: follows(cluster.ours, leader), "ours follows")
        until(lambda: "installed the leader's snapshot" in cluster.ours.output(), "a snapshot")
        put_keys(leader, "real")
        level(cluster)

        cluster.until_ours_leads()
        put_keys(cluster.ours, "ours")
        level(cluster)
        assert b"proconsul-cluster:" in cluster.ours.snapshot()[1]
        assert all(follows(node, cluster.ours) for node in cluster.all)
        members = json.loads(cluster.ours.get("/v1/operator/raft/configuration"))["Servers"]
        assert sorted(one["ID"] for one in members) == sorted(node.id for node in cluster.all)

    mine = our_log(cluster.ours)
    for node in cluster.real:
        theirs = {
            entry.index: entry for entry in logged_commands(node.data_folder / "raft" / "raft.db")
        }
        common = mine.keys() & theirs.keys()
        assert len(common) > 2 * KEYS
        assert {index: mine[index] for index in common} == {i: theirs[i] for i in common}


def follows(node: Node, leader: Node) -> bool:
    """It names that leader, and has applied something."""
    said = json.loads(node.get("/v1/status/leader"))
    return said == f"{leader.address}:8300" and node.call("GET", "/v1/kv/?keys&stale")[0] == 200


def put_keys(node: Node, prefix: str) -> None:
    """Enough writes for several messages, one of them in chunks."""
    for number in range(KEYS):
        assert node.put(f"/v1/kv/{prefix}/{number}", f"{number}".encode()) is True
    assert node.put(f"/v1/kv/{prefix}/large", b"x" * 1_000_000) is True


def level(cluster: Cluster) -> None:
    """The same state, record by record, at the same index, but for our marks.

    A real server has them only if it was sent a snapshot by ours.
    """
    index, states = same_state(*cluster.all)
    found = {
        name: [
            record
            for record in sorted(map(said, records(state)[1]))
            if "proconsul-cluster:" not in record
        ]
        for name, state in states.items()
    }
    mine = found.pop(cluster.ours.name)
    for name, theirs in found.items():
        assert theirs == mine, f"{name} at {index}"


def our_log(node: Node) -> dict[int, LoggedCommand]:
    """The commands in the log of one of ours that was stopped."""
    wal = WalFiles.open(str(node.data_folder / "raft" / "log"), RealDisk(), DEFAULT_SEGMENT_BYTES)
    try:
        first, last = wal.first_index, wal.last_index
        entries = map(entry_of, wal.read(first, last, 1 << 30))
        return {
            entry.index: LoggedCommand(entry.index, entry.term, entry.data, entry.extensions)
            for entry in entries
            if entry.kind is EntryKind.COMMAND
        }
    finally:
        wal.close()
