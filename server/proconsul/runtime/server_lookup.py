"""Where a server is, by its ID: asked anew each time that a connection to it is made.

All servers may come back with other addresses at once, so the one in the raft configuration is
only the last to be tried. Who knows better is the pool (runtime/server_pool.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from proconsul.raft.messages import Server, ServerAddress, ServerId
from proconsul.runtime.rpc_streams import SocketStream

ADDRESS_PATIENCE_S = 1.0  # for one address to answer before the next is tried
ADDRESSES_MAX = 32  # tried for one connection

Dial = Callable[[str], Awaitable[SocketStream]]
"""A connection to an RPC port, `host:port`, on which the raft byte was said.

Raises OSError, ValueError.
"""


class ServerLookup(Protocol):
    """Knows where servers are."""

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """All that are worth a try, `host:port`, the best one first."""

    def unreachable(self) -> None:
        """Nobody answered at the addresses of a server: there may be others."""


class StoredAddresses:
    """Knows no more than the raft configuration."""

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """The stored one."""
        return [stored_address]

    def unreachable(self) -> None:
        """There are no others."""


class UnreachableError(OSError):
    """No address of a server answers."""


class ServerDialer:
    """Connects to servers by ID."""

    def __init__(self, lookup: ServerLookup, dial: Dial) -> None:
        self._lookup = lookup
        self._dial = dial
        self._answered: dict[ServerId, str] = {}

    async def open(self, server: Server) -> SocketStream:
        """A connection to where it answers. Raises UnreachableError."""
        addresses = (await self._lookup.addresses(server.id, server.address))[:ADDRESSES_MAX]
        last = self._answered.get(server.id)
        tried = []
        # The look-up decides where a server may be; memory only spares the wait for the others.
        for address in sorted(addresses, key=lambda address: address != last):
            try:
                async with asyncio.timeout(ADDRESS_PATIENCE_S):
                    stream = await self._dial(address)
            except (OSError, ValueError) as failure:  # TimeoutError is an OSError
                tried.append(f"{address}: {str(failure) or 'i/o timeout'}")
                continue
            self._answered[server.id] = address
            return stream
        self._lookup.unreachable()
        raise UnreachableError(f"failed to dial {server.id}: {'; '.join(tried) or 'no address'}")

    def misled(self, server: Server) -> None:
        """Another server answers where that one was dialled: look for it, as if nobody did."""
        self._answered.pop(server.id, None)
        self._lookup.unreachable()
