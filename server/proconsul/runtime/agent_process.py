"""A running server as the HTTP API sees it (api.process.Process)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from proconsul.api.process import Member
from proconsul.config.schema import LoadedConfig
from proconsul.rpc.snapshot_stream import (
    NamedSnapshotRequest,
    SnapshotOp,
    SnapshotRequest,
    unnamed,
)
from proconsul.runtime.agent_tokens import AgentTokens
from proconsul.runtime.joining import complaint_of_dial, join
from proconsul.runtime.lan_pool import LanPool
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.own_description import described, shown
from proconsul.runtime.own_process import OwnProcess
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.rpc_snapshots import SnapshotHandler
from proconsul.runtime.self_description import server_stats, shown_in_wan
from proconsul.runtime.server_metrics import ServerMetrics
from proconsul.telemetry import Telemetry

NO_WAN = "servers of other datacenters cannot be joined yet"


class AgentProcess(OwnProcess):
    """Members, snapshots and statistics of a server."""

    def __init__(
        self,
        *,
        loaded: LoadedConfig,
        node_id: str,
        local: LocalAgent,
        driver: RaftDriver,
        snapshots: SnapshotHandler,
        telemetry: Telemetry,
        tokens: AgentTokens,
        reload: Callable[[], Awaitable[None]],
        leave: Callable[[], None],
        lan: LanPool,
        metrics: ServerMetrics,
    ) -> None:
        """`reload` reads the configuration again; `leave` begins to leave, then ends."""
        super().__init__(
            loaded=loaded, telemetry=telemetry, tokens=tokens, reload=reload, leave=leave
        )
        self.node_id = node_id
        self.local = local
        self._lan = lan
        self._driver = driver
        self._snapshots = snapshots
        self._server_metrics = metrics

    @property
    def _datacenter(self) -> str:
        return self.loaded.config.datacenter

    def self_description(self) -> dict[str, Any]:
        """Config, DebugConfig, Coord, Member, Stats, Meta."""
        config = self.loaded.config
        own = next(one for one in self._lan.all() if one.name == self._name)
        return described(
            self.loaded,
            self.node_id,
            shown(own),
            None if config.disable_coordinates else self._lan.coordinate(),
            server_stats(config, self._driver, self.local, self._lan),
        )

    @property
    def _name(self) -> str:
        return self.loaded.config.node_name

    def members(self, wan: bool) -> list[Member]:
        """The pool; for `wan` the servers of this datacenter: those of others are not met yet."""
        config, found = self.loaded.config, self._lan.all()
        if not wan:
            return [shown(one) for one in found]
        servers = {one.server.node for one in self._lan.servers()}
        return [
            shown_in_wan(config, one, is_own=one.name == self._name)
            for one in found
            if one.name in servers
        ]

    async def join(self, address: str, wan: bool) -> int:
        """Join the pool through an address. Raises RpcError."""
        if not wan:
            return await self._lan.join(address)
        return await join(address, self.loaded.config.ports.serf_wan, self._join_wan)

    async def _join_wan(self, host: str, port: int) -> str:
        """There is no pool of all datacenters: only this server itself is in it."""
        config = self.loaded.config
        if (host, port) == (config.cluster.advertise_addr_wan, config.ports.serf_wan):
            return ""
        why = await complaint_of_dial(host, port)
        return f"Failed to join {host}: {why or NO_WAN}"

    async def force_leave(self, node: str, prune: bool) -> None:
        """Refuse for a node that is no member; one that is alive stays, as in Serf."""
        suffix = f".{self.loaded.config.datacenter}"  # its name in the WAN pool
        names = {one.name for one in self._lan.all()}
        await self._lan.force_leave(
            node if node in names else node.removesuffix(suffix), prune=prune
        )

    async def save_snapshot(self, stale: bool, token: str) -> tuple[int, AsyncIterator[bytes]]:
        """(index, archive bytes): this server's with `stale`, else the leader's."""
        request = SnapshotRequest(
            datacenter=self._datacenter, token=token, allow_stale=stale, op=SnapshotOp.SAVE
        )
        response, archive = await self._snapshots.save(request)
        return response.index, archive

    async def restore_snapshot(
        self, archive: AsyncIterator[bytes], token: str, restore_uid: str = ""
    ) -> bool:
        """Replace the state of the cluster; False: it was done before. Raises ProconsulError."""
        request = NamedSnapshotRequest(
            datacenter=self._datacenter,
            token=token,
            op=SnapshotOp.RESTORE,
            restore_uid=restore_uid,
        )
        response = await self._snapshots.restore(unnamed(request), archive)
        return not response.already_applied

    def measure(self) -> None:
        """Set the gauges; called each second."""
        super().measure()
        self._server_metrics.measure()
