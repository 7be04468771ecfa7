"""Where raft finds a server: by gossip, by the name that it was to be joined under, as stored.

Gossip refuses the new address of a member until it has left or was dead for half a minute, and a
pod that comes back has a new one within seconds. So what gossip says is a hint: as soon as nobody
answers where a server should be, whoever answers at the join addresses, resolved anew, is asked
who it is.

An address at which another server is known to live is left out: raft's messages name nobody whom
they are meant for. Who answered counts for more than what gossip says: two servers may have each
other's address before anybody has missed them.
"""

import asyncio
from collections.abc import Awaitable, Callable

from proconsul.leader.bootstrap import rpc_address
from proconsul.leader.pool import PoolMember, ServerMember, Status
from proconsul.model.founding import IdentifyReply
from proconsul.raft.messages import ServerAddress, ServerId
from proconsul.runtime.join_addresses import JoinAddresses
from proconsul.wire.golang import join_host_port

FOUND_MAX = 512  # addresses of which it is known who answered there last

Identify = Callable[[str], Awaitable[IdentifyReply | None]]
"""Who answers at an address; None for nobody that says so."""


class Whereabouts:
    """What is known of the servers' addresses."""

    def __init__(
        self,
        me: ServerMember,
        members: Callable[[], list[PoolMember]],
        joins: JoinAddresses,
        identify: Identify,
    ) -> None:
        self._me = me
        self._members = members
        self._joins = joins
        self._identify = identify
        self._found: dict[str, str] = {}  # the server ID that answered, by address
        self._round: asyncio.Task[None] | None = None

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """`host:port` of RPC ports, the best first; a round of questions is waited for."""
        if self._round is not None:
            await asyncio.wait({self._round})
        return self._known(server_id, stored_address)

    def unreachable(self) -> None:
        """Nobody answers where a server should be: look for it. One round at a time, for all."""
        if self._round is None or self._round.done():
            self._round = asyncio.ensure_future(self._ask_all())

    def stop(self) -> None:
        """Ask nobody any more."""
        if self._round is not None:
            self._round.cancel()

    def _known(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        members = self._members()
        own = [rpc_address(one.server) for one in members if one.server.node_id == server_id]
        taken = {
            rpc_address(one.server)
            for one in members
            if one.status is Status.ALIVE and one.server.node_id != server_id
        }
        found = [address for address, at in reversed(self._found.items()) if at == server_id]
        taken -= set(found)
        taken |= {address for address, at in self._found.items() if at != server_id}
        places = dict.fromkeys((*found, *own, stored_address))
        return [address for address in places if address not in taken]

    async def _ask_all(self) -> None:
        hosts = {host for each in await self._joins.resolved() for host, _ in each.addresses}
        ports = {one.server.rpc_port for one in self._members()} | {self._me.rpc_port}
        asked = {join_host_port(host, port) for host in hosts for port in ports}
        asked.discard(rpc_address(self._me))
        asked |= {rpc_address(one.server) for one in self._members() if one.server != self._me}
        answers = await asyncio.gather(*map(self._identify, asked))
        for address, answer in zip(asked, answers, strict=True):
            self._found.pop(address, None)
            if answer is not None and answer.id:
                self._found[address] = answer.id
        while len(self._found) > FOUND_MAX:
            del self._found[next(iter(self._found))]
