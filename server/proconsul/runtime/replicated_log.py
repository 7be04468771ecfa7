"""The replicated log as RPC handlers see it (endpoints.context.Log), on top of the raft driver."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from proconsul.errors import NotReadyError, RpcError
from proconsul.fsm.commands import MessageType, Request, encode_command
from proconsul.model.operator import (
    AutopilotConfig,
    OperatorHealthReply,
    RaftConfigurationResponse,
    RaftServer,
    ServerHealth,
    ServerStats,
)
from proconsul.raft.effects import RefusedError
from proconsul.raft.membership import RemoveServer
from proconsul.raft.messages import Suffrage
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.telemetry import Telemetry
from proconsul.wire.golang import SECOND, Duration, Time, format_duration

RAFT_PROTOCOL = "3"
SERF_ALIVE = 1


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
        names: Callable[[], dict[str, str]],
        stable_since: Callable[[], Time],
        version: str,
        telemetry: Telemetry,
    ) -> None:
        """`ready` is set while the leader's duties run; `names` gives node names by server ID."""
        self._driver = driver
        self._ready = ready
        self._hold_s = hold_s
        self._names = names
        self._stable_since = stable_since
        self._version = version
        self._telemetry = telemetry

    async def propose(self, kind: MessageType, request: Request) -> Any:
        """Commit and apply a command; the FSM's value. Errors: see RaftDriver.propose."""
        began_s = time.perf_counter()  # the loop's clock tells whole milliseconds
        value = await self._driver.propose(encode_command(kind, request))
        self._telemetry.count("raft.apply")
        # Consul's ends at the commit; ours, which applies at once, when it is applied.
        self._telemetry.sample("raft.commitTime", (time.perf_counter() - began_s) * 1000)
        return value

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
        """The latest configuration, with node names where they are known."""
        node, names = self._driver.node, self._names()
        leader = node.leader.id if node.leader is not None else ""
        servers = [
            RaftServer(
                id=server.id,
                node=names.get(server.id, "(unknown)"),
                address=server.address,
                leader=server.id == leader,
                voter=server.suffrage is Suffrage.VOTER,
                protocol_version=RAFT_PROTOCOL,
            )
            for server in node.configuration.servers
        ]
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

    def server_health(self, config: AutopilotConfig) -> OperatorHealthReply:
        """Of the servers in the configuration; a single one is healthy while it leads."""
        node, names = self._driver.node, self._names()
        servers = [
            ServerHealth(
                id=server.id,
                name=names.get(server.id, ""),
                address=server.address,
                serf_status=SERF_ALIVE,
                version=self._version,
                leader=node.is_leader,
                last_contact=Duration(0),
                last_term=node.last_term,
                last_index=node.last_index,
                healthy=node.is_leader,
                voter=server.suffrage is Suffrage.VOTER,
                stable_since=self._stable_since(),
            )
            for server in node.configuration.servers
            if server.id == self._driver.me.id
        ]
        voters = sum(server.voter for server in servers if server.healthy)
        needed = len(node.configuration.servers) // 2 + 1
        return OperatorHealthReply(
            healthy=all(server.healthy for server in servers),
            failure_tolerance=max(voters - needed, 0),
            servers=servers,
        )

    async def remove_peer(self, server_id: str, address: str) -> None:
        """Take a server out of the configuration."""
        for server in self._driver.servers():
            if (server_id and server.id == server_id) or (address and server.address == address):
                try:
                    await self._driver.change(RemoveServer(server.id))
                except RefusedError as refused:
                    raise RpcError(str(refused)) from refused
                return
        what = f'id "{server_id}"' if server_id else f'address "{address}"'
        raise RpcError(f"{what} was not found in the Raft configuration")
