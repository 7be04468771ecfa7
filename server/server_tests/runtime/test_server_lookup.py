"""Finding servers by ID although their addresses changed, and what was there takes no packet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from proconsul.raft.messages import Server, ServerAddress, ServerId
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.runtime.server_lookup import (
    ADDRESSES_MAX,
    HEAD_START_S,
    SAID_MAX,
    ServerDialer,
    StoredAddresses,
    UnreachableError,
)
from server_tests.loopback import address

B = Server(ServerId("b"), ServerAddress("10.0.0.2:8300"))
LEASE_S = 0.5  # a leader that is heard by no majority for so long steps down, at the shortest


class Several(StoredAddresses):
    """A look-up that knows many addresses, and learns others when it is told to look."""

    def __init__(self, *known: str) -> None:
        self.known = list(known)
        self.in_vain = 0
        self.looking = False
        self.told: list[tuple[ServerId, ServerAddress]] = []
        self._news = asyncio.Event()

    def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        return self.known

    def unreachable(self) -> None:
        self.in_vain += 1

    @property
    def is_looking(self) -> bool:
        return self.looking

    def news(self) -> asyncio.Event:
        return self._news

    def heard(self, server_id: ServerId, address: ServerAddress) -> None:
        self.told.append((server_id, address))

    def learn(self, *known: str, looking: bool = False) -> None:
        """It is there, and nowhere else."""
        self.known, self.looking = list(known), looking
        self._news.set()
        self._news = asyncio.Event()


@dataclass
class Network:
    """Where a dial ends; `good` is a port that answers, and "silent..." takes no packet."""

    good: str
    tried: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    async def dial(self, where: str) -> SocketStream:
        self.tried.append(where)
        if where.startswith("silent"):
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                self.dropped.append(where)
                raise
        if where.startswith("refuses"):
            raise ConnectionRefusedError("connection refused")
        name, _, port = self.good.rpartition(":")
        return SocketStream(*await asyncio.open_connection(name, int(port)))


@asynccontextmanager
async def network() -> AsyncIterator[Network]:
    host = address(121)
    listener = await asyncio.start_server(lambda reader, writer: writer.close(), host, 0)
    try:
        yield Network(f"{host}:{listener.sockets[0].getsockname()[1]}")
    finally:
        listener.close()


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def test_raft_alone_knows_the_stored_address() -> None:
    assert StoredAddresses().addresses(B.id, B.address) == [B.address]


async def test_what_is_silent_or_refuses_gives_way_and_what_answered_comes_first() -> None:
    async with network() as net:
        lookup = Several("silent", "refuses", net.good)
        dialer = ServerDialer(lookup, net.dial)
        began_s = now_s()
        (await dialer.open(B)).abort()
        assert now_s() - began_s < LEASE_S
        (await dialer.open(B)).abort()
        assert net.tried == ["silent", "refuses", net.good, net.good]
        assert net.dropped == ["silent"]
        assert lookup.in_vain == 0

        lookup.known.remove(net.good)  # it is not there any more, says the one who knows
        with pytest.raises(UnreachableError, match="refuses: connection refused"):
            await dialer.open(B)
        assert net.tried[4:] == ["silent", "refuses"]
        assert lookup.in_vain == 1


async def test_a_new_address_is_dialled_while_the_old_one_is_silent() -> None:
    async with network() as net:
        lookup = Several("silent: where it was")
        dialing = asyncio.ensure_future(ServerDialer(lookup, net.dial).reach(B))
        await asyncio.sleep(3 * HEAD_START_S)
        assert lookup.in_vain == 1  # it is looked for before the dial is over
        began_s = now_s()
        lookup.learn(net.good, "silent: where it was")
        reached = await dialing
        reached.stream.abort()
        assert reached.address == net.good
        assert now_s() - began_s < HEAD_START_S


async def test_a_dial_to_an_address_that_is_not_the_servers_any_more_is_dropped() -> None:
    async with network() as net:
        lookup = Several("silent: where it was")
        dialing = asyncio.ensure_future(ServerDialer(lookup, net.dial).reach(B))
        await asyncio.sleep(HEAD_START_S)
        lookup.learn("silent: where it is")
        await asyncio.sleep(HEAD_START_S / 2)
        assert net.dropped == ["silent: where it was"]
        dialing.cancel()
        await asyncio.wait({dialing})
        assert net.dropped == ["silent: where it was", "silent: where it is"]


async def test_a_server_that_is_nowhere_is_waited_for_as_long_as_it_is_looked_for() -> None:
    async with network() as net:
        lookup = Several("refuses")
        lookup.looking = True
        dialer = ServerDialer(lookup, net.dial)
        dialing = asyncio.ensure_future(dialer.open(B))
        await asyncio.sleep(100)
        assert not dialing.done()
        lookup.learn("refuses", net.good)
        (await dialing).abort()

        lookup.learn("refuses", looking=True)
        dialing = asyncio.ensure_future(dialer.open(B))
        await asyncio.sleep(100)
        lookup.learn("refuses")
        with pytest.raises(UnreachableError):
            await dialing


async def test_a_server_of_which_no_address_is_known_cannot_be_reached() -> None:
    async with network() as net:
        with pytest.raises(UnreachableError, match="no address"):
            await ServerDialer(Several(), net.dial).open(B)


async def test_so_many_addresses_are_tried_and_no_more() -> None:
    async with network() as net:
        lookup = Several(*(f"silent {number}" for number in range(2 * ADDRESSES_MAX)))
        began_s = now_s()
        with pytest.raises(UnreachableError, match="i/o timeout"):
            await ServerDialer(lookup, net.dial).open(B)
        assert len(net.tried) == len(net.dropped) == ADDRESSES_MAX
        assert now_s() - began_s < ADDRESSES_MAX * HEAD_START_S + 1.5


async def test_where_another_answered_nobody_is_dialled_while_the_right_one_is_sought() -> None:
    async with network() as net:
        lookup = Several("refuses", net.good)
        dialer = ServerDialer(lookup, net.dial)
        (await dialer.open(B)).abort()
        lookup.looking = True
        dialer.misled(B, net.good)
        assert lookup.in_vain == 1
        dialing = asyncio.ensure_future(dialer.open(B))
        await asyncio.sleep(100)
        assert net.tried == ["refuses", net.good, "refuses"]
        lookup.learn(net.good)  # nobody else was found: it may be there again
        (await dialing).abort()


async def test_what_a_server_says_of_itself_is_told_once_and_counts_before_where_it_answered() -> (
    None
):
    async with network() as net:
        lookup = Several("refuses", net.good)
        dialer = ServerDialer(lookup, net.dial)
        (await dialer.open(B)).abort()
        there = ServerAddress("silent: where it says")
        assert dialer.heard(B.id, there)
        assert not dialer.heard(B.id, there)
        assert lookup.told == [(B.id, there)]
        lookup.known = [there, net.good]
        (await dialer.open(B)).abort()
        assert net.tried[2:] == [there, net.good]


async def test_what_servers_say_is_remembered_of_so_many_and_no_more() -> None:
    async with network() as net:
        dialer = ServerDialer(Several(), net.dial)
        for number in range(SAID_MAX + 1):
            assert dialer.heard(ServerId(f"s{number}"), B.address)
        assert not dialer.heard(ServerId("s1"), B.address)
        assert dialer.heard(ServerId("s0"), B.address)
