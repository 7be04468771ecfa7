"""Finding servers by ID although their addresses changed."""

import asyncio

import pytest

from proconsul.raft.messages import Server, ServerAddress, ServerId
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.runtime.server_lookup import (
    JoinedAddresses,
    ServerDialer,
    StoredAddresses,
    UnreachableError,
)
from server_tests.loopback import address

B = Server(ServerId("b"), ServerAddress("10.0.0.2:8300"))


class Street:
    """Who is at which address, and who was asked."""

    def __init__(self, **at: str) -> None:
        self.at = {name.replace("_", "."): who for name, who in at.items()}
        self.names: list[str] = []
        self.asked: list[str] = []

    async def resolve(self) -> list[str]:
        return self.names

    async def id_at(self, where: str) -> str:
        self.asked.append(where)
        await asyncio.sleep(0.1)
        if where == "silent":
            await asyncio.sleep(1000)
        if where not in self.at:
            raise ConnectionRefusedError(where)
        return self.at[where]


async def test_without_names_the_stored_address_is_all_there_is() -> None:
    assert await StoredAddresses().addresses(B.id, B.address) == [B.address]
    street = Street()
    lookup = JoinedAddresses(street.resolve, street.id_at)
    assert await lookup.addresses(B.id, B.address) == [B.address]


async def test_a_server_is_found_where_its_id_answers_before_where_it_was() -> None:
    street = Street(new="b", other="c")
    street.names = ["silent", "refused", "other", "new"]
    lookup = JoinedAddresses(street.resolve, street.id_at)
    assert await lookup.addresses(B.id, B.address) == ["new", B.address]


async def test_an_address_that_passed_to_another_server_is_not_tried() -> None:
    street = Street(new="b")
    street.at[B.address] = "c"
    street.names = ["new", B.address]
    lookup = JoinedAddresses(street.resolve, street.id_at)
    assert await lookup.addresses(B.id, B.address) == ["new"]


async def test_lookups_at_the_same_time_ask_once_and_later_ones_anew() -> None:
    street = Street(new="b")
    street.names = ["new"]
    lookup = JoinedAddresses(street.resolve, street.id_at)
    await asyncio.gather(*(lookup.addresses(B.id, B.address) for _ in range(9)))
    assert street.asked == ["new"]
    street.at["new"] = "c"
    await asyncio.sleep(3)
    assert await lookup.addresses(B.id, B.address) == [B.address]


class Several:
    """A look-up that knows many addresses."""

    def __init__(self, *known: str) -> None:
        self.known = list(known)

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        return self.known


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

    lookup.known.remove(good)  # it is not there any more, says the one who knows
    with pytest.raises(UnreachableError, match="refuses: connection refused"):
        await dialer.open(B)
    assert tried[4:] == ["silent", "refuses"]
    listener.close()
