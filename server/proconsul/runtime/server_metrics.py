"""The server's own gauges, set once a second.

Names are Consul's where it has one, of whatever version; others begin with `proconsul.`. What only
a leader knows is shown by nobody else. Counting the catalog takes time that grows with it: so it is
done seldom, and the more seldom the longer it takes. Keys are not counted: there may be millions.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from proconsul import CONSUL_VERSION
from proconsul.endpoints.context import Context
from proconsul.leader.pool import LanMember, Status
from proconsul.raft.effects import Role
from proconsul.raft.messages import Suffrage
from proconsul.runtime.clock import lasting_s
from proconsul.runtime.own_server import OwnServer
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.raft_snapshots import RaftSnapshots
from proconsul.store.schema import NODES, SERVICES, SERVICES_BY_NAME
from proconsul.telemetry import Telemetry

COUNT_EVERY_S = 10.0
COUNT_SHARE = 1 / 500  # of all time, at most, that counting may take
DISK_EVERY_S = 10.0

EVERY_COUNTER = (
    *("client.rpc", "rpc.query", "rpc.request", "rpc.request_error"),
    *("raft.apply", "raft.state.candidate", "raft.state.leader", "raft.state.follower"),
    "raft.verify_leader",
)
LEADER_GAUGES = ("autopilot.healthy", "autopilot.failure_tolerance", "session_ttl.active")
COUNTED_ROLES = (Role.CANDIDATE, Role.FOLLOWER, Role.LEADER)  # a pre-vote is no candidacy


class ServerMetrics:
    """Sets the gauges that tell how this server is."""

    def __init__(
        self,
        *,
        telemetry: Telemetry,
        context: Context,
        driver: RaftDriver,
        own: OwnServer,
        snapshots: RaftSnapshots,
        agents: Callable[[], Sequence[LanMember]],
    ) -> None:
        """`agents` are all of this datacenter."""
        self._telemetry = telemetry
        self._context = context
        self._driver = driver
        self._own = own
        self._snapshots = snapshots
        self._agents = agents
        self._commit_times = telemetry.sampler("raft.commitTime")
        self._counted_index = -1
        self._count_next_s = 0.0
        self.certificate_end_unix_s: float | None = None  # of the one that is in use
        for name in EVERY_COUNTER:
            telemetry.declare(name)

    def written(self, took_ms: list[float]) -> None:
        """Commands of this server's log are applied, and took so long."""
        self._telemetry.count("raft.apply", times=len(took_ms))
        # Consul's end at the commit; ours, which applies at once, when they are applied.
        self._commit_times.add_all(took_ms)

    def measure(self) -> None:
        """Called each second."""
        node = self._driver.node
        gauge = self._telemetry.gauge
        gauge("server.isLeader", 1.0 if node.is_leader else 0.0)
        gauge("rpc.queries_blocking", self._telemetry.blocking_queries)
        gauge("version", 1, (("version", CONSUL_VERSION), ("pre_release", "")))
        self._measure_raft()
        self._measure_pool()
        if node.is_leader:
            gauge("session_ttl.active", len(self._context.session_timers))
            self._judge()
        else:
            for name in LEADER_GAUGES:
                self._telemetry.drop_gauge(name)
        if self.certificate_end_unix_s is not None:
            gauge("agent.tls.cert.expiry", self.certificate_end_unix_s - time.time())
        if self._snapshots.saved_unix_s is not None:
            gauge("proconsul.snapshot.saved_timestamp_seconds", self._snapshots.saved_unix_s)
        if time.monotonic() >= self._count_next_s:
            self._count()

    def _measure_raft(self) -> None:
        node, health = self._driver.node, self._own.health()
        servers = node.configuration.servers
        voters = [server for server in servers if server.suffrage is Suffrage.VOTER]
        gauge, sample = self._telemetry.gauge, self._telemetry.sample
        gauge("raft.applied_index", node.applied_index)
        gauge("raft.last_index", node.last_index)
        gauge("raft.peers", len(servers))
        gauge("proconsul.raft.voters", len(voters))
        gauge("proconsul.raft.term", node.term)
        gauge("proconsul.raft.lag_entries", health.lag_entries)
        gauge("proconsul.raft.snapshot_index", node.snapshot.index)
        gauge("proconsul.ready", 1.0 if self._own.probe("readyz").ok else 0.0)
        gauge("proconsul.disk.busy_seconds", health.disk_busy_s)
        if health.contact_age_s is not None:
            gauge("proconsul.raft.contact_seconds", health.contact_age_s)
        stored = "raft.leader.dispatchLog" if node.is_leader else "raft.rpc.appendEntries.storeLogs"
        for took_s in self._driver.writer.appends_s():
            sample(stored, took_s * 1000)
        age_s = self._driver.lease.age_s(lasting_s()) if node.is_leader else None
        if age_s is not None:
            sample("raft.leader.lastContact", age_s * 1000)

    def _measure_pool(self) -> None:
        alive = [one for one in self._agents() if one.status is Status.ALIVE]
        servers = sum(1 for one in alive if one.server is not None)
        self._telemetry.gauge("members.servers", servers)
        self._telemetry.gauge("members.clients", len(alive) - servers)

    def entered(self, role: Role) -> None:
        """Count a change of raft's role."""
        if role in COUNTED_ROLES:
            self._telemetry.count(f"raft.state.{role.value}")

    async def watch_disk(self, path: str) -> None:
        """How much room there is, until cancelled; in a thread, as a disk may not answer."""
        while True:
            space = await asyncio.to_thread(os.statvfs, path)
            gauge = self._telemetry.gauge
            gauge("proconsul.disk.free_bytes", space.f_bavail * space.f_frsize)
            gauge("proconsul.disk.size_bytes", space.f_blocks * space.f_frsize)
            await asyncio.sleep(DISK_EVERY_S)

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
