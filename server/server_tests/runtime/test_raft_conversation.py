"""Connections of other servers: requests of real ones, late replies, limits, garbage."""

import asyncio
import dataclasses
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from proconsul.raft import codec
from proconsul.raft.codec import RpcKind
from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    EntryKind,
    Index,
    InstallSnapshot,
    Message,
    PreVote,
    PreVoteReply,
    Reply,
    Request,
    RequestVote,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Term,
    Token,
    VoteReply,
)
from proconsul.raft.messages import Peer as RaftPeer
from proconsul.runtime.raft_transport import LIMITS
from server_tests.runtime.http_site import run_on_uvloop, run_on_virtual_time
from server_tests.runtime.raft_desk import HOST, RaftDesk, raft_desk

GOLDEN = Path(__file__).parent.parent / "golden" / "raft"
ANSWERED = [
    path
    for path in sorted(GOLDEN.glob("*.req.bin"))
    if path.with_name(path.name.replace(".req.", ".resp.")).exists()
]
OLD = RaftPeer(ServerId(""), ServerAddress("old:8300"))
INSTALL = InstallSnapshot(
    token=Token(0),
    term=Term(1),
    leader=OLD,
    snapshot=SnapshotMeta(index=9, term=1),  # type: ignore[arg-type]
)


async def connect(desk: RaftDesk) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(HOST, desk.port)
    writer.write(b"\x01")
    return reader, writer


def heartbeat(sender: RaftPeer = OLD, term: int = 1) -> bytes:
    return codec.encode_request(AppendEntries(token=Token(0), term=Term(term), leader=sender))


def real_reply(path: Path, token: Token) -> Reply:
    data = path.with_name(path.name.replace(".req.", ".resp.")).read_bytes()
    body = msgpack.unpackb(data[1:], raw=True)
    return codec.decode_reply(RpcKind(path.read_bytes()[0]), body, token)


def token_of(message: Message) -> Token:
    return message.token


async def test_what_real_servers_asked_is_answered_as_real_ones_did_byte_for_byte() -> None:
    assert len(ANSWERED) > 10
    async with raft_desk() as desk:
        reader, writer = await connect(desk)
        for path in ANSWERED:
            asked = path.read_bytes()
            for at in range(0, len(asked), 700):
                writer.write(asked[at : at + 700])
                await writer.drain()
            answer = path.with_name(path.name.replace(".req.", ".resp.")).read_bytes()
            if not answer.startswith(b"\xd9") and answer[0] == 0xA0:
                request = await desk.inbox.get()
                desk.transport.reply(real_reply(path, token_of(request)))
                again = msgspec.structs.replace(request, token=Token(0))
                size = len(desk.snapshots.received[-1]) if asked[0] == 2 else 0
                head = codec.encode_request(again, snapshot_size=size)  # type: ignore[arg-type]
                assert asked[: len(head)] == head, path.name
                if size:
                    assert asked[len(head) :] == desk.snapshots.received[-1]
            assert await reader.readexactly(len(answer)) == answer, path.name
        writer.close()


async def test_replies_wait_for_those_of_earlier_requests_of_their_connection_only() -> None:
    async with raft_desk() as desk:
        first_reader, first = await connect(desk)
        other_reader, other = await connect(desk)
        for term in (1, 2, 3):
            first.write(heartbeat(term=term))
        requests = [await desk.inbox.get() for _ in range(3)]
        other.write(heartbeat(term=4))
        aside = await desk.inbox.get()

        def answer(request: Message) -> bytes:
            assert isinstance(request, AppendEntries)
            reply = AppendReply(token=request.token, term=request.term, accepted=True)
            desk.transport.reply(reply)
            return codec.encode_reply(reply)

        late = [answer(requests[2]), answer(requests[1])]
        overtaking = answer(aside)
        assert await other_reader.readexactly(len(overtaking)) == overtaking
        in_order = answer(requests[0]) + late[1] + late[0]
        assert await first_reader.readexactly(len(in_order)) == in_order
        for writer in (first, other):
            writer.close()


async def test_a_peer_that_says_its_id_is_told_ours() -> None:
    async with raft_desk() as desk:
        reader, writer = await connect(desk)
        writer.write(heartbeat(RaftPeer(ServerId("new"), ServerAddress("new:8300"))))
        request = await desk.inbox.get()
        desk.transport.reply(AppendReply(token=request.token, term=Term(1), accepted=True))
        reply = msgpack.unpackb((await reader.read(1000))[1:])
        assert (reply["ID"], reply["Success"]) == ("me", True)
        writer.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x05\x80",
        b"\xc0",
        b"\x00\xc1",
        b"\x00\x90",
        b"\x01\x81\xafProtocolVersion\xa13",
        b"\x01\xdb\x7f\xff\xff\xff" + bytes(70_000),
        b"\x91\x91",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_garbage_ends_the_connection_and_is_told_to_nobody(garbage: bytes) -> None:
    async with raft_desk() as desk:
        reader, writer = await connect(desk)
        writer.write(heartbeat() + garbage)
        request = await desk.inbox.get()
        with suppress(ConnectionResetError):  # of what is behind the garbage nothing is read
            assert await reader.read() == b""
        desk.transport.reply(AppendReply(token=request.token, term=Term(1), accepted=True))
        assert desk.inbox.empty()
        writer.close()


async def test_no_more_is_read_than_may_be_open_and_the_rest_comes_with_the_replies() -> None:
    incoming = dataclasses.replace(LIMITS.incoming, open_max=2)
    async with raft_desk(dataclasses.replace(LIMITS, incoming=incoming)) as desk:
        _, writer = await connect(desk)
        for term in range(1, 6):
            writer.write(heartbeat(term=term))
        await asyncio.sleep(1)
        assert desk.inbox.qsize() == 2
        terms = []
        for _ in range(5):
            request = await desk.inbox.get()
            assert isinstance(request, AppendEntries)
            terms.append(request.term)
            desk.transport.reply(AppendReply(token=request.token, term=Term(1), accepted=True))
        assert terms == [1, 2, 3, 4, 5]
        writer.close()


def mixed(count: int) -> list[Request]:
    """Entries, pieces of a command, heartbeats of two leaders, votes; terms tell them apart."""
    new = RaftPeer(ServerId("new"), ServerAddress("new:8300"))
    made: list[Request] = []
    for number in range(1, count + 1):
        extensions = b"piece" if number % 11 == 0 else b""
        entry = Entry(Index(number), Term(1), EntryKind.COMMAND, b"x" * number, extensions)
        sender = OLD if number % 50 == 0 else new
        if number % 7 == 0:
            request: Request = AppendEntries(token=Token(0), term=Term(number), leader=sender)
        elif number % 13 == 0:
            request = PreVote(
                token=Token(0),
                term=Term(number),
                candidate=sender,
                last_index=Index(3),
                last_term=Term(1),
            )
        else:
            request = AppendEntries(
                token=Token(0),
                term=Term(number),
                leader=sender,
                previous_index=Index(number - 1),
                previous_term=Term(1),
                entries=(entry,) * (number % 20),
                commit_index=Index(number),
            )
        made.append(request)
    return made


@pytest.mark.parametrize("on_loop", [run_on_virtual_time, run_on_uvloop])
@pytest.mark.parametrize("piece_bytes", [1_000_000, 5_000, 333])
def test_whatever_the_pieces_each_request_comes_once_and_in_order(
    on_loop: Callable[[Callable[[], Coroutine[Any, Any, None]]], None], piece_bytes: int
) -> None:
    async def story() -> None:
        asked = mixed(400)
        data = b"".join([codec.encode_request(request) for request in asked])
        async with raft_desk() as desk:
            reader, writer = await connect(desk)
            for at in range(0, len(data), piece_bytes):
                writer.write(data[at : at + piece_bytes])
                await writer.drain()
                while not desk.inbox.empty():
                    answer(desk, desk.inbox.get_nowait(), heard)
                await asyncio.sleep(0)
            while len(heard) < len(asked):
                answer(desk, await desk.inbox.get(), heard)
            assert heard == asked
            answers = msgpack.Unpacker(raw=True)
            terms: list[int] = []
            while len(terms) < len(asked):
                answers.feed(await reader.read(100_000))
                terms += [one[b"Term"] for one in answers if one]
            assert terms == [request.term for request in asked]
            writer.close()

    heard: list[Message] = []
    on_loop(story)


def answer(desk: RaftDesk, request: Message, heard: list[Message]) -> None:
    """As a follower, and note what was asked."""
    heard.append(msgspec.structs.replace(request, token=Token(0)))
    token, term = request.token, request.term  # type: ignore[union-attr]
    if isinstance(request, PreVote):
        desk.transport.reply(PreVoteReply(token=token, term=Term(term or 0), granted=True))
    else:
        desk.transport.reply(AppendReply(token=token, term=Term(term or 0), accepted=True))


async def test_half_a_request_is_not_waited_for_for_ever() -> None:
    async with raft_desk() as desk:
        reader, writer = await connect(desk)
        writer.write(heartbeat()[:-1])
        assert await reader.read() == b""
        writer.close()


async def test_a_snapshot_that_is_refused_is_read_to_its_end_and_the_next_request_is_heard() -> (
    None
):
    async with raft_desk() as desk:
        desk.snapshots.refusal = "no space left on device"
        reader, writer = await connect(desk)
        body = bytes(200_000)
        writer.write(codec.encode_request(INSTALL, snapshot_size=len(body)) + body)
        vote = RequestVote(
            token=Token(0),
            term=Term(2),
            candidate=OLD,
            last_index=Index(9),
            last_term=Term(1),
        )
        writer.write(codec.encode_request(vote))
        request = await desk.inbox.get()
        assert isinstance(request, RequestVote)
        granted = VoteReply(token=request.token, term=Term(2), granted=True)
        desk.transport.reply(granted)
        expected = codec.encode_error("no space left on device") + codec.encode_reply(granted)
        assert await reader.readexactly(len(expected)) == expected
        writer.close()


async def test_a_snapshot_that_breaks_off_is_told_to_nobody() -> None:
    async with raft_desk() as desk:
        reader, writer = await connect(desk)
        writer.write(codec.encode_request(INSTALL, snapshot_size=1000) + bytes(999))
        writer.write_eof()
        assert await reader.read() == b""
        assert desk.inbox.empty()
        assert desk.snapshots.received == []
        writer.close()


async def _replies_to_who_resets() -> None:
    async with raft_desk() as desk:
        for _ in range(20):
            _, writer = await connect(desk)
            for _ in range(100):
                writer.write(heartbeat())
            tokens = [token_of(await desk.inbox.get()) for _ in range(100)]
            at_once = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            writer.transport.abort()
            for token in tokens:  # in each turn that sees it end
                reply = AppendReply(token=token, term=Term(1), accepted=True)
                desk.transport.reply(reply)
                await asyncio.sleep(0)


def test_a_reply_to_a_connection_that_ends_just_then_is_dropped() -> None:
    """On uvloop, where a closed connection does not take what is written to it."""
    run_on_uvloop(_replies_to_who_resets)
