"""Servers of one raft cluster, some real Consul 1.8.7 and some ours, that share no gossip pool.

Their membership comes from peers.json: an operator's way to say who belongs together.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from proconsul.fsm.archive import ArchiveMeta, read_archive
from server_tests.fsm.real_server import CONFIG, RealServer, wait_a_moment

PATIENCE_S = 60.0
LONELY = "autopilot { cleanup_dead_servers = false }\n"
# Snapshots soon, and a log that is long enough to be compared.
SNAPSHOTS = """
raft_snapshot_threshold = 50
raft_snapshot_interval = "2s"
raft_trailing_logs = 5000
"""
OURS = """
acl { enabled = true default_policy = "allow" }
performance { raft_multiplier = 1 }
limits { kv_max_value_size = 1048576 }
"""  # as in CONFIG


class Node(RealServer):
    """One server process with its data, real or ours."""

    def __init__(self, name: str, address: str, folder: Path, *, ours: bool) -> None:
        super().__init__(address, folder / "data")
        self.name = name
        self.ours = ours
        self.id = str(uuid.uuid4())
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        # ACLs that nobody enforces: their records travel in log and snapshot, too.
        (folder / "server.hcl").write_text((OURS if ours else CONFIG) + LONELY + SNAPSHOTS)

    def start(self, *flags: str) -> None:
        """Start it; it may take its time to answer."""
        program = [sys.executable, "-m", "proconsul"] if self.ours else [os.environ["CONSUL_REAL"]]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *program,
                    *("agent", "-server", f"-node={self.name}", f"-node-id={self.id}"),
                    f"-data-dir={self.data_folder}",
                    f"-config-file={self._folder / 'server.hcl'}",
                    *(f"-bind={self.address}", f"-client={self.address}", "-dns-port=-1"),
                    *flags,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def has_ended(self) -> bool:
        """Whether its process is gone, of itself."""
        return self._process is None or self._process.poll() is not None

    def output(self) -> str:
        """All that it said."""
        return (self._folder / "log").read_text(errors="replace")

    def leads(self) -> bool:
        """Whether it says so itself."""
        try:
            status, answer = self.call("GET", "/v1/status/leader")
        except OSError:
            return False
        return status == 200 and json.loads(answer) == f"{self.address}:8300"

    def knows_a_leader(self) -> bool:
        """Whoever that is."""
        status, answer = self.call("GET", "/v1/status/leader")
        return status == 200 and json.loads(answer) != ""

    def snapshot(self) -> tuple[ArchiveMeta, bytes]:
        """Its own state, whoever leads."""
        state = bytearray()
        meta = read_archive([self.get("/v1/snapshot?stale")], state.extend)
        return meta, bytes(state)

    def snapshot_index(self) -> int:
        """Of the newest raft snapshot of a real server, by its folder's name."""
        folders = (self.data_folder / "raft" / "snapshots").glob("*-*-*")
        return max((int(folder.name.split("-")[1]) for folder in folders), default=0)

    def write_peers(self, members: list["Node"]) -> None:
        """Tell it who belongs to the cluster, for its next start."""
        peers = [{"id": one.id, "address": f"{one.address}:8300"} for one in members]
        (self.data_folder / "raft" / "peers.json").write_text(json.dumps(peers))


@contextmanager
def ended(*nodes: Node) -> Iterator[None]:
    """None of them lives behind this."""
    try:
        yield
    finally:
        for node in nodes:
            node.kill()


def until(holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something; AssertionError if it does not come."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        try:
            if holds():
                return
        except (OSError, AssertionError):
            pass
        wait_a_moment(0.1)
    raise AssertionError(f"in vain: {what}")


def leader_of(*nodes: Node) -> Node:
    """The one that leads, once there is one."""
    found: list[Node] = []

    def is_there() -> bool:
        found[:] = [node for node in nodes if node.leads()]
        return len(found) == 1

    until(is_there, "a leader")
    return found[0]


def same_state(*nodes: Node) -> tuple[int, dict[str, bytes]]:
    """The index at which all were found at once, and the state of each there, by name."""
    found: dict[str, tuple[ArchiveMeta, bytes]] = {}

    def is_level() -> bool:
        found.update({node.name: node.snapshot() for node in nodes})
        return len({meta.index for meta, _ in found.values()}) == 1

    until(is_level, "all at one index")
    index = next(iter(found.values()))[0].index
    return index, {name: state for name, (_, state) in found.items()}
