"""A pool's streams: one message, one answer, and no patience with who is slow or many."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from proconsul.gossip.address import Address, address_of
from proconsul.gossip.effects import Exchange, Level
from proconsul.gossip.framing import Framing
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import Ack, Ping, PushedNode, PushPull, Refusal, StreamMessage, User
from proconsul.gossip.settings import GossipSettings
from proconsul.gossip.streams import StreamReader
from proconsul.runtime.gossip_sockets import PoolSockets, open_sockets
from proconsul.runtime.gossip_streams import (
    ACCEPTED_MAX,
    ARRIVING_BYTES_MAX,
    AT_ONCE_BYTES,
    Streams,
)
from server_tests.runtime.gossip_node import place

HOST = place(2)
PORT = 8301
ADDRESS = address_of(HOST, PORT)
PATIENCE_S = 10.0

SETTINGS = GossipSettings()
PLAIN = Framing(None, SETTINGS, bytes)
PING = Ping(seq_no=7, node="n1")


def state(members: int) -> PushPull:
    row = PushedNode(
        name="n1",
        address=ADDRESS,
        meta=bytes(100),
        incarnation=1,
        state=0,
        vsn=bytes([1, 5, 2, 2, 5, 4]),
    )
    return PushPull(join=False, nodes=(row,) * members, user_state=b"state")


class ThreadNote:
    """A StreamReader that notes in which thread it works."""

    def __init__(self, reader: StreamReader, threads: list[str]) -> None:
        self._reader = reader
        self._threads = threads

    def feed(self, data: bytes) -> StreamMessage | None:
        self._threads.append(threading.current_thread().name)
        return self._reader.feed(data)


class Desk:
    """What the pool says on streams: pings and states are answered. It keeps the minutes."""

    def __init__(self, framing: Framing = PLAIN) -> None:
        self.framing = framing
        self.ack = b""  # in place of a right one
        self.minutes: list[str] = []
        self.threads: list[str] = []
        self.complaints: list[str] = []
        self.reader: Callable[[StreamReader], object] = lambda reader: ThreadNote(
            reader, self.threads
        )

    def stream_reader(self, *, is_answer: bool) -> StreamReader:
        made: StreamReader = self.reader(self.framing.stream_reader(is_answer=is_answer))  # type: ignore[assignment]
        return made

    def refusal(self, text: str) -> bytes:
        self.minutes.append("refused")
        return self.framing.seal_stream(Refusal(text), is_answer=True)

    def answer(self, message: StreamMessage) -> bytes | None:
        self.minutes.append(f"answered {type(message).__name__}")
        match message:
            case Ping(seq_no=seq_no):
                return self.ack or self.framing.seal_stream(Ack(seq_no=seq_no), is_answer=True)
            case PushPull():
                return self.framing.seal_stream(message, is_answer=True)
            case _:
                return None

    def absorb(self, message: StreamMessage) -> None:
        self.minutes.append(f"absorbed {type(message).__name__}")

    def complain(self, level: Level, text: str) -> None:
        self.complaints.append(f"{level.name} {text}")


@asynccontextmanager
async def streams(desk: Desk, patience_s: float = PATIENCE_S) -> AsyncIterator[Streams]:
    sockets: PoolSockets = open_sockets(HOST, PORT)
    made = Streams(sockets.listening, desk, patience_s, desk.complain)
    try:
        yield made
    finally:
        await made.stop()
        sockets.close()


class Peer:
    """Somebody who dialled."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hear(self, framing: Framing = PLAIN) -> StreamMessage | None:
        """The answer; None: the stream ended without."""
        reader = framing.stream_reader(is_answer=True)
        with suppress(ConnectionResetError):
            while data := await self.reader.read(1 << 16):
                if (message := reader.feed(data)) is not None:
                    return message
        return None

    def close(self) -> None:
        self.writer.close()


async def dial(first: bytes = b"") -> Peer:
    peer = Peer(*await asyncio.open_connection(HOST, PORT))
    peer.writer.write(first)
    return peer


def exchange(
    data: bytes, *, to: Address = ADDRESS, wants_answer: bool = True, patience_s: float = 5.0
) -> Exchange:
    return Exchange(token=1, to=to, data=data, wants_answer=wants_answer, patience_s=patience_s)


def said(message: StreamMessage, framing: Framing = PLAIN) -> bytes:
    return framing.seal_stream(message, is_answer=False)


# -------------------------------------------------------------------- theirs


async def test_a_ping_is_answered_then_taken_in_then_the_stream_ends() -> None:
    desk = Desk()
    async with streams(desk):
        peer = await dial(said(PING))
        assert await peer.hear() == Ack(seq_no=7)
        assert await peer.hear() is None
        assert desk.minutes == ["answered Ping", "absorbed Ping"]
        peer.close()


async def test_what_wants_no_answer_gets_none() -> None:
    desk = Desk()
    async with streams(desk):
        peer = await dial(said(User(b"hello")))
        assert await peer.hear() is None
        assert desk.minutes == ["answered User", "absorbed User"]
        peer.close()


async def test_a_message_may_come_in_pieces() -> None:
    desk = Desk()
    async with streams(desk):
        peer = await dial()
        for byte in said(state(2)):
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert await peer.hear() == state(2)
        peer.close()


@pytest.mark.real_clock
async def test_a_large_state_is_taken_apart_in_another_thread_and_a_small_one_is_not() -> None:
    desk = Desk()
    async with streams(desk):
        small, large = said(state(2)), said(state(2000))
        assert len(small) < AT_ONCE_BYTES < len(large)
        for data, where in ((small, threading.current_thread().name), (large, "gossip-decoder_0")):
            desk.threads.clear()
            peer = await dial(data)
            assert isinstance(await peer.hear(), PushPull)
            assert desk.threads[-1].startswith(where[:-1])
            peer.close()


async def test_beyond_the_limit_of_streams_others_are_closed_and_later_served_again() -> None:
    desk = Desk()
    async with streams(desk) as ours:
        idle = [await dial() for _ in range(ACCEPTED_MAX)]
        await _until(lambda: ours.accepted_count == ACCEPTED_MAX)
        for _ in range(3):
            refused = await dial(said(PING))
            assert await refused.hear() is None
            refused.close()
        assert desk.complaints == [
            f"ERROR memberlist: {ACCEPTED_MAX} streams are open, others are closed"
        ]
        idle.pop().close()
        await _until(lambda: ours.accepted_count < ACCEPTED_MAX)
        served = await dial(said(PING))
        assert await served.hear() == Ack(seq_no=7)
        for peer in (*idle, served):
            peer.close()


async def test_who_says_nothing_or_stops_in_the_middle_is_cut_off() -> None:
    desk = Desk()
    async with streams(desk) as ours:
        loop = asyncio.get_running_loop()
        for first in (b"", said(state(3))[:-1]):
            began_s = loop.time()
            peer = await dial(first)
            assert await peer.hear() is None
            assert loop.time() - began_s == pytest.approx(PATIENCE_S, abs=0.1)
            peer.close()
        await _until(lambda: ours.accepted_count == 0)
        assert desk.minutes == []
        assert all("failed to receive: i/o timeout from=127.0." in one for one in desk.complaints)


async def test_who_takes_no_answer_is_cut_off_too() -> None:
    desk = Desk()
    desk.ack = bytes(32 << 20)
    async with streams(desk, patience_s=0.5) as ours:
        peer = await dial(said(PING))
        await _until(lambda: desk.minutes != [])
        await _until(lambda: ours.accepted_count == 0)
        assert desk.minutes == ["answered Ping"]
        peer.writer.transport.abort()


async def test_what_cannot_be_read_is_answered_with_the_reason() -> None:
    desk = Desk()
    async with streams(desk):
        peer = await dial(b"\xee" * 20)
        assert await peer.hear() == Refusal("Received invalid msgType (238)")
        assert desk.complaints[0].startswith(
            "ERROR memberlist: failed to receive: Received invalid msgType (238) from=127.0."
        )
        peer.close()


async def test_who_is_of_another_pool_gets_no_word() -> None:
    desk = Desk(Framing(None, GossipSettings(label=b"ours"), bytes))
    async with streams(desk):
        peer = await dial(said(PING))
        assert await peer.hear() is None
        assert desk.minutes == []
        assert len(desk.complaints) == 1
        peer.close()


async def test_a_refusal_is_sealed_for_who_has_the_key() -> None:
    ring = Keyring([bytes(16)])
    sealing = Framing(ring, SETTINGS, bytes)
    async with streams(Desk(sealing)):
        peer = await dial(said(PING))
        refused = await peer.hear(sealing)
        assert isinstance(refused, Refusal)
        assert "not encrypted" in refused.text
        peer.close()
        peer = await dial(said(PING, sealing))
        assert await peer.hear(sealing) == Ack(seq_no=7)
        peer.close()


async def test_who_goes_before_the_message_is_whole_is_forgotten() -> None:
    desk = Desk()
    async with streams(desk) as ours:
        peer = await dial(said(state(3))[:-1])
        peer.close()
        await _until(lambda: ours.accepted_count == 0)
        assert (desk.minutes, desk.complaints) == ([], [])


class Endless:
    """A reader for which no message is ever whole."""

    def feed(self, data: bytes) -> None:
        return None


class Hoard:
    """A reader whose message is whole when a quarter of what may arrive has come."""

    def __init__(self) -> None:
        self._missing_bytes = ARRIVING_BYTES_MAX // 4

    def feed(self, data: bytes) -> Ping | None:
        self._missing_bytes -= len(data)
        return PING if self._missing_bytes <= 0 else None


async def test_what_is_whole_counts_until_its_answer_is_taken() -> None:
    desk = Desk()
    desk.ack = bytes(32 << 20)
    desk.reader = lambda reader: Hoard()
    async with streams(desk, patience_s=30.0) as ours:
        others = [await dial(bytes(ARRIVING_BYTES_MAX // 4)) for _ in range(4)]
        await _until(lambda: len(desk.minutes) == 4)
        last = await dial(said(PING))
        assert await last.hear() in (Refusal("too much is arriving at once"), None)
        assert any("too much is arriving at once" in one for one in desk.complaints)
        for peer in (*others, last):
            peer.writer.transport.abort()
        await _until(lambda: ours.accepted_count == 0)
        desk.ack, desk.reader = b"", lambda reader: reader
        served = await dial(said(PING))
        assert await served.hear() == Ack(seq_no=7)
        served.close()


async def test_all_that_arrives_at_once_has_a_limit() -> None:
    desk = Desk()
    desk.reader = lambda reader: Endless()
    async with streams(desk):
        others = [await dial(bytes(ARRIVING_BYTES_MAX // 4)) for _ in range(3)]
        for other in others:
            await other.writer.drain()
        last = await dial(bytes(ARRIVING_BYTES_MAX // 4 + (4 << 20)))
        assert await last.hear() in (Refusal("too much is arriving at once"), None)
        assert any("too much is arriving at once" in one for one in desk.complaints)
        for peer in (*others, last):
            peer.writer.transport.abort()


class Broken:
    """A reader with a mistake in it."""

    def feed(self, data: bytes) -> None:
        raise ZeroDivisionError("a mistake of ours")


async def test_a_mistake_of_ours_costs_one_stream_and_is_told() -> None:
    desk = Desk()
    desk.reader = lambda reader: Broken()
    async with streams(desk):
        peer = await dial(said(PING))
        assert await peer.hear() == Refusal("the message cannot be read")
        assert "ZeroDivisionError" in desk.complaints[0]
        peer.close()


# -------------------------------------------------------------------- ours


@pytest.mark.real_clock
async def test_an_exchange_brings_the_answer() -> None:
    desk = Desk()
    async with streams(desk) as ours:
        assert await ours.exchange(exchange(said(PING))) == (Ack(seq_no=7), "")
        large = state(2000)
        assert await ours.exchange(exchange(said(large))) == (large, "")


async def test_an_exchange_that_wants_no_answer_is_done_when_it_is_said() -> None:
    desk = Desk()
    async with streams(desk) as ours:
        told = exchange(said(User(b"hello")), wants_answer=False)
        assert await ours.exchange(told) == (None, "")
        await _until(lambda: desk.minutes == ["answered User", "absorbed User"])


async def test_an_exchange_that_fails_says_why_in_gos_words() -> None:
    desk = Desk()
    async with streams(desk) as ours:
        nobody = address_of(HOST, 1)
        found = [
            await ours.exchange(exchange(said(PING), to=nobody)),
            await ours.exchange(exchange(said(User(b"x")))),
            await ours.exchange(exchange(b"", patience_s=3.0)),
            await ours.exchange(exchange(said(PING), to=Address(b"abc", 8301))),
        ]
        assert found == [
            (None, f"dial tcp {HOST}:1: connect: connection refused"),
            (None, "EOF"),
            (None, f"read tcp {HOST}:{PORT}: i/o timeout"),
            (None, "dial tcp ?616263:8301: there is no such address"),
        ]


async def test_an_answer_that_cannot_be_read_is_a_failure_and_a_refusal_an_answer() -> None:
    sealing = Desk(Framing(Keyring([bytes(16)]), SETTINGS, bytes))
    async with streams(sealing) as ours:
        sealing.framing = PLAIN
        message, failure = await ours.exchange(exchange(b"\xee" * 20))
        assert (message, failure) == (Refusal("Received invalid msgType (238)"), "")
        sealing.reader = lambda reader: Broken()
        assert await ours.exchange(exchange(said(PING))) == (None, "the message cannot be read")


async def test_the_end_cuts_off_what_is_open() -> None:
    desk = Desk()
    async with streams(desk) as ours:
        peer = await dial()
        await _until(lambda: ours.accepted_count == 1)
    assert await peer.hear() is None
    with pytest.raises(ConnectionRefusedError):
        await dial()
    peer.close()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
