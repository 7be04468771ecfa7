"""Where a server is, by its ID: asked anew each time that a connection to it is made.

All servers may come back with other addresses at once, so the one in the raft configuration is
only the last to be tried.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from proconsul.raft.messages import Server, ServerAddress, ServerId
from proconsul.runtime.logs import logger
from proconsul.runtime.rpc_streams import SocketStream

ADDRESS_PATIENCE_S = 1.0  # for one address to answer before the next is tried
ASKED_AGAIN_AFTER_S = 2.0  # an address that was asked for its ID; dials may come faster
ADDRESSES_MAX = 32  # tried for one connection

log = logger("raft")

Dial = Callable[[str], Awaitable[SocketStream]]
"""A connection to an RPC port, `host:port`, on which the raft byte was said.

Raises OSError, ValueError.
"""


class ServerLookup(Protocol):
    """Knows where servers are."""

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """All that are worth a try, `host:port`, the best one first."""


class StoredAddresses:
    """Knows no more than the raft configuration."""

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """The stored one."""
        return [stored_address]


class JoinedAddresses:
    """Asks whoever is behind the names of `retry_join` for its ID; the stored address is last."""

    def __init__(
        self,
        resolve: Callable[[], Awaitable[list[str]]],
        id_at: Callable[[str], Awaitable[str]],
    ) -> None:
        """`resolve` gives the addresses behind the names now, `host:port` of RPC ports.

        `id_at` asks one of them for its server ID. Both raise OSError or ProconsulError.
        """
        self._resolve = resolve
        self._id_at = id_at
        self._ids: dict[str, str] = {}  # by address, as of _asked_at_s
        self._asked_at_s = -ASKED_AGAIN_AFTER_S
        self._asking: asyncio.Task[None] | None = None

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """Where this ID answers, then the stored one unless another server answers there."""
        await self._refresh()
        found = [address for address, at in self._ids.items() if at == server_id]
        if self._ids.get(stored_address, server_id) == server_id and stored_address not in found:
            found.append(stored_address)
        return found

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        if self._asking is None:
            if loop.time() - self._asked_at_s < ASKED_AGAIN_AFTER_S:
                return
            self._asking = loop.create_task(self._ask_all())
        await asyncio.shield(self._asking)

    async def _ask_all(self) -> None:
        try:
            addresses = await self._names()
            ids = await asyncio.gather(*(self._ask(address) for address in addresses))
            self._ids = {
                address: at for address, at in zip(addresses, ids, strict=True) if at is not None
            }
        finally:
            self._asked_at_s = asyncio.get_running_loop().time()
            self._asking = None

    async def _names(self) -> list[str]:
        try:
            async with asyncio.timeout(ADDRESS_PATIENCE_S):
                return (await self._resolve())[:ADDRESSES_MAX]
        except Exception as failure:
            log.debug("cannot resolve the names of retry_join: %r", failure)
            return []

    async def _ask(self, address: str) -> str | None:
        try:
            async with asyncio.timeout(ADDRESS_PATIENCE_S):
                return await self._id_at(address)
        except Exception as failure:  # whatever it is, the stored address is left
            log.debug("%s does not tell its server ID: %r", address, failure)
            return None


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
        raise UnreachableError(f"failed to dial {server.id}: {'; '.join(tried) or 'no address'}")
