"""What becomes of requests to servers that are gone, silent, old, or not who they should be."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from msgspec.structs import replace

from proconsul.raft import codec
from proconsul.raft.effects import Send
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    InstallReply,
    InstallSnapshot,
    Lost,
    Peer,
    PreVote,
    PreVoteReply,
    Request,
    RequestVote,
    Server,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Term,
    Token,
)
from proconsul.raft.pairing import Signature
from proconsul.runtime.raft_transport import LIMITS
from proconsul.runtime.server_lookup import StoredAddresses
from server_tests.runtime.http_site import run_on_uvloop
from server_tests.runtime.raft_desk import HOST, ME, RaftDesk, raft_desk

HOUR_S = 3600.0
PATIENT = dataclasses.replace(
    LIMITS,
    entries=dataclasses.replace(LIMITS.entries, reply_s=HOUR_S),
    heartbeats=dataclasses.replace(LIMITS.heartbeats, reply_s=HOUR_S),
    votes=dataclasses.replace(LIMITS.votes, reply_s=HOUR_S),
)
"""No silence ends a connection: what ends it is what the server heard."""

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def lost(*tokens: int) -> list[Lost]:
    return [Lost(token=Token(token)) for token in tokens]


def heartbeat(token: int) -> AppendEntries:
    return AppendEntries(token=Token(token), term=Term(3), leader=ME)


def empty(token: int) -> AppendEntries:
    return AppendEntries(token=Token(token), term=Term(3), leader=ME, commit_index=1)  # type: ignore[arg-type]


def pre_vote(token: int) -> PreVote:
    return PreVote(token=Token(token), term=Term(4), candidate=ME, last_index=9, last_term=3)  # type: ignore[arg-type]


def vote(token: int) -> RequestVote:
    return RequestVote(token=Token(token), term=Term(4), candidate=ME, last_index=9, last_term=3)  # type: ignore[arg-type]


@asynccontextmanager
async def peer(talk: Talk) -> AsyncIterator[Server]:
    """A server that says what the test wants."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.readexactly(1) == b"\x01"
            await talk(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, HOST, 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield Server(ServerId("them"), ServerAddress(f"{HOST}:{port}"))
    finally:
        listener.close()


def ask(desk: RaftDesk, server: Server, *requests: Request) -> None:
    for request in requests:
        desk.transport.send(Send(server, request))


async def hear(desk: RaftDesk, count: int) -> list[object]:
    return [await desk.inbox.get() for _ in range(count)]


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1 << 16):
        pass


async def test_requests_to_nobody_are_lost_in_their_order() -> None:
    nobody = Server(ServerId("them"), ServerAddress(f"{HOST}:1"))
    async with raft_desk() as desk:
        ask(desk, nobody, *(empty(token) for token in range(5)))
        assert desk.inbox.empty()  # never from inside the call
        assert await hear(desk, 5) == lost(*range(5))
        ask(desk, nobody, empty(5))  # in the pause after the dial that failed
        assert await hear(desk, 1) == lost(5)


async def test_a_silent_server_loses_all_that_is_under_way_and_all_behind_it() -> None:
    async with raft_desk() as desk, peer(silence) as server:
        began_s = asyncio.get_running_loop().time()
        ask(desk, server, *(empty(token) for token in range(200)))
        assert await hear(desk, 200) == lost(*range(200))
        assert asyncio.get_running_loop().time() - began_s >= 10
        ask(desk, server, empty(200))  # on another connection, where nothing of the first comes
        assert await hear(desk, 1) == lost(200)
        assert desk.inbox.empty()


async def test_more_than_may_wait_is_lost_at_once() -> None:
    async with raft_desk() as desk, peer(silence) as server:
        ask(desk, server, *(empty(token) for token in range(1030)))
        assert await hear(desk, 6) == lost(*range(1024, 1030))


async def test_a_heartbeat_passes_entries_that_the_server_is_slow_to_take() -> None:
    async def slow_with_entries(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unpacker = codec.unpacker(1 << 20)
        kind = await reader.readexactly(1)
        while data := await reader.read(1 << 16):
            unpacker.feed(data)
            for body in unpacker:
                assert kind == b"\x00"
                if isinstance(body, dict) and body[b"LeaderCommitIndex"]:
                    await asyncio.sleep(5)
                if isinstance(body, dict):
                    reply = AppendReply(token=Token(0), term=Term(3), accepted=True)
                    writer.write(codec.encode_reply(reply))

    async with raft_desk() as desk, peer(slow_with_entries) as server:
        ask(desk, server, empty(1), heartbeat(2))
        accepted = [
            AppendReply(token=Token(token), term=Term(3), accepted=True) for token in (2, 1)
        ]
        assert await hear(desk, 2) == accepted


def who_signs(server_id: str) -> Talk:
    """Takes all, and says in each reply who it is."""
    sign = Signature(Peer(ServerId(server_id), ServerAddress(f"{HOST}:8300"))).sign
    reply = AppendReply(token=Token(0), term=Term(3), accepted=True)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unpacker = codec.unpacker(1 << 20)
        while data := await reader.read(1 << 16):
            unpacker.feed(data)
            for body in unpacker:
                if isinstance(body, dict):
                    writer.write(sign(codec.encode_reply(reply)))

    return talk


class Rumours(StoredAddresses):
    """A look-up whose first idea is wrong, and which finds out when it is told."""

    def __init__(self, first: str, found: str) -> None:
        self._known = [first]
        self._found = found

    def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        return self._known

    def unreachable(self) -> None:
        # The wrong one stays among them: it is up to who dials not to prefer it.
        self._known = [self._found, *self._known]


async def test_a_server_in_whose_place_another_answers_is_looked_for_elsewhere() -> None:
    async with peer(who_signs("other")) as wrong, peer(who_signs("them")) as right:
        lookup = Rumours(wrong.address, right.address)
        async with raft_desk(lookup=lookup) as desk:
            ask(desk, wrong, empty(1), empty(2))
            assert await hear(desk, 2) == lost(1, 2)
            ask(desk, wrong, empty(3))  # in the pause: it is as if nobody had answered
            assert await hear(desk, 1) == lost(3)
            await asyncio.sleep(1)
            ask(desk, wrong, empty(4))
            accepted = AppendReply(token=Token(4), term=Term(3), accepted=True)
            assert await hear(desk, 1) == [accepted]


class Sought(StoredAddresses):
    """A look-up that knows one place, and believes what servers say of themselves."""

    def __init__(self, first: str) -> None:
        self.known = [first]

    def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        return self.known

    def heard(self, server_id: ServerId, address: ServerAddress) -> None:
        self.known = [address, *self.known]


async def says_where_it_is(desk: RaftDesk, candidate: Peer) -> None:
    """A server asks for a pre-vote, and waits for no answer."""
    asked = replace(pre_vote(0), candidate=candidate)
    _, writer = await asyncio.open_connection(HOST, desk.port)
    writer.write(b"\x01" + codec.encode_request(asked))
    writer.close()
    await writer.wait_closed()


async def test_connections_to_where_a_server_lived_end_when_it_asks_from_elsewhere() -> None:
    """Nobody answers at the old place, and nobody resets: its machine is gone."""
    async with (
        peer(silence) as old,
        peer(who_signs("them")) as new,
        raft_desk(PATIENT, lookup=Sought(old.address)) as desk,
    ):
        ask(desk, old, empty(1), heartbeat(2), vote(3))
        await asyncio.sleep(0.1)
        assert desk.inbox.empty()
        await says_where_it_is(desk, Peer(old.id, new.address))
        heard = await hear(desk, 4)
        assert isinstance(heard[0], PreVote)
        assert sorted(heard[1:], key=str) == lost(1, 2, 3)
        ask(desk, old, heartbeat(4))
        accepted = AppendReply(token=Token(4), term=Term(3), accepted=True)
        assert await hear(desk, 1) == [accepted]


async def test_connections_to_where_a_server_lived_end_when_it_answers_from_elsewhere() -> None:
    async with peer(silence) as old, peer(who_signs("them")) as new:
        lookup = Sought(old.address)
        async with raft_desk(PATIENT, lookup=lookup) as desk:
            ask(desk, old, empty(1), vote(2))
            await asyncio.sleep(0.1)
            lookup.known = [new.address]
            ask(desk, old, heartbeat(3))  # it has no connection yet
            accepted = AppendReply(token=Token(3), term=Term(3), accepted=True)
            assert await hear(desk, 1) == [accepted]
            assert sorted(await hear(desk, 2), key=str) == lost(1, 2)


async def test_who_is_reached_at_another_address_than_it_says_keeps_its_connections() -> None:
    connections: list[int] = []

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await who_signs("them")(reader, writer)

    async with peer(counted) as server, raft_desk() as desk:
        for token in (1, 2, 3):
            ask(desk, server, empty(token), heartbeat(token + 10))
            assert all(isinstance(one, AppendReply) for one in await hear(desk, 2))
        await says_where_it_is(desk, Peer(server.id, ServerAddress(f"{HOST}:8300")))
        ask(desk, server, empty(4), heartbeat(14))  # it said so before
        await hear(desk, 3)
        assert len(connections) == 2


def old_server(connections: list[list[int]]) -> Talk:
    """Knows no pre-vote, so it closes; anything else it reads and does not answer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kinds: list[int] = []
        connections.append(kinds)
        while data := await reader.read(1 << 16):
            kinds.append(data[0])
            if data[0] == codec.RpcKind.PRE_VOTE:
                return

    return talk


async def test_a_server_without_pre_vote_grants_it_and_is_not_asked_again() -> None:
    connections: list[list[int]] = []
    async with raft_desk() as desk, peer(old_server(connections)) as server:
        for token in (1, 2):
            ask(desk, server, pre_vote(token))
            granted = PreVoteReply(token=Token(token), term=Term(3), granted=True)
            assert await hear(desk, 1) == [granted]
        ask(desk, server, vote(3))
        assert await hear(desk, 1) == lost(3)
        assert connections == [[4], [1]]
    async with raft_desk() as desk:
        ask(desk, server, pre_vote(1))  # it is gone: that is no grant
        assert await hear(desk, 1) == lost(1)


async def test_a_snapshot_is_sent_in_pieces_behind_its_message() -> None:
    received = bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unpacker = codec.unpacker(1 << 20)
        assert await reader.readexactly(1) == b"\x02"
        head = codec.encode_request(request, snapshot_size=300_000)[1:]
        unpacker.feed(await reader.readexactly(len(head)))
        assert codec.snapshot_size(unpacker.unpack()) == 300_000
        received.extend(await reader.readexactly(300_000))
        reply = InstallReply(token=Token(0), term=Term(3), accepted=True)
        writer.write(codec.encode_reply(reply))

    snapshot = SnapshotMeta(index=9, term=1)  # type: ignore[arg-type]
    request = InstallSnapshot(token=Token(7), term=Term(3), leader=ME, snapshot=snapshot)
    async with raft_desk() as desk, peer(take) as server:
        desk.snapshots.body = bytes(range(250)) * 1200
        ask(desk, server, request)
        assert await hear(desk, 1) == [InstallReply(token=Token(7), term=Term(3), accepted=True)]
        assert received == desk.snapshots.body
        ask(desk, Server(ServerId("gone"), ServerAddress(f"{HOST}:1")), request)
        assert await hear(desk, 1) == lost(7)


async def _asks_of_who_resets() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cast("asyncio.Transport", writer.transport).pause_reading()  # what is not read is refused
        await asyncio.sleep(0.002)
        writer.transport.abort()

    async with peer(reset) as server, raft_desk() as desk:
        for begin in range(0, 30_000, 1_000):
            number = begin
            ask(desk, server, heartbeat(number))
            while desk.inbox.empty() and number < begin + 900:  # in each turn that sees it end
                number += 1
                ask(desk, server, heartbeat(number))
                await asyncio.sleep(0)
            count = number - begin + 1
            assert await hear(desk, count) == lost(*range(begin, number + 1))


def test_a_connection_that_ends_while_it_is_written_to_loses_requests_and_no_more() -> None:
    """On uvloop, where a closed connection does not take what is written to it."""
    run_on_uvloop(_asks_of_who_resets)
