"""The replicated log as RPC handlers see it (endpoints.context.Log), on top of the raft driver."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from proconsul.errors import NotReadyError, RpcError
from proconsul.fsm.commands import MessageType, Request, encode_command
from proconsul.leader.autopilot import by_id
from proconsul.leader.pool import Pool
from proconsul.model.operator import (
    OperatorHealthReply,
    RaftConfigurationResponse,
    RaftServer,
    ServerStats,
)
from proconsul.raft.membership import RemoveServer
from proconsul.raft.messages import Peer, Server, ServerId, Suffrage
from proconsul.runtime.logs import logger
from proconsul.runtime.member_changes import demand_change
from proconsul.runtime.pending import PendingEntries, Waiter
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.telemetry import Telemetry
from proconsul.wire.golang import SECOND, format_duration, quote

log = logger("server")


def contact_text(driver: RaftDriver) -> str:
    """How long ago this server heard its leader, in raft's words: "0", "never", a duration."""
    age_s = driver.contact_age_s
    if age_s is None:
        return "never"
    return format_duration(round(age_s * SECOND)) if age_s else "0"


class ReplicatedLog:
    """Encodes commands, proposes them, and says who leads."""

    def __init__(
        self,
        driver: RaftDriver,
        ready: asyncio.Event,
        hold_s: float,
        pool: Pool,
        health: Callable[[], OperatorHealthReply],
        awaited: PendingEntries,
        telemetry: Telemetry,
    ) -> None:
        """`ready` is set while the leader's duties run; `health` is what autopilot says."""
        self._driver = driver
        self._ready = ready
        self._hold_s = hold_s
        self._pool = pool
        self._health = health
        self._awaited = awaited
        self._telemetry = telemetry

    def propose(self, kind: MessageType, request: Request) -> Awaitable[Any]:
        """Commit and apply a command; the FSM's value. Errors: see RaftDriver.propose."""
        return self._driver.propose(encode_command(kind, request))

    def offer(self, command: bytes, waiter: Waiter) -> bool:
        """The same, for who waits in another way; False: it was not taken, `propose` it."""
        return self._driver.offer(command, waiter)

    async def confirm_leadership(self) -> None:
        """A quorum agrees, what it committed is applied, the duties of the leader have begun.

        Raises NoLeaderError, or NotReadyError after a while.
        """
        self._telemetry.count("raft.verify_leader")
        confirmed = self._driver.confirm_leadership()
        if confirmed.done() and self._ready.is_set():
            confirmed.result()
            return
        try:
            async with asyncio.timeout(self._hold_s):
                await confirmed
                await self._ready.wait()
        except TimeoutError:
            raise NotReadyError from None

    def may_read_by_lease(self) -> bool:
        """Whether reads in the default mode may be answered at this moment."""
        return self._driver.may_read_by_lease()

    def applied_index(self) -> int:
        """The last entry that the state holds."""
        return self._driver.node.applied_index

    async def wait_applied(self, index: int) -> None:
        """Until the state holds this entry; the caller has a deadline."""
        if self._driver.node.applied_index < index:
            await self._awaited.wait(index)

    def read_index(self) -> int:
        """The last entry that the state holds; the followers hear at once that it is committed.

        Raises NotReadyError while the state is being replaced: it may hold more already.
        """
        node = self._driver.node
        if node.leadership is None or node.leadership.is_restoring:
            raise NotReadyError
        self._driver.tell_commit()
        return node.applied_index

    def is_leader(self) -> bool:
        """Whether this server believes that it leads."""
        return self._driver.node.is_leader

    def leader_known(self) -> bool:
        """Whether anybody leads."""
        return self._driver.node.leader is not None

    def last_contact_ns(self) -> int:
        """Since the leader was heard; 0 on the leader, and where none ever was."""
        return round((self._driver.contact_age_s or 0.0) * SECOND)

    def leader_address(self) -> str:
        """`ip:port`, or ""."""
        leader = self._driver.node.leader
        return leader.address if leader is not None else ""

    def peer_addresses(self) -> list[str]:
        """Of all servers in the configuration."""
        return [server.address for server in self._driver.servers()]

    def configuration(self) -> RaftConfigurationResponse:
        """The latest configuration, with node names where the pool knows them."""
        node, members = self._driver.node, by_id(self._pool.members())
        servers = []
        for server in node.configuration.servers:
            member = members.get(server.id)
            servers.append(
                RaftServer(
                    id=server.id,
                    node=member.server.node if member is not None else "(unknown)",
                    address=server.address,
                    leader=node.leader is not None and _is(node.leader, server),
                    voter=server.suffrage is Suffrage.VOTER,
                    protocol_version=str(member.server.raft_version) if member else "unknown",
                )
            )
        # Consul 1.8.7 leaves the index out of its answer, too: it is always 0 there.
        return RaftConfigurationResponse(servers=servers)

    def server_stats(self) -> ServerStats:
        """This server's."""
        node = self._driver.node
        return ServerStats(
            last_contact=contact_text(self._driver),
            last_term=node.last_term,
            last_index=node.last_index,
        )

    def server_health(self) -> OperatorHealthReply:
        """Of all servers of the configuration, by autopilot; empty on a follower."""
        return self._health()

    async def transfer_leadership(self, server_id: str) -> None:
        """Have that voter lead, or whichever is furthest for "". Raises RpcError."""
        await self._driver.transfer(ServerId(server_id) if server_id else None)

    async def remove_peer(self, server_id: str, address: str) -> None:
        """Take a server out of the configuration; it may be this one. Committed at the end.

        Raises RpcError, NoLeaderError.
        """
        for server in self._driver.servers():
            if (server_id and server.id == server_id) or (address and server.address == address):
                await demand_change(self._driver, RemoveServer(server.id), self._hold_s)
                log.warning("removed raft server: id=%s address=%s", server.id, server.address)
                return
        what = f"id {quote(server_id)}" if server_id else f"address {quote(address)}"
        raise RpcError(f"{what} was not found in the Raft configuration")


def _is(peer: Peer, server: Server) -> bool:
    """Whether they are one; servers before raft 1.3.7 send no ID."""
    return peer.is_same(Peer(server.id, server.address))
