"""How long writes stand still when the leader is killed, frozen, or cut off.

    python -m server_tests.cluster.failover --rounds 20 --multiplier 1

Three servers on this machine, each in a network of its own. Clients write through the two that
are left, without pause; a round's figure is the time from the fault to the answer of the first
write that was begun after it. Between rounds all is healed.
"""

import argparse
import http.client
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from server_tests.cluster.network import enter_isolation
from server_tests.cluster.servers import OURS, Cluster, Server, real_consul

CLIENTS_EACH = 4  # connections to each server that is left
TIMEOUT_S = 0.25  # what hangs at the old leader is asked for again
PAUSE_S = 0.01
REST_S = 1.0  # between healing and the next fault

FAULTS: dict[str, Callable[[Server], None]] = {
    "kill": Server.kill,
    "pause": Server.pause,
    "cut": Server.cut,
}


class Writers:
    """Clients that write through some servers until one write is acknowledged."""

    def __init__(self, servers: list[Server], since_s: float) -> None:
        self._since_s = since_s
        self._done = threading.Event()
        self._first_s = 0.0
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._write, args=(server, f"failover/{server.name}/{number}"))
            for server in servers
            for number in range(CLIENTS_EACH)
        ]

    def first_s(self) -> float:
        """Seconds from the fault to the first acknowledgement."""
        for thread in self._threads:
            thread.start()
        self._done.wait()
        for thread in self._threads:
            thread.join()
        return self._first_s - self._since_s

    def _write(self, server: Server, key: str) -> None:
        while not self._done.is_set():
            try:
                answer = server.request("PUT", f"/v1/kv/{key}", b"1", TIMEOUT_S)
            except (OSError, http.client.HTTPException):
                answer = (0, b"")
            now_s = time.monotonic()
            if answer[0] == 200 and answer[1].strip() == b"true":
                with self._lock:
                    if not self._done.is_set():
                        self._first_s = now_s
                        self._done.set()
            self._done.wait(PAUSE_S)


def measure(cluster: Cluster, fault: str, rounds: int) -> list[float]:
    """The figure of each round, in seconds."""
    figures = []
    for number in range(rounds):
        cluster.heal()
        time.sleep(REST_S)  # noqa: TID251 - a command, and what it measures begins after a rest
        leader = cluster.leader()
        others = [server for server in cluster.servers if server is not leader]
        since_s = time.monotonic()
        FAULTS[fault](leader)
        figures.append(Writers(others, since_s).first_s())
        sys.stdout.write(f"{fault} {number + 1}/{rounds}: {figures[-1]:.3f} s\n")
        sys.stdout.flush()
    cluster.heal()
    return figures


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--multiplier", type=int, default=1, help="performance.raft_multiplier")
    parser.add_argument("--faults", default="kill,pause,cut")
    parser.add_argument("--real", action="store_true", help="measure the Consul of CONSUL_REAL")
    asked = parser.parse_args()
    enter_isolation("server_tests.cluster.failover")
    program = real_consul() if asked.real else OURS
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(3, Path(folder), program, asked.multiplier)
        try:
            cluster.start()
            figures = {
                fault: measure(cluster, fault, asked.rounds) for fault in asked.faults.split(",")
            }
        finally:
            cluster.close()
    sys.stdout.write(f"raft_multiplier {asked.multiplier}, {asked.rounds} rounds each\n")
    for fault, found in figures.items():
        median_s = statistics.median(found)
        told = f"median {median_s:.2f} s  worst {max(found):.2f} s  best {min(found):.2f} s"
        sys.stdout.write(f"{fault:6} {told}\n")


if __name__ == "__main__":
    main()
