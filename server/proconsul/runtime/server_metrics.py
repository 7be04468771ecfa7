"""The server's own gauges, set once a second.

Counting the catalog takes time that grows with it: so it is done seldom, and the more seldom the
longer it takes. Keys are not counted: there may be millions.
"""

import time

from proconsul import CONSUL_VERSION
from proconsul.endpoints.context import Context
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.store.schema import NODES, SERVICES, SERVICES_BY_NAME
from proconsul.telemetry import Telemetry

COUNT_EVERY_S = 10.0
COUNT_SHARE = 1 / 500  # of all time, at most, that counting may take

EVERY_COUNTER = (
    *("client.rpc", "rpc.query", "rpc.request", "rpc.request_error"),
    *("raft.apply", "raft.state.leader", "raft.state.follower", "raft.verify_leader"),
)


class ServerMetrics:
    """Sets the gauges that tell how this server is."""

    def __init__(self, telemetry: Telemetry, context: Context, driver: RaftDriver) -> None:
        self._telemetry = telemetry
        self._context = context
        self._driver = driver
        self._counted_index = -1
        self._count_next_s = 0.0
        for name in EVERY_COUNTER:
            telemetry.declare(name)

    def measure(self) -> None:
        """Called each second."""
        node = self._driver.node
        gauge = self._telemetry.gauge
        gauge("raft.applied_index", node.applied_index)
        gauge("raft.last_index", node.last_index)
        gauge("server.isLeader", 1.0 if node.is_leader else 0.0)
        gauge("rpc.queries_blocking", self._telemetry.blocking_queries)
        gauge("members.servers", len(node.configuration.servers))
        gauge("members.clients", 0)
        gauge("version", 1, (("version", CONSUL_VERSION), ("pre_release", "")))
        if node.is_leader:
            gauge("session_ttl.active", len(self._context.session_timers))
            self._judge()
        if time.monotonic() >= self._count_next_s:
            self._count()

    def _judge(self) -> None:
        health = self._context.log.server_health()
        self._telemetry.gauge("autopilot.healthy", 1.0 if health.healthy else 0.0)
        self._telemetry.gauge("autopilot.failure_tolerance", health.failure_tolerance)

    def _count(self) -> None:
        state = self._context.state.read()
        began_s = time.monotonic()
        if state.applied_index() != self._counted_index:
            self._counted_index = state.applied_index()
            by_name = state.keys(SERVICES_BY_NAME.name)
            gauge = self._telemetry.gauge
            gauge("state.nodes", sum(1 for _ in state.keys(NODES.name)))
            gauge("state.services", len({key.partition(b"\0")[0] for key in by_name}))
            gauge("state.service_instances", sum(1 for _ in state.keys(SERVICES.name)))
        ended_s = time.monotonic()
        self._count_next_s = ended_s + max(COUNT_EVERY_S, (ended_s - began_s) / COUNT_SHARE)
