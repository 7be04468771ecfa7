"""The two sides: clusters of one or three servers on loopback, a real Consul and ours.

Both get the same configuration, which a real one reads as ours does: durable (never -dev), with
limits on connections out of the load's way. Their data are beside each other, on one file system.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from bench.failure import BenchError
from bench.http1 import Wire
from bench.machine import Placement, Usage, usage
from server_tests.differential.target import Answer, pause
from server_tests.process import die_with_the_tests

CONNECTIONS_MAX = 8000  # of one client; with Consul's 200, wrk is refused
START_S_MAX = 90.0
STOP_S_MAX = 30.0
LOOK_S = 0.05
GO_THREADS = (
    "2"  # GOMAXPROCS of a pinned Consul: with the 1 that it takes there, each sync stops it
)
WANTED_VERSION = "Consul v1.8.7"


class Side(StrEnum):
    """Who is measured."""

    CONSUL = "consul"
    OURS = "proconsul"


HOSTS = {Side.CONSUL: 1, Side.OURS: 11}  # of each side's first server


def require_consul() -> str:
    """The path of the real Consul. Raises BenchError: there is none, or another version."""
    path = os.environ.get("CONSUL_REAL", "")
    if not path:
        raise BenchError(
            "CONSUL_REAL is not set: install Consul 1.8.7 and name its program, "
            "as in CONSUL_REAL=/usr/bin/consul make bench"
        )
    try:
        said = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout
    except OSError as error:
        raise BenchError(f"CONSUL_REAL={path} cannot be run: {error.strerror}") from error
    version = said.partition("\n")[0].strip()
    if version != WANTED_VERSION:
        raise BenchError(
            f"CONSUL_REAL={path} calls itself {version!r}; the goals are against "
            f"{WANTED_VERSION}: name such a program"
        )
    return path


class Server:
    """One process of a side, and its data."""

    def __init__(self, side: Side, number: int, hosts: list[str], folder: Path) -> None:
        self.side = side
        self.address = hosts[number - 1]
        self.folder = folder / f"{side}-{number}"
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.data.mkdir(parents=True)
        self._config = self.folder / "config.json"
        self._config.write_text(json.dumps(_config(number, hosts, self.data), indent=1))

    def launch(self, placement: Placement) -> None:
        """Start the process; do not wait for it."""
        program = (
            [os.environ["CONSUL_REAL"]]
            if self.side is Side.CONSUL
            else [sys.executable, "-m", "proconsul"]
        )
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("CONSUL_")
        }
        if placement.server_cores is not None:
            environment["GOMAXPROCS"] = GO_THREADS

        def before_it_begins() -> None:
            die_with_the_tests()
            if placement.server_cores is not None:
                os.sched_setaffinity(0, placement.server_cores)

        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*program, "agent", f"-config-file={self._config}"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment,
                preexec_fn=before_it_begins,  # noqa: PLW1509 - two system calls, no lock
            )

    def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """One request on a connection of its own; status 0: no answer."""
        with Wire(self.address) as wire:
            try:
                return wire.ask(method, path, body)
            except OSError as error:
                return Answer(0, error=type(error).__name__)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _config(number: int, hosts: list[str], data: Path) -> dict[str, object]:
    address = hosts[number - 1]
    return {
        "node_name": f"bench-{number}",
        "server": True,
        "bootstrap_expect": len(hosts),
        "data_dir": str(data.resolve()),
        "bind_addr": address,
        "client_addr": address,
        "retry_join": [host for host in hosts if host != address],
        "retry_interval": "1s",
        "disable_update_check": True,
        "ports": {"dns": -1},
        "log_level": "warn",
        "limits": {
            "http_max_conns_per_client": CONNECTIONS_MAX,
            "rpc_max_conns_per_client": CONNECTIONS_MAX,
        },
    }


class Cluster:
    """All servers of one side, with empty data directories at first."""

    def __init__(
        self, side: Side, size: int, *, network: str, folder: Path, placement: Placement
    ) -> None:
        self.side = side
        self.placement = placement
        hosts = [f"{network}.{HOSTS[side] + number}" for number in range(size)]
        for number in range(size):
            shutil.rmtree(folder / f"{side}-{number + 1}", ignore_errors=True)
        self.servers = [Server(side, number + 1, hosts, folder) for number in range(size)]

    def launch(self) -> None:
        """Start all processes."""
        for server in self.servers:
            if server.ask("GET", "/v1/status/leader").status:
                raise BenchError(
                    f"something answers at {server.address}:8500 already: end it, or choose "
                    "another network with --network"
                )
        for server in self.servers:
            server.launch(self.placement)

    def until_ready(self) -> None:
        """Until a write is taken, all vote, and each has what was written."""
        self._until(self._is_ready, "a cluster at work")

    def _is_ready(self) -> bool:
        leader = self._leader()
        if leader is None or leader.ask("PUT", "/v1/kv/up", b"1").body.strip() != b"true":
            return False
        raft = leader.ask("GET", "/v1/operator/raft/configuration").json() or {}
        voters = [one for one in raft.get("Servers", ()) if one["Voter"]]
        nodes = leader.ask("GET", "/v1/catalog/nodes").json() or []
        return len(voters) == len(nodes) == len(self.servers) and all(
            server.ask("GET", "/v1/kv/up?stale").status == 200 for server in self.servers
        )

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + START_S_MAX
        while not holds():
            for server in self.servers:
                ended = server.process is None or server.process.poll() is not None
                if ended or time.monotonic() > deadline_s:
                    tail = server.log.read_text(errors="replace")[-2000:]
                    why = "has ended" if ended else f"is not {what} after {START_S_MAX:.0f} s"
                    raise BenchError(f"{server.side} at {server.address} {why}:\n{tail}")
            pause(LOOK_S)

    def _leader(self) -> Server | None:
        for server in self.servers:
            address = str(server.ask("GET", "/v1/status/leader").json() or "").partition(":")[0]
            for one in self.servers:
                if one.address == address:
                    return one
        return None

    @property
    def leader(self) -> Server:
        """Who leads. Raises BenchError: nobody does."""
        found = self._leader()
        if found is None:
            raise BenchError(f"{self.side} has no leader any more")
        return found

    @property
    def follower(self) -> Server:
        """One that does not lead."""
        leader = self.leader
        return next(server for server in self.servers if server is not leader)

    def usage(self) -> Usage:
        """CPU time and memory of all its processes."""
        return usage(frozenset(one.process.pid for one in self.servers if one.process is not None))

    def stop(self) -> None:
        """End all; the data are removed."""
        for server in self.servers:
            if server.process is not None:
                server.process.terminate()
        for server in self.servers:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)


@contextmanager
def running(
    sides: tuple[Side, ...], size: int, *, network: str, folder: Path, placement: Placement
) -> Iterator[dict[Side, Cluster]]:
    """Fresh clusters of both sides, or one, at work; gone behind the block."""
    folder.mkdir(parents=True, exist_ok=True)
    clusters = {
        side: Cluster(side, size, network=network, folder=folder, placement=placement)
        for side in sides
    }
    try:
        for cluster in clusters.values():
            cluster.launch()
        for cluster in clusters.values():
            cluster.until_ready()
        yield clusters
    finally:
        for cluster in clusters.values():
            cluster.stop()
