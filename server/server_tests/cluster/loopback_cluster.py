"""Several servers of ours on loopback addresses: for what needs no cut links."""

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from server_tests.loopback import address
from server_tests.process import die_with_the_tests

PATIENCE_S = 90.0
LOOK_S = 0.05
CONFIG = """
performance { raft_multiplier = 1 }
autopilot { server_stabilization_time = "1s" }
limits { kv_max_value_size = 2000000 http_max_conns_per_client = 400 }
"""


class Answer(NamedTuple):
    """Of an HTTP request."""

    status: int
    headers: dict[str, str]
    body: bytes


class Member:
    """One server; its data outlive its addresses."""

    def __init__(self, name: str, folder: Path, host: int, config: str) -> None:
        self.name = name
        self.address = address(host)
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self._config = folder / f"{name}.hcl"
        self._config.write_text(CONFIG + config)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, joins: Sequence["Member"], expect: int) -> None:
        """Start it; it finds the others at their addresses of now."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "proconsul", "agent", "-server"),
                    *(
                        f"-node={self.name}",
                        f"-data-dir={self.data}",
                        f"-bootstrap-expect={expect}",
                    ),
                    *(f"-bind={self.address}", f"-client={self.address}"),
                    f"-config-file={self._config}",
                    *(f"-retry-join={member.address}" for member in joins),
                ],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and wait for the end: the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Until it has ended by itself: the exit code."""
        assert self._process is not None
        code = self._process.wait(PATIENCE_S)
        self._process = None
        return code

    def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """The answer, whatever it is."""
        connection = http.client.HTTPConnection(self.address, 8500, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The decoded answer of a good GET."""
        answer = self.ask("GET", path)
        assert answer.status == 200, (path, answer)
        return json.loads(answer.body)

    def put(self, path: str, body: bytes | Any = b"", method: str = "PUT") -> Any:
        """The decoded answer of a write that has to succeed."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.ask(method, path, data)
        assert answer.status == 200, (path, answer)
        return json.loads(answer.body or b"null")

    def servers(self) -> list[dict[str, Any]]:
        """The raft configuration."""
        found: list[dict[str, Any]] = self.get("/v1/operator/raft/configuration")["Servers"]
        return found

    @property
    def leads(self) -> bool:
        """Whether it says so itself, and takes a consistent read."""
        try:
            said = self.get("/v1/status/leader") == f"{self.address}:8300"
            return said and self.ask("GET", "/v1/kv/?keys&consistent").status in (200, 404)
        except (OSError, http.client.HTTPException, AssertionError):
            return False


class LoopbackCluster:
    """Servers that found a cluster, and what to wait for."""

    def __init__(self, folder: Path, hosts: Sequence[int], config: str = "") -> None:
        self.folder = folder
        self.config = config
        self.members = [
            Member(f"s{number}", folder, host, config) for number, host in enumerate(hosts, 1)
        ]

    def start(self, *members: Member) -> None:
        """Start these, or all."""
        for member in members or self.members:
            member.start(self.members, len(self.members))

    def leader(self) -> Member:
        """Who leads, once somebody does."""
        found: list[Member] = []

        def is_there() -> bool:
            found[:] = [member for member in self.members if member.leads]
            return len(found) == 1

        self.until(is_there, "a leader")
        return found[0]

    def followers(self) -> list[Member]:
        """All the others."""
        leader = self.leader()
        return [member for member in self.members if member is not leader]

    def until_all_follow(self) -> None:
        """Until everybody knows who leads and has all that is committed."""
        leader = self.leader()

        def all_do() -> bool:
            index = int(leader.get("/v1/agent/self")["Stats"]["raft"]["commit_index"])
            stats = [member.get("/v1/agent/self")["Stats"] for member in self.members]
            return all(
                int(one["raft"]["applied_index"]) >= index
                and one["consul"]["leader_addr"] == f"{leader.address}:8300"
                for one in stats
            )

        self.until(all_do, "all follow")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something; AssertionError with the logs if it does not come."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                if holds():
                    return
            except (OSError, http.client.HTTPException, AssertionError):
                pass
            if time.monotonic() > deadline_s:
                logs = [f"--- {one.name}\n{one.log.read_text()[-3000:]}" for one in self.members]
                raise AssertionError(f"in vain: {what}\n" + "\n".join(logs))
            time.sleep(LOOK_S)  # noqa: TID251 - other processes are waited for


@contextmanager
def loopback_cluster(
    folder: Path, hosts: Sequence[int], config: str = ""
) -> Iterator[LoopbackCluster]:
    """A cluster at work, gone behind the block."""
    cluster = LoopbackCluster(folder, hosts, config)
    try:
        cluster.start()
        cluster.until_all_follow()
        yield cluster
    finally:
        for member in cluster.members:
            member.end(signal.SIGKILL)
