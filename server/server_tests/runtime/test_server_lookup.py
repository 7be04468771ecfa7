"""Finding servers by ID although their addresses changed."""

import asyncio

import pytest

from proconsul.raft.messages import Server, ServerAddress, ServerId
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.runtime.server_lookup import (
    ServerDialer,
    StoredAddresses,
    UnreachableError,
)
from server_tests.loopback import address

B = Server(ServerId("b"), ServerAddress("10.0.0.2:8300"))


async def test_raft_alone_knows_the_stored_address() -> None:
    assert await StoredAddresses().addresses(B.id, B.address) == [B.address]


class Several:
    """A look-up that knows many addresses."""

    def __init__(self, *known: str) -> None:
        self.known = list(known)
        self.in_vain = 0

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        return self.known

    def unreachable(self) -> None:
        self.in_vain += 1


async def test_what_is_silent_or_refuses_gives_way_and_what_answered_comes_first() -> None:
    host = address(121)
    listener = await asyncio.start_server(lambda reader, writer: writer.close(), host, 0)
    good = f"{host}:{listener.sockets[0].getsockname()[1]}"
    tried: list[str] = []

    async def dial(where: str) -> SocketStream:
        tried.append(where)
        if where == "silent":
            await asyncio.sleep(1000)
        if where == "refuses":
            raise ConnectionRefusedError("connection refused")
        name, _, port = where.rpartition(":")
        return SocketStream(*await asyncio.open_connection(name, int(port)))

    lookup = Several("silent", "refuses", good)
    dialer = ServerDialer(lookup, dial)
    began_s = asyncio.get_running_loop().time()
    (await dialer.open(B)).abort()
    assert asyncio.get_running_loop().time() - began_s < 2
    (await dialer.open(B)).abort()
    assert tried == ["silent", "refuses", good, good]
    assert lookup.in_vain == 0

    lookup.known.remove(good)  # it is not there any more, says the one who knows
    with pytest.raises(UnreachableError, match="refuses: connection refused"):
        await dialer.open(B)
    assert tried[4:] == ["silent", "refuses"]
    assert lookup.in_vain == 1
    listener.close()
