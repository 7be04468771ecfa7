"""A running client agent as the HTTP API sees it (api.process.Process)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

from proconsul.api.process import Member
from proconsul.config.schema import Config, LoadedConfig
from proconsul.errors import RpcError
from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.effects import PoolMember
from proconsul.local.server_list import ServerList
from proconsul.rpc.snapshot_stream import (
    NamedSnapshotRequest,
    NamedSnapshotResponse,
    SnapshotOp,
    SnapshotRequest,
    SnapshotResponse,
    unnamed,
)
from proconsul.runtime.agent_tokens import AgentTokens
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.own_description import Stats, described, own_stats, shown
from proconsul.runtime.own_process import OwnProcess
from proconsul.telemetry import Telemetry


class Pool(Protocol):
    """The gossip pool (runtime/lan_pool.py)."""

    def all(self) -> Sequence[PoolMember]:
        """All members, this one included."""

    def coordinate(self) -> Coordinate:
        """Where this node is."""

    def stats(self) -> dict[str, str]:
        """What `consul info` shows of the pool."""

    async def join(self, address: str) -> int:
        """How many members were reached. Raises RpcError."""

    async def force_leave(self, node: str, *, prune: bool) -> None:
        """Take a failed member for left. Raises RpcError if there is none of that name."""


class Snapshots(Protocol):
    """Snapshots of the servers (runtime/server_calls.py); both raise ProconsulError."""

    async def save_snapshot(
        self, request: SnapshotRequest
    ) -> tuple[SnapshotResponse, AsyncIterator[bytes]]:
        """The archive of the state."""

    async def restore_snapshot(
        self, request: SnapshotRequest, archive: AsyncIterator[bytes]
    ) -> NamedSnapshotResponse:
        """Replace the state by an archive's."""


class ClientProcess(OwnProcess):
    """Members, snapshots and statistics of an agent that is no server."""

    def __init__(
        self,
        *,
        loaded: LoadedConfig,
        node_id: str,
        local: LocalAgent,
        pool: Pool,
        servers: ServerList,
        snapshots: Snapshots,
        telemetry: Telemetry,
        tokens: AgentTokens,
        reload: Callable[[], Awaitable[None]],
        leave: Callable[[], None],
    ) -> None:
        """`reload` reads the configuration again; `leave` begins to leave, then ends."""
        super().__init__(
            loaded=loaded, telemetry=telemetry, tokens=tokens, reload=reload, leave=leave
        )
        self.node_id = node_id
        self.local = local
        self._pool = pool
        self._servers = servers
        self._snapshots = snapshots

    @property
    def _config(self) -> Config:
        return self.loaded.config

    def self_description(self) -> dict[str, Any]:
        """Config, DebugConfig, Coord, Member, Stats, Meta."""
        own = next(one for one in self._pool.all() if one.name == self._config.node_name)
        coordinate = None if self._config.disable_coordinates else self._pool.coordinate()
        return described(self.loaded, self.node_id, shown(own), coordinate, self._stats())

    def _stats(self) -> Stats:
        return {
            **own_stats(self.local),
            "consul": {
                "acl": "enabled" if self._config.acl.enabled else "disabled",
                "known_servers": str(len(self._servers)),
                "server": "false",
            },
            "serf_lan": self._pool.stats(),
        }

    def members(self, wan: bool) -> list[Member]:
        """The pool; a client is in no pool of all datacenters."""
        return [] if wan else [shown(one) for one in self._pool.all()]

    async def join(self, address: str, wan: bool) -> int:
        """Join the pool through an address. Raises RpcError."""
        if wan:
            raise RpcError("Must be a server to join WAN cluster")
        return await self._pool.join(address)

    async def force_leave(self, node: str, prune: bool) -> None:
        """Refuse for a node that is no member; one that is alive stays, as in Serf."""
        await self._pool.force_leave(node, prune=prune)

    async def save_snapshot(self, stale: bool, token: str = "") -> tuple[int, AsyncIterator[bytes]]:
        """(index, archive bytes): that of any server with `stale`, else the leader's."""
        request = SnapshotRequest(
            datacenter=self._config.datacenter,
            token=token or self._tokens.get("default"),
            allow_stale=stale,
            op=SnapshotOp.SAVE,
        )
        response, archive = await self._snapshots.save_snapshot(request)
        return response.index, archive

    async def restore_snapshot(
        self, archive: AsyncIterator[bytes], token: str = "", restore_uid: str = ""
    ) -> bool:
        """Replace the state of the cluster; False: it was done before. Raises ProconsulError."""
        request = NamedSnapshotRequest(
            datacenter=self._config.datacenter,
            token=token or self._tokens.get("default"),
            op=SnapshotOp.RESTORE,
            restore_uid=restore_uid,
        )
        response = await self._snapshots.restore_snapshot(unnamed(request), archive)
        return not response.already_applied
