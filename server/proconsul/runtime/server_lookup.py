"""Where a server is, by its ID: asked anew each time that a connection to it is made.

All servers may come back with other addresses at once, so the one in the raft configuration is
only the last to be tried. Who knows better is the pool (runtime/server_pool.py).

An address at which a machine has vanished says nothing: a dial to it ends only by its limit. So
none is waited for: each has a short head start before the next one is tried beside it, and the
first connection counts. What is learnt meanwhile counts at once: a new address is dialled, and a
dial to one that is no longer the server's is dropped.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from proconsul.raft.messages import Server, ServerAddress, ServerId
from proconsul.runtime.rpc_streams import SocketStream

HEAD_START_S = 0.1  # of an address; the shortest lease of a leader is 0.5 s
ADDRESS_PATIENCE_S = 1.0  # for one address to answer
ADDRESSES_MAX = 32  # tried for one connection
SAID_MAX = 256  # servers of which it is remembered where they say that they are

Dial = Callable[[str], Awaitable[SocketStream]]
"""A connection to an RPC port, `host:port`, on which the raft byte was said.

Raises OSError, ValueError.
"""


class ServerLookup(Protocol):
    """Knows where servers are."""

    def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """All that are worth a try at this moment, `host:port`, the best one first."""

    def unreachable(self) -> None:
        """Nobody answers at the addresses of a server: look for others, unless that is done."""

    @property
    def is_looking(self) -> bool:
        """Whether others are being looked for."""

    def news(self) -> asyncio.Event:
        """Set as soon as `addresses` may have another answer, or the search is over."""

    def heard(self, server_id: ServerId, address: ServerAddress) -> None:
        """That server itself says that it is there."""


class StoredAddresses:
    """Knows no more than the raft configuration."""

    def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """The stored one."""
        return [stored_address]

    def unreachable(self) -> None:
        """There are no others."""

    @property
    def is_looking(self) -> bool:
        """There is nobody to be asked."""
        return False

    def news(self) -> asyncio.Event:
        """There are none."""
        return asyncio.Event()

    def heard(self, server_id: ServerId, address: ServerAddress) -> None:
        """The configuration counts."""


class UnreachableError(OSError):
    """No address of a server answers."""


class Reached(Struct, frozen=True):
    """A connection, and where it leads."""

    stream: SocketStream
    address: str


class ServerDialer:
    """Connects to servers by ID, and remembers where they were met."""

    def __init__(self, lookup: ServerLookup, dial: Dial) -> None:
        self._lookup = lookup
        self._dial = dial
        self._answered: dict[ServerId, str] = {}
        self._strange: dict[ServerId, str] = {}  # where another one answered in its place
        self._said: dict[ServerId, str] = {}  # where each says itself that it is

    async def open(self, server: Server) -> SocketStream:
        """A connection to where it answers. Raises UnreachableError."""
        return (await self.reach(server)).stream

    async def reach(self, server: Server) -> Reached:
        """The same, and where that is. Raises UnreachableError."""
        race = _Race(self._dial)
        is_asked = False
        try:
            while True:
                news = asyncio.ensure_future(self._lookup.news().wait())
                try:
                    known = self._addresses(server)
                    await race.drop_all_but(known)
                    is_started = race.start_next(known)
                    if not is_started:  # each has had its head start
                        if not is_asked:
                            is_asked = True
                            self._lookup.unreachable()
                        if race.is_lost and not self._lookup.is_looking:
                            raise UnreachableError(f"failed to dial {server.id}: {race.failures}")
                    reached = await race.reached(news, HEAD_START_S if is_started else None)
                finally:
                    news.cancel()
                if reached is not None:
                    self._answered[server.id] = reached.address
                    return reached
        finally:
            await race.drop_all_but(())

    def _addresses(self, server: Server) -> list[str]:
        addresses = self._lookup.addresses(server.id, server.address)
        strange = self._strange.get(server.id)
        if self._lookup.is_looking and strange is not None:
            addresses = [address for address in addresses if address != strange]
        last = self._answered.get(server.id)
        # The look-up decides where a server may be; memory only spares the others' dials.
        return sorted(addresses, key=lambda address: address != last)[:ADDRESSES_MAX]

    def misled(self, server: Server, address: str) -> None:
        """Another server answers there: look for the one that was meant, as if nobody did."""
        self._answered.pop(server.id, None)
        self._strange[server.id] = address
        self._lookup.unreachable()

    def heard(self, server_id: ServerId, address: ServerAddress) -> bool:
        """A server says itself where it is; whether it did not say so before.

        A server has one address from its start to its end, so one that says another was started
        anew: no connection that it had is left.
        """
        if self._said.get(server_id) == address:
            return False
        if len(self._said) >= SAID_MAX:
            del self._said[next(iter(self._said))]
        self._said[server_id] = address
        if self._answered.get(server_id) != address:
            self._answered.pop(server_id, None)
        self._lookup.heard(server_id, address)
        return True


class _Race:
    """Dials to the addresses of one server; the first connection wins."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._running: dict[str, asyncio.Task[SocketStream]] = {}
        self._failed: dict[str, str] = {}  # why, by address

    @property
    def is_lost(self) -> bool:
        """Whether none of those that were started can win any more."""
        return not self._running

    @property
    def failures(self) -> str:
        """Why, address by address."""
        told = [f"{address}: {reason}" for address, reason in self._failed.items()]
        return "; ".join(told) or "no address"

    def start_next(self, known: Sequence[str]) -> bool:
        """Dial the first that was not tried; False if there is none, or enough were."""
        if len(self._running) + len(self._failed) >= ADDRESSES_MAX:
            return False
        for address in known:
            if address not in self._running and address not in self._failed:
                self._running[address] = asyncio.ensure_future(self._try(address))
                return True
        return False

    async def _try(self, address: str) -> SocketStream:
        async with asyncio.timeout(ADDRESS_PATIENCE_S):
            return await self._dial(address)

    async def reached(
        self, news: asyncio.Future[Literal[True]], timeout_s: float | None
    ) -> Reached | None:
        """The winner; None when one has failed, there are news, or the time is over."""
        waited: set[asyncio.Future[Any]] = {*self._running.values(), news}
        await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for address, task in list(self._running.items()):
            if not task.done():
                continue
            del self._running[address]
            try:
                return Reached(task.result(), address)
            except (OSError, ValueError) as failure:  # TimeoutError is an OSError
                self._failed[address] = str(failure) or "i/o timeout"
        return None

    async def drop_all_but(self, known: Sequence[str]) -> None:
        """End the dials to other addresses; what they have reached meanwhile is closed."""
        gone = [self._running.pop(address) for address in [*self._running] if address not in known]
        for task in gone:
            task.cancel()
            task.add_done_callback(_close)
        if gone:
            await asyncio.wait(gone)


def _close(dialled: asyncio.Task[SocketStream]) -> None:
    if not dialled.cancelled() and dialled.exception() is None:
        dialled.result().abort()
