"""How long writes stand still when the leader is killed, frozen, or cut off.

    python -m server_tests.cluster.failover --rounds 20 --multiplier 1

Three servers on this machine, each in a network of its own. Clients write through the two that
are left, before the fault and after it; a round's figure is the time from the fault to the answer
of the first write that was begun after it. What hangs at the old leader is given up after
TIMEOUT_S, and the clients are out of step, so that some write begins every 20 ms even then: that
is how fine the figures are. Between rounds all is healed.
"""

import argparse
import http.client
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from server_tests.cluster.network import enter_isolation
from server_tests.cluster.servers import OURS, PATIENCE_S, Cluster, Server, real_consul

CLIENTS_EACH = 8  # of each server that is left
TIMEOUT_S = 0.25  # what hangs at the old leader is asked for again
PAUSE_S = 0.1  # of each client on average, so 6 ms or so between two writes
BEFORE_S = 0.5  # of writing before the fault
REST_S = 1.0  # between healing and the next fault

FAULTS: dict[str, Callable[[Server], None]] = {
    "kill": Server.kill,
    "pause": Server.pause,
    "cut": Server.cut,
}


class Writers:
    """Clients that write through some servers, until a write of after the fault is acknowledged."""

    def __init__(self, servers: list[Server]) -> None:
        self._fault_s = float("inf")  # when it was begun
        self._done = threading.Event()
        self._first_s = float("inf")
        self._lock = threading.Lock()
        self._die = random.Random(0)
        self._threads = [
            threading.Thread(target=self._write, args=(server, f"failover/{server.name}/{number}"))
            for server in servers
            for number in range(CLIENTS_EACH)
        ]

    def start(self) -> None:
        """Begin to write."""
        for thread in self._threads:
            thread.start()

    def stand_still_s(self, fault: Callable[[], None]) -> float:
        """Let it happen: seconds from there to the first acknowledgement."""
        began_s = time.monotonic()
        fault()
        self._fault_s = time.monotonic()  # a write of before may yet have met the old leader
        if not self._done.wait(PATIENCE_S):
            raise AssertionError(f"no write is acknowledged any more, for {PATIENCE_S:.0f} s")
        for thread in self._threads:
            thread.join()
        return self._first_s - began_s

    def stop(self) -> None:
        """End, whatever came of it."""
        self._done.set()

    def _write(self, server: Server, key: str) -> None:
        while not self._done.wait(self._die.uniform(0, 2 * PAUSE_S)):
            begin_s = time.monotonic()
            try:
                answer = server.request("PUT", f"/v1/kv/{key}", b"1", TIMEOUT_S)
            except (OSError, http.client.HTTPException):
                continue
            now_s = time.monotonic()
            if answer == (200, b"true") and begin_s >= self._fault_s:
                with self._lock:
                    self._first_s = min(self._first_s, now_s)
                self._done.set()


def measure(cluster: Cluster, fault: str, rounds: int) -> list[float]:
    """The figure of each round, in seconds."""
    figures = []
    for number in range(rounds):
        cluster.heal()
        time.sleep(REST_S)  # noqa: TID251 - a command, and what it measures begins after a rest
        leader = cluster.leader()
        others = [server for server in cluster.servers if server is not leader]
        writers = Writers(others)
        writers.start()
        try:
            time.sleep(BEFORE_S)  # noqa: TID251 - a command
            figures.append(writers.stand_still_s(partial(FAULTS[fault], leader)))
        finally:
            writers.stop()
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
