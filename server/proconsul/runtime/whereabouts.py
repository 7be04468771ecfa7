"""Where raft finds a server: by gossip, by the name that it was to be joined under, as stored.

Gossip refuses the new address of a member until it has left or was dead for half a minute, and a
pod that comes back has a new one within seconds. So what gossip says is a hint: as soon as nobody
answers where a server should be, whoever answers at the join addresses, resolved anew, is asked
who it is. A server that is heard says itself where it is: in its requests of raft, and in its
replies.

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
SAID_MAX = 256  # servers of which it is known where they say that they are

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
        self._said: dict[str, str] = {}  # where a server says that it is, by its ID
        self._round: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """`host:port` of RPC ports, the best first, as far as it is known at this moment."""
        members = self._members()
        own = [rpc_address(one.server) for one in members if one.server.node_id == server_id]
        taken = {
            rpc_address(one.server)
            for one in members
            if one.status is Status.ALIVE and one.server.node_id != server_id
        }
        found = [address for address, at in reversed(self._found.items()) if at == server_id]
        if server_id in self._said:
            found.append(self._said[server_id])
        taken -= set(found)
        taken |= {address for address, at in self._found.items() if at != server_id}
        places = dict.fromkeys((*found, *own, stored_address))
        return [address for address in places if address not in taken]

    def unreachable(self) -> None:
        """Nobody answers where a server should be: look for it. One round at a time, for all."""
        if not self.is_looking:
            self._round = asyncio.ensure_future(self._ask_all())
            self._round.add_done_callback(lambda _: self.changed())

    @property
    def is_looking(self) -> bool:
        """Whether a round of questions is under way."""
        return self._round is not None and not self._round.done()

    def news(self) -> asyncio.Event:
        """Set as soon as `addresses` may have another answer, or a round is over."""
        return self._news

    def changed(self) -> None:
        """The members have changed, or what is known of them."""
        self._news.set()
        self._news = asyncio.Event()

    def heard(self, server_id: ServerId, address: ServerAddress) -> None:
        """That server itself says that it is there; what it was found at before is older."""
        for old in [at for at, found in self._found.items() if found == server_id or at == address]:
            del self._found[old]
        self._said.pop(server_id, None)
        while len(self._said) >= SAID_MAX:
            del self._said[next(iter(self._said))]
        self._said[server_id] = address
        self.changed()

    def stop(self) -> None:
        """Ask nobody any more."""
        if self._round is not None:
            self._round.cancel()

    async def _ask_all(self) -> None:
        """At the addresses of gossip at once; at the join addresses when their names are known."""
        members = {rpc_address(one.server) for one in self._members() if one.server != self._me}
        await asyncio.gather(self._ask_joins(members), *map(self._ask, members))

    async def _ask_joins(self, asked: set[str]) -> None:
        hosts = {host for each in await self._joins.resolved() for host, _ in each.addresses}
        ports = {one.server.rpc_port for one in self._members()} | {self._me.rpc_port}
        joins = {join_host_port(host, port) for host in hosts for port in ports}
        await asyncio.gather(*map(self._ask, joins - asked - {rpc_address(self._me)}))

    async def _ask(self, address: str) -> None:
        """What is heard counts at once: others may be silent for long."""
        answer = await self._identify(address)
        known = self._found.pop(address, None)
        if answer is not None and answer.id:
            self._found[address] = answer.id
        if self._found.get(address) != known:
            self.changed()
        while len(self._found) > FOUND_MAX:
            del self._found[next(iter(self._found))]
