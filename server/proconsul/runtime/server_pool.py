"""The servers of the datacenter, as gossip tells of them; and what gossip does not tell.

It is the pool for who leads (`members`), raft's look-up (`addresses`), and what the RPC methods
`Proconsul.*` call. As long as this server may have to found a cluster it joins all join addresses
again and again, and asks all servers that it sees whether they have one.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Protocol

from proconsul.errors import RpcError
from proconsul.leader.bootstrap import rpc_address
from proconsul.leader.pool import LanMember, PoolMember, ServerMember, Status
from proconsul.model.founding import FoundReply, FoundRequest, IdentifyReply, IdentifyRequest
from proconsul.model.operator import RaftConfigurationResponse
from proconsul.model.query import DCSpecificRequest
from proconsul.raft.messages import ServerAddress, ServerId
from proconsul.runtime.founding import Founding, Raft
from proconsul.runtime.join_rounds import JoinRounds
from proconsul.runtime.rpc_client import ClientLimits, RpcClient, RpcTransportError
from proconsul.runtime.whereabouts import Whereabouts

ROUND_S = 1.0
HURRY_S = 0.1  # at least, between two rounds
ANSWER_S = 1.0  # for a question to be answered
LIMITS = ClientLimits(dial_s=ANSWER_S, call_s=ANSWER_S)
"""For a client of the pool's own: what it gives up must not take other calls with it."""


class Lan(Protocol):
    """The gossip pool (runtime/lan_pool.py)."""

    def servers(self) -> list[PoolMember]:
        """All servers of this datacenter, this one among them, by name."""

    def agents(self) -> list[LanMember]:
        """All agents of this datacenter, by name."""

    def force_out(self, node: str) -> None:
        """Take a failed member for left."""


class ServerPool:
    """This server among the others; `start` it once raft, the RPC port and gossip are up."""

    def __init__(
        self,
        *,
        me: ServerMember,
        lan: Lan,
        joins: JoinRounds,
        client: RpcClient,
        raft: Raft,
        objection: Callable[[], str],
        fail: Callable[[BaseException], None],
    ) -> None:
        """`client` (with LIMITS) is closed by `stop`; `fail` ends the process.

        `objection` is why no cluster may be founded at this moment, "" if one may be.
        """
        self._me = me
        self._lan = lan
        self._joins = joins
        self._client = client
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._founding = Founding(me, raft, self._call, objection)
        self._whereabouts = Whereabouts(me, lan.servers, joins.addresses, self._identify)
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Begin to join others, and to found a cluster as soon as that may be.

        With `bootstrap` and without any join address the cluster is founded when this returns.
        """
        self._founding.begin(joins=bool(self._joins.addresses.texts) or len(self._alive()) > 1)
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Ask nobody any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._whereabouts.stop()
        self._joins.addresses.stop()
        await self._client.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            while isinstance(failure, BaseExceptionGroup):
                failure = failure.exceptions[0]
            self._fail(failure)

    # ------------------------------------------------------------ who is there

    def members(self) -> list[PoolMember]:
        """All servers that are known, this one among them, in the order of their names."""
        return self._lan.servers()

    def agents(self) -> list[LanMember]:
        """All agents of this datacenter, this server among them."""
        return self._lan.agents()

    def force_out(self, node: str) -> None:
        """Take a failed member for left, here and with all others."""
        self._lan.force_out(node)

    def _alive(self) -> list[ServerMember]:
        others = [
            one.server
            for one in self._lan.servers()
            if one.status is Status.ALIVE and one.server.node != self._me.node
        ]
        return [self._me, *others]

    def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """Where a server may be, `host:port` of its RPC port, the best first."""
        return self._whereabouts.addresses(server_id, stored_address)

    def unreachable(self) -> None:
        """Nobody answered where a server should be: look for it at the join addresses."""
        self._whereabouts.unreachable()

    @property
    def is_looking(self) -> bool:
        """Whether a server is looked for."""
        return self._whereabouts.is_looking

    def news(self) -> asyncio.Event:
        """Set as soon as `addresses` may have another answer, or the search is over."""
        return self._whereabouts.news()

    def heard(self, server_id: ServerId, address: ServerAddress) -> None:
        """That server itself says that it is there."""
        self._whereabouts.heard(server_id, address)

    async def raft_peers(self, server: ServerMember) -> list[str]:
        """The addresses in a server's raft configuration. Raises RpcError if it does not tell."""
        request = DCSpecificRequest(datacenter=self._me.datacenter)
        peers: list[str] | None = await self._call(
            rpc_address(server), "Status.Peers", request, list[str]
        )
        return peers or []

    async def raft_configuration(
        self, server: ServerMember, token: str
    ) -> RaftConfigurationResponse:
        """The members as that server's leader knows them. Raises RpcError if it does not tell."""
        request = DCSpecificRequest(datacenter=self._me.datacenter, token=token)
        told: RaftConfigurationResponse = await self._call(
            rpc_address(server),
            "Operator.RaftGetConfiguration",
            request,
            RaftConfigurationResponse,
        )
        return told

    def changed(self) -> None:
        """A member came, went or moved."""
        self._hurry.set()
        self._whereabouts.changed()

    # ------------------------------------------------------------ what others call

    def identify(self) -> IdentifyReply:
        """Who this server is."""
        return IdentifyReply(
            node=self._me.node,
            id=self._me.node_id,
            datacenter=self._me.datacenter,
            has_peers=self._founding.has_peers,
            founding=self._founding.is_founding,
        )

    def promise(self, request: FoundRequest) -> FoundReply:
        """Whether that server may found the cluster, as far as this one is concerned."""
        return self._founding.promise(request, self._alive())

    # ------------------------------------------------------------ what this server asks

    async def _call(self, address: str, method: str, request: Any, reply_type: Any) -> Any:
        """A call that is answered soon. Raises RemoteError, RpcTransportError."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._client.call(address, method, request, reply_type)
        except TimeoutError as failure:
            self._client.drop(address)
            raise RpcTransportError(f"no answer from {address}", sent=True) from failure

    async def _identify(self, address: str) -> IdentifyReply | None:
        """Who answers there; None for nobody of this kind and datacenter."""
        asked_s = self._loop.time()
        request = IdentifyRequest(datacenter=self._me.datacenter)
        try:
            reply: IdentifyReply = await self._call(
                address, "Proconsul.Identify", request, IdentifyReply
            )
        except RpcError:
            return None
        self._founding.answered(reply, asked_s)
        return reply

    # ------------------------------------------------------------ rounds

    async def _run(self) -> None:
        self._joins.retry.begin(self._loop.time())
        while not (self._founding.is_over and self._joins.retry.is_over):
            self._hurry.clear()
            silent = await self._joins.go(self._loop.time())
            if not self._founding.is_over:
                others = (rpc_address(one) for one in self._alive() if one != self._me)
                await asyncio.gather(*map(self._identify, others))
                await self._founding.consider(self._alive(), silent)
            await self._pause()

    async def _pause(self) -> None:
        await asyncio.sleep(HURRY_S)  # members may come by the dozen
        try:
            async with asyncio.timeout(ROUND_S * (0.75 + random.random() / 2)):
                await self._hurry.wait()
        except TimeoutError:
            pass
