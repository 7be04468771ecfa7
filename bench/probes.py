"""Small questions asked steadily: how long a server is deaf, how old its leader's last word is."""

import time
from typing import Self

from bench.http1 import Wire
from bench.samples import Lanes, Step, expect
from bench.servers import Cluster, Server, Side
from proconsul.runtime.agent_settings import HEARTBEAT_S

LAG_ASKED_S = 400  # questions a second
CONTACT_ASKED_S = 50
# A leader of hashicorp/raft speaks after one to two tenths of HeartbeatTimeout, which is 5 s at
# Consul's default raft_multiplier; ours at any multiplier after HEARTBEAT_S.
HEARTBEAT_MS_MAX = {Side.CONSUL: 1000.0, Side.OURS: HEARTBEAT_S * 1000}


class Lag:
    """How long an event loop (or a scheduler) keeps a small request waiting, at worst."""

    def __init__(self, address: str) -> None:
        self.worst_ms = 0.0
        self._wire = Wire(address)
        self._lanes = Lanes(LAG_ASKED_S, [self._step])

    def _step(self) -> int:
        began_s = time.perf_counter()
        answer = self._wire.ask("GET", "/v1/status/leader")
        took_ms = (time.perf_counter() - began_s) * 1000
        expect(answer.status == 200 and len(answer.body) > 4, answer, "/v1/status/leader")
        self.worst_ms = max(self.worst_ms, took_ms)
        return 1

    def __enter__(self) -> Self:
        self._step()  # opens the connection
        self.worst_ms = 0.0
        self._lanes.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._lanes.__exit__(kind)
        finally:
            self._wire.close()


class Contact:
    """How late the leader's word came to its followers, at worst: from X-Consul-LastContact.

    `late_ms` is beyond the time after which a leader of that side speaks in any case.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.oldest_ms = 0.0
        self._allowed_ms = HEARTBEAT_MS_MAX[cluster.side]
        leader = cluster.leader
        self._wires = [Wire(one.address) for one in cluster.servers if one is not leader]
        self._lanes = Lanes(CONTACT_ASKED_S, [self._step(wire) for wire in self._wires])

    @property
    def late_ms(self) -> float:
        """At worst; 0 for always in time."""
        return max(self.oldest_ms - self._allowed_ms, 0.0)

    def _step(self, wire: Wire) -> Step:
        def step() -> int:
            answer = wire.ask("GET", "/v1/kv/up?stale")
            expect(answer.status == 200, answer, "a stale read")
            self.oldest_ms = max(self.oldest_ms, float(answer.headers["x-consul-lastcontact"]))
            return 1

        return step

    def __enter__(self) -> Self:
        self._lanes.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._lanes.__exit__(kind)
        finally:
            for wire in self._wires:
                wire.close()


def term(server: Server) -> int:
    """The raft term that a server is in: it grows with each election."""
    stats = (server.ask("GET", "/v1/agent/self").json() or {}).get("Stats", {})
    return int(stats.get("raft", {}).get("term", 0))
