"""A pool's sockets: bound, read to a limit, written without waiting."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from proconsul.gossip.address import Address, address_of
from proconsul.gossip.effects import Level
from proconsul.runtime.gossip_sockets import (
    READ_MAX,
    RECEIVE_BUFFER_BYTES,
    UNSENT_MAX,
    WAITING_BYTES_MAX,
    WAITING_MAX,
    Packets,
    PoolSockets,
    open_sockets,
    socket_address,
)
from server_tests.runtime.gossip_node import place

HOST = place(1)

pytestmark = pytest.mark.real_clock


def free_port(host: str = HOST) -> int:
    """One that is free for TCP and UDP."""
    for _ in range(100):
        with (
            socket.socket(_family(host), socket.SOCK_STREAM) as stream,
            socket.socket(_family(host), socket.SOCK_DGRAM) as packets,
        ):
            stream.bind((host, 0))
            try:
                packets.bind((host, stream.getsockname()[1]))
            except OSError:
                continue
            return int(stream.getsockname()[1])
    raise AssertionError(f"no port is free at {host}")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Site:
    """The packets of one pool, and a stranger's socket."""

    def __init__(self, host: str) -> None:
        self.port = free_port(host)
        self.sockets: PoolSockets = open_sockets(host, self.port)
        self.address = address_of("127.0.0.1" if host == "::" else host, self.port)
        self.complaints: list[tuple[Level, str]] = []
        self._arrived = asyncio.Event()
        self.packets = Packets(
            self.sockets.packets,
            self._arrived.set,
            lambda level, text: self.complaints.append((level, text)),
        )
        self.stranger = socket.socket(_family(self.address.host), socket.SOCK_DGRAM)
        self.stranger.bind((self.address.host, 0))
        self.stranger.settimeout(10)

    def say(self, data: bytes) -> None:
        self.stranger.sendto(data, (self.address.host, self.port))

    @property
    def stranger_address(self) -> Address:
        host, port, *_ = self.stranger.getsockname()
        return address_of(host, port)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                self._arrived.clear()
                await asyncio.wait({asyncio.ensure_future(self._arrived.wait())}, timeout=0.05)


@asynccontextmanager
async def site(host: str = HOST) -> AsyncIterator[Site]:
    made = Site(host)
    try:
        yield made
    finally:
        made.packets.close()
        made.sockets.close()
        made.stranger.close()


requires_v6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize(
    "host",
    [
        pytest.param(HOST, id="loopback"),
        "0.0.0.0",
        pytest.param("::1", marks=requires_v6),
        pytest.param("::", marks=requires_v6),
    ],
)
async def test_what_is_said_comes_with_its_source_and_can_be_answered(host: str) -> None:
    async with site("127.0.0.1" if host == "0.0.0.0" else host) as ours:
        ours.say(b"hello")
        await ours.until(lambda: ours.packets.read_count == 1)
        datagram = ours.packets.take()
        assert datagram is not None
        assert datagram.data == b"hello"
        assert datagram.source == ours.stranger_address
        assert ours.packets.take() is None
        ours.packets.send(b"hello yourself", datagram.source)
        answer, _ = await asyncio.to_thread(ours.stranger.recvfrom, 100)
        assert answer == b"hello yourself"
        assert ours.complaints == []


def test_a_port_that_is_taken_is_refused_with_what_to_do() -> None:
    port = free_port()
    taken = open_sockets(HOST, port)
    with pytest.raises(OSError, match="bind: address already in use") as refused:
        open_sockets(HOST, port)
    taken.close()
    assert refused.value.strerror == (
        f"listen tcp {HOST}:{port}: bind: address already in use. Another process has that port "
        f"(`ss -ltnp sport = :{port}` names it)"
    )


def test_if_only_udp_is_taken_tcp_is_given_free_again() -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, port))
        with pytest.raises(OSError, match=f"listen udp {HOST}:{port}: bind: address already in"):
            open_sockets(HOST, port)
    open_sockets(HOST, port).close()


def test_addresses_are_never_looked_up() -> None:
    with pytest.raises(OSError, match=r"listen tcp n1\.example:8301: n1\.example is no IP address"):
        open_sockets("n1.example", 8301)
    v4, v6 = address_of(HOST, 8301), address_of("fd00::1", 8301)
    assert socket_address(v4, socket.AF_INET) == (HOST, 8301)
    assert socket_address(v6, socket.AF_INET) is None
    assert socket_address(v6, socket.AF_INET6) == ("fd00::1", 8301)
    mapped = socket_address(v4, socket.AF_INET6)
    assert mapped is not None
    assert mapped[0].startswith("::ffff:")
    for nonsense in (Address(b"", 8301), Address(b"abc", 8301), Address(v4.ip, 0)):
        assert socket_address(nonsense, socket.AF_INET) is None
        assert socket_address(nonsense, socket.AF_INET6) is None


async def test_what_nobody_takes_waits_up_to_a_limit_and_the_rest_in_the_kernel() -> None:
    async with site() as ours:
        count = WAITING_MAX + 40
        for number in range(count):
            ours.say(b"%d" % number)
            if number % READ_MAX == 0:
                await asyncio.sleep(0)
        await ours.until(lambda: ours.packets.read_count == WAITING_MAX)
        for _ in range(5):
            await asyncio.sleep(0)
        assert ours.packets.read_count == WAITING_MAX
        taken: list[bytes] = []
        while len(taken) < count:
            datagram = ours.packets.take()
            if datagram is None:
                await ours.until(lambda: ours.packets.read_count > len(taken))
            else:
                taken.append(datagram.data)
        assert taken == [b"%d" % number for number in range(count)]
        assert ours.packets.taken_count == count


async def test_large_datagrams_wait_up_to_a_limit_of_bytes() -> None:
    async with site() as ours:
        size_bytes = 60_000
        fits = -(-WAITING_BYTES_MAX // size_bytes)
        for _ in range(fits + 5):
            ours.say(bytes(size_bytes))
            await asyncio.sleep(0)
            ours.packets.read_all()
        assert ours.packets.read_count == fits


def test_the_kernels_buffer_is_asked_to_be_large() -> None:
    opened = open_sockets(HOST, free_port())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as usual:
        usual_bytes = usual.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    found_bytes = opened.packets.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    opened.close()
    assert found_bytes == 2 * RECEIVE_BUFFER_BYTES or found_bytes >= usual_bytes


async def test_what_cannot_be_sent_is_dropped_with_a_line_for_who_looks_closely() -> None:
    async with site() as ours:
        ours.packets.send(b"x", Address(b"abc", 8301))
        ours.packets.send(b"x", address_of("::1", 8301))
        ours.packets.send(bytes(70_000), address_of(HOST, ours.port))
        levels, texts = zip(*ours.complaints, strict=True)
        assert set(levels) == {Level.DEBUG}
        assert "nothing can be sent to ?616263:8301" in texts[0]
        assert "nothing can be sent to [::1]:8301" in texts[1]
        assert "Message too long" in texts[2]


class StuckSocket(socket.socket):
    """The kernel has no room for what it should send, at first."""

    stuck = True
    sent: list[bytes]

    def sendto(self, data: bytes, address: object) -> int:  # type: ignore[override]
        if self.stuck:
            raise BlockingIOError
        self.sent.append(data)
        return len(data)


async def test_what_the_kernel_has_no_room_for_is_sent_in_order_as_soon_as_it_has() -> None:
    stuck = StuckSocket(socket.AF_INET, socket.SOCK_DGRAM)
    stuck.setblocking(False)
    stuck.bind((HOST, 0))
    stuck.sent = []
    packets = Packets(stuck, lambda: None, lambda level, text: None)
    for number in range(UNSENT_MAX + 10):
        packets.send(b"%d" % number, address_of(HOST, 1))
    for _ in range(3):
        await asyncio.sleep(0)
    assert stuck.sent == []
    stuck.stuck = False
    async with asyncio.timeout(30):
        while not stuck.sent:  # noqa: ASYNC110 - the loop tells nobody that it wrote
            await asyncio.sleep(0)
    packets.send(b"last", address_of(HOST, 1))
    packets.close()
    assert stuck.sent == [*(b"%d" % number for number in range(UNSENT_MAX)), b"last"]


async def test_after_the_end_nothing_is_read_or_sent() -> None:
    async with site() as ours:
        ours.packets.close()
        ours.packets.close()
        ours.packets.send(b"x", ours.stranger_address)
        ours.packets.read_all()
        assert ours.packets.read_count == 0
        assert ours.complaints == []
