"""The servers of the datacenter, found without gossip: everybody introduces itself to everybody.

Every second this server introduces itself at all join addresses, resolved anew, and to all members
it knows; who answers names the others that it knows, so that one address is enough to meet all. A
server that has nobody to meet does nothing at all. It is the pool (`members`), the look-up of raft
(`addresses`), and what the RPC methods `Proconsul.*` call.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from proconsul.config.schema import Joining
from proconsul.errors import RpcError
from proconsul.leader.acquaintances import Acquaintances, identity_of, member_of
from proconsul.leader.bootstrap import rpc_address
from proconsul.leader.pool import PoolMember, ServerMember, Status
from proconsul.model.introduction import (
    FoundReply,
    FoundRequest,
    IntroduceReply,
    IntroduceRequest,
    LeaveRequest,
    ServerIdentity,
)
from proconsul.raft.messages import ServerAddress, ServerId
from proconsul.runtime.founding import Founding, Raft
from proconsul.runtime.introduction_rounds import Complaints, Rounds
from proconsul.runtime.join_addresses import JoinAddresses, Ports, Resolve
from proconsul.runtime.joining import Gate, join, reach
from proconsul.runtime.logs import logger
from proconsul.runtime.retry_join import JoinError, RetryJoin
from proconsul.runtime.rpc_client import ClientLimits, RemoteError, RpcClient, RpcTransportError
from proconsul.wire.golang import join_host_port, list_of_errors

ROUND_S = 1.0
SELDOM_S = 5.0  # between two introductions to who is not known to live
ANSWER_S = 1.0  # for an introduction to be answered
PLACES_MAX = 512  # addresses of which it is known who was there last
LIMITS = ClientLimits(dial_s=ANSWER_S, call_s=ANSWER_S)
"""For a client of the pool's own: what it gives up must not take other calls with it."""

log = logger("server")
agent_log = logger("")


class ServerPool:
    """This server among the others; `start` it once raft and the RPC port are up."""

    def __init__(
        self,
        *,
        me: ServerMember,
        joining: Joining,
        serf_lan_port: int,
        client: RpcClient,
        raft: Raft,
        resolve: Resolve,
        changed: Callable[[PoolMember], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """`client` (with LIMITS) is the pool's own, and closed by `stop`.

        `changed` hears of each member that is new, moved, or lives or fails from now on; `fail`
        ends the process. Raises ConfigError for join addresses that can never work.
        """
        self._me = me
        self._joining = joining
        self._ports = Ports(rpc=me.rpc_port, serf_lan=serf_lan_port)
        self._client = client
        self._raft = raft
        self._changed = changed
        self._fail = fail
        self._joins = JoinAddresses(
            (*joining.start_join, *joining.retry_join), self._ports, resolve
        )
        self._complaints = Complaints()
        self._rounds = Rounds(
            rpc_address(me), self._joins, RetryJoin(joining), self._introduce, self._complaints
        )
        self._loop = asyncio.get_running_loop()
        self._table = Acquaintances(me, self._loop.time())
        self._founding = Founding(me, raft, self._call)
        self._company = asyncio.Event()  # there is somebody to meet
        self._hurry = asyncio.Event()  # somebody new was heard of
        self._hints: set[str] = set()  # where others say that servers are
        self._old_hints: set[str] = set()  # the same of the last round
        self._places: dict[str, str] = {}  # the server ID that answered last, by address
        self._seldom_s = -SELDOM_S  # when those not known to live were asked last
        self._leaving = False
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ life

    async def join_at_start(self) -> None:
        """`-join`: meet others, now. Raises JoinError when none of the addresses can be joined."""
        texts = self._joining.start_join
        if not texts:
            return
        agent_log.info("(LAN) joining: lan_addresses=[%s]", ", ".join(texts))
        results = await asyncio.gather(*(reach(text, self._gate(), self._meet) for text in texts))
        reached = sum(count for count, _ in results)
        complaints = [complaint for _, told in results for complaint in told]
        if not reached:
            agent_log.warning("(LAN) couldn't join: number_of_nodes=0")
            raise JoinError(list_of_errors(complaints))
        agent_log.info("(LAN) joined: number_of_nodes=%d", reached)

    def start(self) -> None:
        """Begin to meet others, and to found a cluster as soon as that may be.

        With `bootstrap` and without any join address the cluster is founded when this returns.
        """
        self._founding.begin(joins=bool(self._joins.texts))
        self._rounds.begin()
        if self._joins.texts or self._servers_of_raft():
            self._company.set()
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Meet nobody any more."""
        await self._rest()
        self._joins.stop()
        await self._client.close()

    async def _rest(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            while isinstance(failure, BaseExceptionGroup):
                failure = failure.exceptions[0]
            self._fail(failure)

    async def leave(self) -> None:
        """Tell the others that this server goes for good. `stop` comes next."""
        self._leaving = True
        await self._rest()
        await self._tell_all(
            LeaveRequest(datacenter=self._me.datacenter, node=self._me.node, departs=True)
        )

    # ------------------------------------------------------------ who is there

    def members(self) -> list[PoolMember]:
        """All that are known, this server among them, in the order of their names."""
        return self._table.members()

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """Where a server may be: as it says itself, where it answered, and as raft has stored.

        The stored address is left out where another server was met at it.
        """
        member = self._table.with_id(server_id)
        found = [] if member is None else [rpc_address(member.server)]
        found += [address for address, at in reversed(self._places.items()) if at == server_id]
        if self._places.get(stored_address, server_id) == server_id:
            found.append(stored_address)
        return list(dict.fromkeys(found))

    async def join(self, address: str) -> int:
        """Join through an address: how many servers were reached. Raises RpcError."""
        return await join(address, self._gate(), self._meet)

    async def force_leave(self, node: str, *, prune: bool) -> None:
        """Take a failed member for left, here and with the others; one that lives stays.

        Raises RpcError if there is no such member.
        """
        if self._table.named(node) is None:
            raise RpcError(f"agent: No node found with name '{node}'")
        request = LeaveRequest(datacenter=self._me.datacenter, node=node, prune=prune)
        if self.left(request):
            await self._tell_all(request)

    # ------------------------------------------------------------ what others call

    def introduce(self, request: IntroduceRequest) -> IntroduceReply:
        """Take note of a server. RpcError: it cannot be a member."""
        if self._leaving:
            raise RpcError("this server is leaving the cluster")
        if request.server.datacenter == self._me.datacenter and request.has_peers:
            self._founding.saw_peers(request.server.node)
        server = member_of(request.server)
        if server != self._me:
            self._heard(server)
        return IntroduceReply(
            server=self._identity(),
            has_peers=self._founding.has_peers,
            founding=self._founding.is_founding,
            others=[identity_of(each) for each in self._table.others_alive()],
        )

    def promise(self, request: FoundRequest) -> FoundReply:
        """Whether that server may found the cluster, as far as this one is concerned."""
        return self._founding.promise(request, self._table.alive())

    def left(self, request: LeaveRequest) -> bool:
        """Take note that a server has left."""
        if request.datacenter != self._me.datacenter:
            return False
        now_s = self._loop.time()
        if request.departs:
            news = self._table.departed(request.node, now_s)
        else:
            news = self._table.force_out(request.node, now_s, prune=request.prune)
        if news is not None:
            log.info("EventMemberLeave: %s %s", news.server.node, news.server.address)
            self._changed(news)
        return news is not None

    # ------------------------------------------------------------ introductions

    def _identity(self) -> ServerIdentity:
        ids = tuple(server.id for server in self._raft.servers())
        return identity_of(replace(self._me, raft_ids=ids))

    def _gate(self) -> Gate:
        return Gate(self._ports.serf_lan, frozenset({self._me.address}))

    def _heard(self, server: ServerMember) -> None:
        """It lives. Raises RpcError for one that cannot be a member."""
        try:
            news = self._table.heard(server, self._loop.time())
        except RpcError as failure:
            self._complaints.tell(f"{server.node} {server.address}", str(failure))
            raise
        if news is not None:
            log.info("EventMemberJoin: %s %s", server.node, server.address)
            self._company.set()
            self._hurry.set()
            self._changed(news)

    async def _call(self, address: str, method: str, request: Any, reply_type: Any) -> Any:
        """A call that is answered soon. Raises RemoteError, RpcTransportError."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._client.call(address, method, request, reply_type)
        except TimeoutError as failure:
            self._client.drop(address)
            raise RpcTransportError(f"no answer from {address}", sent=True) from failure

    async def _introduce(self, address: str) -> None:
        """Raises RpcTransportError; RpcError for who answers and is no member."""
        asked_s = self._loop.time()
        request = IntroduceRequest(server=self._identity(), has_peers=self._founding.has_peers)
        try:
            reply: IntroduceReply = await self._call(
                address, "Proconsul.Introduce", request, IntroduceReply
            )
        except RpcTransportError:
            self._places.pop(address, None)
            raise
        server = member_of(reply.server)
        if server == self._me:
            return
        self._heard(server)
        self._places.pop(address, None)
        self._places[address] = server.node_id
        if len(self._places) > PLACES_MAX:
            del self._places[next(iter(self._places))]
        self._founding.answered(reply, asked_s)
        self._take_hints(map(member_of, reply.others or ()))

    def _take_hints(self, servers: Iterable[ServerMember]) -> None:
        for server in servers:
            known = self._table.with_id(server.node_id)
            is_known = known is not None and known.status is Status.ALIVE and known.server == server
            address = rpc_address(server)
            if is_known or server.node_id == self._me.node_id or address in self._hints:
                continue
            if server.datacenter == self._me.datacenter and len(self._hints) < PLACES_MAX:
                self._hints.add(address)
                if address not in self._old_hints:  # else it was asked a moment ago
                    self._hurry.set()

    async def _meet(self, host: str, port: int) -> None:
        """Introduce this server where a user says; what joining.Meet is."""
        if port == self._ports.serf_lan:
            port = self._ports.rpc
        try:
            await self._introduce(join_host_port(host, port))
        except RemoteError as failure:
            raise RpcError(failure.text) from failure

    async def _tell_all(self, request: LeaveRequest) -> None:
        others = [rpc_address(each) for each in self._table.others_alive()]
        asked = (self._call(address, "Proconsul.Leave", request, bool) for address in others)
        for failure in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(failure, RpcError):
                log.warning("a server was not told that %s left: %s", request.node, failure)

    # ------------------------------------------------------------ rounds

    async def _run(self) -> None:
        await self._company.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._meet_forever())

    async def _watch(self) -> None:
        while True:
            for failed in self._table.tick(self._loop.time()):
                log.info("EventMemberFailed: %s %s", failed.server.node, failed.server.address)
                self._changed(failed)
            await asyncio.sleep(ROUND_S)

    async def _meet_forever(self) -> None:
        while True:
            self._hurry.clear()
            await self._meet_all()
            pause_s = ROUND_S * (0.75 + random.random() / 2)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._hurry.wait()

    async def _meet_all(self) -> None:
        hints, self._hints, self._old_hints = self._hints, set(), self._hints
        met = await self._rounds.go((*self._members_to_ask(), *hints))
        await self._founding.consider(self._table.alive(), met.silent, met.strangers)

    def _members_to_ask(self) -> list[str]:
        """Those that live; the others less often."""
        found = [rpc_address(each) for each in self._table.others_alive()]
        now_s = self._loop.time()
        if now_s - self._seldom_s < SELDOM_S:
            return found
        self._seldom_s = now_s
        failed = (each for each in self._table.members() if each.status is Status.FAILED)
        return [*found, *(rpc_address(each.server) for each in failed), *self._servers_of_raft()]

    def _servers_of_raft(self) -> list[str]:
        """The raft configuration outlives a restart, which the pool does not."""
        return [
            each.address
            for each in self._raft.servers()
            if each.id != self._me.node_id and self._table.with_id(each.id) is None
        ]
