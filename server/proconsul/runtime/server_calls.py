"""A client agent's calls: all go to a server, the first on the list, until that one fails.

A call is made again if it cannot have been done ("No cluster leader") or only reads; for
`rpc_hold_timeout` at the most. One that did not even leave goes to the next server at once, to each
once: Consul's client gives up there, and its user must ask again. What a server refuses comes back
in its words. Source: agent/consul/client.go.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto
from typing import Any, Protocol

from proconsul.endpoints.forward import reply_type_of
from proconsul.endpoints.methods import Method, Methods
from proconsul.errors import ProconsulError, RpcError
from proconsul.local.pacing import share
from proconsul.local.server_list import Server, ServerList
from proconsul.local.token_bucket import TokenBucket
from proconsul.model.query import QueryOptions
from proconsul.rpc.snapshot_stream import (
    NamedSnapshotResponse,
    SnapshotRequest,
    SnapshotResponse,
)
from proconsul.runtime.logs import logger
from proconsul.runtime.rpc_client import ClientLimits, RemoteError, RpcClient, RpcTransportError
from proconsul.telemetry import Telemetry

LIMITS = ClientLimits(idle_s=127.0)  # a little longer than servers keep a connection (2 min)
JITTER_FRACTION = 16  # of the hold, between two attempts: up to one such part
PING_S = 10.0
DOING = frozenset({"Internal.EventFire"})
"""What has the form of a read and is none: made twice, an event would be told twice."""
REFUSED = {"Internal.KeyringOperation": "keyring operations must run against a server node"}
"""What a client does not pass on, and what Consul's says then."""
LOST_STREAM = ("stream closed", "session shutdown")  # yamux' words, of a server's own calls
LOST_ENDING = ": EOF"

log = logger("client")
router_log = logger("router.manager")


class NoServersError(ProconsulError):
    """No server is known: the pool was not joined, or all servers in it have failed."""

    retry = True

    def __init__(self) -> None:
        super().__init__("No known Consul servers")


class RateLimitedError(ProconsulError):
    """This agent's own `limits.rpc_rate`: the call was not made."""

    retry = True

    def __init__(self) -> None:
        super().__init__("RPC rate limit exceeded")


class World(Protocol):
    """Time and chance."""

    def now_s(self) -> float:
        """Monotonic seconds."""

    def die(self, sides: int) -> int:
        """A number from 0 to `sides` - 1, by chance."""


class Verdict(Enum):
    """What to do about a call that failed."""

    PAUSE = auto()  # make it again a little later
    NEXT = auto()  # nobody heard of it: make it at another server
    GIVE_UP = auto()


def verdict_on(failure: RpcError, *, is_read: bool) -> Verdict:
    """Whether the same call may be made again."""
    text = str(failure)
    if "No cluster leader" in text:
        return Verdict.PAUSE
    if isinstance(failure, RpcTransportError):
        if not failure.sent:
            return Verdict.NEXT
        return Verdict.PAUSE if is_read else Verdict.GIVE_UP
    lost = text.endswith(LOST_ENDING) or any(words in text for words in LOST_STREAM)
    return Verdict.PAUSE if lost and is_read else Verdict.GIVE_UP


def count_own_call(limit: TokenBucket, now_s: float, telemetry: Telemetry) -> None:
    """Of an agent itself, against `limits.rpc_rate`. Raises RateLimitedError beyond it."""
    telemetry.count("client.rpc")
    if not limit.take(now_s):
        telemetry.count("client.rpc.exceeded")
        raise RateLimitedError


class ServerCalls:
    """Calls servers; `servers` is kept by whoever hears gossip."""

    def __init__(
        self,
        *,
        servers: ServerList,
        client: RpcClient,
        methods: Methods,
        world: World,
        hold_s: float,
        telemetry: Telemetry,
        limit: TokenBucket,
    ) -> None:
        self.limit = limit  # replaced at a reload
        self._servers = servers
        self._client = client
        self._methods = methods
        self._world = world
        self._hold_s = hold_s
        self._telemetry = telemetry
        self._reply_types: dict[str, Any] = {}

    async def call(self, name: str, request: Any) -> Any:
        """The reply of a server.

        Raises NoServersError, RateLimitedError, RemoteError, RpcTransportError, RpcError.
        """
        if name in REFUSED:
            raise RpcError(REFUSED[name])
        method = self._methods.find(name)
        is_read = method.read or (isinstance(request, QueryOptions) and name not in DOING)
        until_s = self._world.now_s() + self._hold_s
        tried: set[str] = set()
        while True:
            server = self._next_server()
            tried.add(server.name)
            try:
                return await self._client.call(
                    server.address, name, request, self._reply_type(name, method)
                )
            except RpcError as failure:
                self._failed(server, name, failure)
                verdict = verdict_on(failure, is_read=is_read)
                if not self._goes_on(verdict, tried, until_s):
                    raise
            if verdict is Verdict.PAUSE:
                tried.clear()
                await self._pause()

    def _next_server(self) -> Server:
        """Of an attempt, which counts. Raises NoServersError, RateLimitedError."""
        server = self._servers.first()
        if server is None:
            router_log.warning("No servers available")
            raise NoServersError
        count_own_call(self.limit, self._world.now_s(), self._telemetry)
        return server

    def _failed(self, server: Server, what: str, failure: Exception) -> None:
        log.error(
            'RPC failed to server: method=%s server=%s error="%s"', what, server.address, failure
        )
        self._telemetry.count("client.rpc.failed", labels=(("server", server.name),))
        self._servers.failed(server)

    def _goes_on(self, verdict: Verdict, tried: set[str], until_s: float) -> bool:
        match verdict:
            case Verdict.PAUSE:
                return self._world.now_s() < until_s
            case Verdict.NEXT:
                following = self._servers.first()
                return following is not None and following.name not in tried
            case Verdict.GIVE_UP:
                return False

    async def _pause(self) -> None:
        await asyncio.sleep(share(self._world.die) * self._hold_s / JITTER_FRACTION)

    def _reply_type(self, name: str, method: Method) -> Any:
        if name not in self._reply_types:
            self._reply_types[name] = reply_type_of(method)
        return self._reply_types[name]

    # ------------------------------------------------------------ snapshots

    async def save_snapshot(
        self, request: SnapshotRequest
    ) -> tuple[SnapshotResponse, AsyncIterator[bytes]]:
        """The archive of a server's state, or of the leader's. Raises ProconsulError."""
        server = self._next_server()
        try:
            return await self._client.save_snapshot(server.address, request)
        except RpcError as failure:
            self._failed(server, "Snapshot.Save", failure)
            raise _plain(failure) from failure

    async def restore_snapshot(
        self, request: SnapshotRequest, archive: AsyncIterator[bytes]
    ) -> NamedSnapshotResponse:
        """Replace the state of the cluster. Raises ProconsulError."""
        server = self._next_server()
        try:
            return await self._client.restore_snapshot(server.address, request, archive)
        except RpcError as failure:
            self._failed(server, "Snapshot.Restore", failure)
            raise _plain(failure) from failure

    # ------------------------------------------------------------ rebalancing

    async def rebalance(self) -> None:
        """Call another server from now on, by chance, if one of them answers."""
        order = self._servers.shuffled(self._world.die)
        for at, server in enumerate(order):
            if not await self._answers(server):
                continue
            # Who did not answer goes behind the others.
            if self._servers.settle((*order[at:], *order[:at])):
                router_log.debug(
                    "Rebalanced servers, new active server: number_of_servers=%d active_server=%s",
                    len(self._servers),
                    server.name,
                )
            return
        if order:
            router_log.debug("No healthy servers during rebalance, aborting")

    async def _answers(self, server: Server) -> bool:
        try:
            async with asyncio.timeout(PING_S):
                await self._client.call(server.address, "Status.Ping", None, None)
        except (RpcError, TimeoutError) as failure:
            router_log.debug(
                'pinging server failed: server=%s error="%s"',
                server.name,
                str(failure) or "i/o timeout",
            )
            return False
        return True

    async def rebalance_for_ever(self, members: Callable[[], int]) -> None:
        """`rebalance` from time to time; `members` tells how many there are in the pool."""
        while True:
            await asyncio.sleep(self._servers.reuse_s(members(), self._world.die))
            await self.rebalance()


def _plain(failure: RpcError) -> RpcError:
    """A snapshot is no RPC: what a server says of it stands alone."""
    return RpcError(failure.text) if isinstance(failure, RemoteError) else failure
