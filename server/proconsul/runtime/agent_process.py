"""The running agent as the HTTP API sees it (api.process.Process)."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from proconsul.api.process import Member
from proconsul.config.schema import Config
from proconsul.errors import RpcError
from proconsul.leader.own_node import ServerMember
from proconsul.runtime import host_info, logs, self_description
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.process_metrics import ProcessMetrics
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.raft_snapshots import RaftSnapshots
from proconsul.telemetry import Telemetry

SERF_ALIVE = 1
TOKEN_KINDS = ("agent", "agent_master", "default", "replication")


class AgentProcess:
    """Members, logs, snapshots, reload and the end of this process."""

    def __init__(
        self,
        *,
        config: Config,
        node_id: str,
        member: ServerMember,
        local: LocalAgent,
        driver: RaftDriver,
        snapshots: RaftSnapshots,
        telemetry: Telemetry,
        reload: Callable[[], Awaitable[None]],
        stop: Callable[[], None],
    ) -> None:
        """`reload` reads the configuration again; `stop` begins the end of the process."""
        self.config = config  # replaced at a reload
        self.node_id = node_id
        self.local = local
        self._member = member
        self._driver = driver
        self._snapshots = snapshots
        self._telemetry = telemetry
        self._reload = reload
        self._stop = stop
        self._metrics = ProcessMetrics(telemetry)
        self.started_unix_s = time.time()
        self.tokens: dict[str, str] = {}

    def self_description(self) -> dict[str, Any]:
        """Config, DebugConfig, Coord, Member, Stats, Meta."""
        return self_description.describe(
            self.config, self.node_id, self.members(wan=False)[0], self._driver, self.local
        )

    def members(self, wan: bool) -> list[Member]:
        """This server; the gossip pool is not there yet."""
        return [self_description.own_member(self.config, self._member, wan=wan)]

    def host(self) -> dict[str, Any]:
        """Memory, CPUs, disks and the operating system."""
        return host_info.host_info(self.config.data_dir)

    async def reload(self) -> None:
        """Read the configuration again; raises ConfigError."""
        await self._reload()

    async def leave(self) -> None:
        """Leave and end: a single server has nobody to tell."""
        self._stop()

    async def join(self, address: str, wan: bool) -> int:
        """Refuse: there is no gossip pool yet to join."""
        raise RpcError(
            f"cannot join {address}: this server has no gossip pool yet; it runs as a cluster of one"
        )

    async def force_leave(self, node: str, prune: bool) -> None:
        """Refuse for a node that is no member."""
        if node != self._member.node:
            raise RpcError(f"agent: No node found with name '{node}'")

    def monitor(self, level: str, as_json: bool) -> AsyncIterator[bytes]:
        """Log lines from now on."""
        return logs.MonitorSink(level, as_json=as_json).lines()

    def set_token(self, kind: str, token: str) -> bool:
        """Keep one of the agent's tokens; False for an unknown kind."""
        if kind not in TOKEN_KINDS:
            return False
        self.tokens[kind] = token
        return True

    async def save_snapshot(self, stale: bool) -> tuple[int, AsyncIterator[bytes]]:
        """(index, archive bytes)."""
        return await self._snapshots.save()

    async def restore_snapshot(self, archive: AsyncIterator[bytes]) -> None:
        """Replace the state; raises RpcError."""
        await self._snapshots.restore(archive)

    def measure(self) -> None:
        """Set the gauges of process and raft; called each second."""
        self._metrics.measure()
        node = self._driver.node
        self._telemetry.gauge("raft.applied_index", node.applied_index)
        self._telemetry.gauge("raft.last_index", node.last_index)
        self._telemetry.gauge("server.isLeader", 1.0 if node.is_leader else 0.0)
        self._telemetry.gauge("rpc.queries_blocking", self._telemetry.blocking_queries)
