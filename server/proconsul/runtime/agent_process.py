"""The running agent as the HTTP API sees it (api.process.Process)."""

import asyncio
import platform
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from proconsul.api.process import Figure, Member, MetricsSettings
from proconsul.config.schema import LoadedConfig
from proconsul.config.schema import Telemetry as TelemetryConfig
from proconsul.endpoints.context import Context
from proconsul.leader.pool import PoolMember
from proconsul.rpc.snapshot_stream import SnapshotOp, SnapshotRequest
from proconsul.runtime import host_info, logs, self_description
from proconsul.runtime.agent_tokens import KINDS, AgentTokens
from proconsul.runtime.joining import Gate, join
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.process_metrics import ProcessMetrics
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.rpc_snapshots import SnapshotHandler
from proconsul.runtime.server_metrics import ServerMetrics
from proconsul.telemetry import Telemetry


class Company(Protocol):
    """The servers of the datacenter (runtime/server_pool.py)."""

    def members(self) -> list[PoolMember]:
        """All that are known, this server among them."""

    async def join(self, address: str) -> int:
        """How many servers were reached. Raises RpcError."""

    async def force_leave(self, node: str, *, prune: bool) -> None:
        """Take a failed one for left. Raises RpcError if there is none of that name."""


class AgentProcess:
    """Members, logs, snapshots, reload and the end of this process."""

    def __init__(
        self,
        *,
        loaded: LoadedConfig,
        node_id: str,
        local: LocalAgent,
        driver: RaftDriver,
        snapshots: SnapshotHandler,
        telemetry: Telemetry,
        context: Context,
        tokens: AgentTokens,
        reload: Callable[[], Awaitable[None]],
        leave: Callable[[], None],
        company: Company,
    ) -> None:
        """`reload` reads the configuration again; `leave` begins to leave, then ends."""
        self.loaded = loaded  # replaced at a reload
        self.node_id = node_id
        self.local = local
        self._company = company
        self._driver = driver
        self._snapshots = snapshots
        self._tokens = tokens
        self._reload = reload
        self._leave = leave
        self._metrics = ProcessMetrics(telemetry)
        self._server_metrics = ServerMetrics(telemetry, context, driver)
        self.started_unix_s = time.time()

    @property
    def _datacenter(self) -> str:
        return self.loaded.config.datacenter

    def start(self) -> None:
        """Begin to measure the pauses of the collector."""
        self._metrics.start()

    def stop(self) -> None:
        """Measure no more."""
        self._metrics.stop()

    def self_description(self) -> dict[str, Any]:
        """Config, DebugConfig, Coord, Member, Stats, Meta."""
        members = self._company.members()
        own = next(each for each in members if each.server.node_id == self.node_id)
        return self_description.describe(
            self.loaded,
            self.node_id,
            self_description.member_of(self.loaded.config, own, wan=False),
            self._driver,
            self.local,
            members,
        )

    def members(self, wan: bool) -> list[Member]:
        """The servers of this datacenter: those of others are not met yet."""
        config = self.loaded.config
        return [
            self_description.member_of(config, each, wan=wan) for each in self._company.members()
        ]

    def host(self) -> dict[str, Any]:
        """Memory, CPUs, disks and the operating system."""
        return host_info.host_info()

    def metrics(self) -> MetricsSettings:
        """What `telemetry` in the configuration says.

        Gauges carry the host only where there is another sink than the agent's memory.
        """
        telemetry = self.loaded.config.telemetry
        prometheus = telemetry.prometheus_retention_time_s > 0
        others = (telemetry.statsd_address, telemetry.statsite_address, telemetry.dogstatsd_addr)
        with_host = (prometheus or any(others)) and not telemetry.disable_hostname
        return MetricsSettings(
            prefix=telemetry.metrics_prefix,
            host=platform.node() if with_host else "",
            prometheus=prometheus,
            is_shown=_filter(telemetry),
        )

    def figures(self) -> list[Figure]:
        """Measurements of the process, taken now."""
        return self._metrics.figures(self.started_unix_s)

    async def reload(self) -> None:
        """Read the configuration again; raises ConfigError."""
        await self._reload()

    async def leave(self) -> None:
        """Leave the cluster, and end."""
        self._leave()

    async def join(self, address: str, wan: bool) -> int:
        """Join the pool through an address. Raises RpcError."""
        if not wan:
            return await self._company.join(address)
        config = self.loaded.config
        return await join(
            address, Gate(config.ports.serf_wan, frozenset({config.cluster.advertise_addr_wan}))
        )

    async def force_leave(self, node: str, prune: bool) -> None:
        """Refuse for a node that is no member; one that is alive stays, as in Serf."""
        suffix = f".{self.loaded.config.datacenter}"  # its name in the WAN pool
        names = {each.server.node for each in self._company.members()}
        await self._company.force_leave(
            node if node in names else node.removesuffix(suffix), prune=prune
        )

    def monitor(self, level: str, as_json: bool) -> AsyncIterator[bytes]:
        """Log lines from now on."""
        return logs.MonitorSink(level, as_json=as_json).lines()

    async def set_token(self, kind: str, token: str) -> bool:
        """Use another token of the agent; False for an unknown kind."""
        if kind not in KINDS:
            return False
        await asyncio.to_thread(self._tokens.set, kind, token)
        return True

    async def save_snapshot(self, stale: bool) -> tuple[int, AsyncIterator[bytes]]:
        """(index, archive bytes): this server's with `stale`, else the leader's."""
        request = SnapshotRequest(
            datacenter=self._datacenter, allow_stale=stale, op=SnapshotOp.SAVE
        )
        response, archive = await self._snapshots.save(request)
        return response.index, archive

    async def restore_snapshot(self, archive: AsyncIterator[bytes]) -> None:
        """Replace the state of the cluster; raises ProconsulError."""
        request = SnapshotRequest(datacenter=self._datacenter, op=SnapshotOp.RESTORE)
        await self._snapshots.restore(request, archive)

    def measure(self) -> None:
        """Set the gauges; called each second."""
        self._metrics.measure()
        self._server_metrics.measure()


def _filter(telemetry: TelemetryConfig) -> Callable[[str], bool]:
    """The longest rule that a name begins with decides, as in go-metrics."""
    rules = dict.fromkeys(telemetry.blocked_prefixes, False)
    rules |= dict.fromkeys(telemetry.allowed_prefixes, True)
    prefixes = sorted(rules, key=len, reverse=True)

    def is_shown(name: str) -> bool:
        for prefix in prefixes:
            if name.startswith(prefix):
                return rules[prefix]
        return telemetry.filter_default

    return is_shown
