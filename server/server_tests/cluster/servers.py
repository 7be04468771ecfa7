"""A cluster of real server processes, ours or real Consul, that can be killed, frozen and cut."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from server_tests.cluster.network import Network, Place
from server_tests.process import die_with_the_tests

PORT = 8500
PATIENCE_S = 60.0
LOOK_S = 0.05

OURS = (sys.executable, "-m", "proconsul")


def real_consul() -> tuple[str, ...]:
    """The program that CONSUL_REAL names."""
    program = os.environ.get("CONSUL_REAL")
    if not program:
        sys.exit("CONSUL_REAL names no Consul: set it to the path of a Consul 1.8 binary")
    return (program,)


class Server:
    """One process, its data, and its place in the network."""

    def __init__(self, number: int, place: Place, folder: Path, command: Sequence[str]) -> None:
        self.name = f"s{number}"
        self.place = place
        self.data = folder / self.name
        self.log = folder / f"{self.name}.log"
        self.is_cut = False
        self._command = command  # with all flags
        self._process: subprocess.Popen[bytes] | None = None
        self._is_paused = False
        self._cut_from: list[Server] = []

    @property
    def is_up(self) -> bool:
        """Whether it runs, is not frozen and not cut off."""
        return self._process is not None and not self._is_paused and not self.is_cut

    def start(self) -> None:
        """Start it, if it does not run."""
        if self._process is None:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [*self.place.prefix, *self._command],
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
                )

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, to its end."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self.resume()
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: its sockets stay open, and fill."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            self._is_paused = True

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None and self._is_paused:
            self._process.send_signal(signal.SIGCONT)
        self._is_paused = False

    def cut(self) -> None:
        """Cut it off from the other servers; clients still reach it."""
        self.place.cut()
        self.is_cut = True

    def cut_from(self, other: "Server") -> None:
        """Cut the link to one other server; `heal` of this one joins it again."""
        if other not in self._cut_from:
            self.place.cut_from(other.place)
            self._cut_from.append(other)

    def heal(self) -> None:
        """Run as if nothing had been: started, awake, connected."""
        self.start()
        self.resume()
        if self.is_cut:
            self.place.heal()
            self.is_cut = False
        while self._cut_from:
            self.place.heal_from(self._cut_from.pop().place)

    def wipe(self) -> None:
        """Lose its disk; it must not run."""
        assert self._process is None, "it runs"
        shutil.rmtree(self.data, ignore_errors=True)

    def request(
        self, method: str, path: str, body: bytes = b"", timeout_s: float = 5.0
    ) -> tuple[int, bytes]:
        """(status, body), on a connection of its own. Raises OSError, HTTPException."""
        connection = http.client.HTTPConnection(self.place.client_address, PORT, timeout=timeout_s)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def leader_address(self) -> str:
        """Whom it takes for the leader, "" for nobody; "" too if it does not answer."""
        try:
            status, body = self.request("GET", "/v1/status/leader", timeout_s=1.0)
            return str(json.loads(body)).partition(":")[0] if status == 200 else ""
        except (OSError, http.client.HTTPException, ValueError):
            return ""


class Cluster:
    """Servers that found a cluster together."""

    def __init__(
        self, size: int, folder: Path, program: Sequence[str], multiplier: int = 1
    ) -> None:
        """`program` is what stands in front of `agent -server`."""
        network = Network()
        places = [network.place(number) for number in range(1, size + 1)]
        joins = [f"-retry-join={place.address}" for place in places]
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "cluster.hcl"
        config.write_text(
            f"performance {{ raft_multiplier = {multiplier} }}\n"
            "limits { http_max_conns_per_client = 1000 }\n"
            "autopilot { cleanup_dead_servers = false }\n"
        )
        self.servers = [
            Server(
                number,
                place,
                folder,
                [
                    *program,
                    *("agent", "-server", f"-node=s{number}", f"-bootstrap-expect={size}"),
                    *(f"-data-dir={folder / f's{number}'}", f"-config-file={config}"),
                    *(f"-bind={place.address}", "-client=0.0.0.0", *joins),
                ],
            )
            for number, place in enumerate(places, 1)
        ]

    def start(self) -> None:
        """Start all, and wait until they work."""
        for server in self.servers:
            server.start()
        self.wait_until_healthy()

    def heal(self) -> None:
        """End all faults, and wait until they work."""
        for server in self.servers:
            server.heal()
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """Until each takes a write and has heard of the same leader. AssertionError if never."""
        self.until(self._is_healthy, "a healthy cluster")

    def _is_healthy(self) -> bool:
        if len({server.leader_address() for server in self.servers} - {""}) != 1:
            return False
        try:
            return all(
                server.request("PUT", f"/v1/kv/healthy/{server.name}", b"1") == (200, b"true")
                for server in self.servers
            )
        except (OSError, http.client.HTTPException):
            return False

    def leader(self) -> Server:
        """The server that a majority takes for the leader. AssertionError if there is none."""
        found: list[Server] = []

        def is_there() -> bool:
            said = [server.leader_address() for server in self.servers if server.is_up]
            found[:] = [
                server
                for server in self.servers
                if said.count(server.place.address) > len(self.servers) // 2
            ]
            return bool(found)

        self.until(is_there, "a leader")
        return found[0]

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > deadline_s:
                logs = "\n".join(
                    f"--- {server.name}\n{server.log.read_text()[-3000:]}"
                    for server in self.servers
                )
                raise AssertionError(f"in vain: {what}\n{logs}")
            time.sleep(LOOK_S)  # noqa: TID251 - other processes are waited for

    def close(self) -> None:
        """Kill all."""
        for server in self.servers:
            server.kill()
            server.place.close()
