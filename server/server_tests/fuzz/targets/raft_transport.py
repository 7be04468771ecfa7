"""The raft transport: what another server asks on a connection, and what one answers that we asked.

The first byte of an input chooses the side, the second what our side does meanwhile.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import msgspec

from proconsul.errors import ProconsulError
from proconsul.raft import codec
from proconsul.raft.append_codec import AppendReader
from proconsul.raft.codec import CodecError, RpcKind
from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    EntryKind,
    Index,
    InstallReply,
    InstallSnapshot,
    Lost,
    Peer,
    PreVote,
    PreVoteReply,
    Reply,
    Request,
    RequestVote,
    ServerAddress,
    ServerId,
    Term,
    TimeoutNow,
    TimeoutNowReply,
    Token,
    VoteReply,
)
from proconsul.raft.pairing import REPLY_BYTES_MAX, Asking, PreVotes, Signature
from proconsul.runtime.raft_conversation import ConversationLimits, RaftConversation
from proconsul.runtime.rpc_streams import SocketStream
from server_tests.fuzz.msgpack_mutation import MSGPACK
from server_tests.fuzz.target import Target, cut, promise

GOLDEN = Path(__file__).parents[2] / "golden" / "raft"
LIMITS = ConversationLimits(append_bytes_max=3000, snapshot_bytes_max=30_000, open_max=4)
THEM = Peer(ServerId("them"), ServerAddress("127.0.0.1:8300"))
SIGNATURE = Signature(Peer(ServerId("us"), ServerAddress("127.0.0.2:8300")))
_loop = asyncio.new_event_loop()


class Wire(asyncio.Transport):
    """A connection whose bytes come when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.said = bytearray()
        self._is_closed = False
        reader = asyncio.StreamReader(loop=_loop)
        self._protocol: asyncio.BaseProtocol = asyncio.StreamReaderProtocol(reader, loop=_loop)
        self.stream = SocketStream(
            reader, asyncio.StreamWriter(self, self._protocol, reader, _loop)
        )

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        self._is_closed = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep what is said."""
        self.said += data

    async def bring(self, pieces: Iterator[bytes]) -> None:
        """One after the other, and the end."""
        for piece in pieces:
            await asyncio.sleep(0)
            assert isinstance(self._protocol, asyncio.Protocol)
            self._protocol.data_received(piece)
        assert isinstance(self._protocol, asyncio.Protocol)
        self._protocol.eof_received()


class Desk:
    """Answers when three requests wait, the first or the last first; may refuse snapshots."""

    def __init__(self, option: int) -> None:
        self._option = option
        self._waiting: list[Request] = []
        self.taken: list[Request] = []
        self.bodies: list[bytes] = []
        self.opened = 0
        self.closed: list[Token] = []
        self.ends = 0
        self.conversation: RaftConversation

    def open(self, conversation: RaftConversation) -> Token:
        """A token for what comes next."""
        self.opened += 1
        return Token(self.opened)

    def take(self, request: Request) -> None:
        """A whole request."""
        self.taken.append(request)
        self._waiting.append(request)
        if len(self._waiting) == LIMITS.open_max - 1:
            self.answer_all()

    def answer_all(self) -> None:
        """What a node says to them."""
        while self._waiting:
            request = self._waiting.pop(0 if self._option & 1 else -1)
            self.conversation.reply(answer_to(request))

    def close(self, token: Token) -> None:
        """Nobody wants its answer."""
        self.closed.append(token)

    def led(self, conversation: RaftConversation, leader: Peer) -> None:
        """A heartbeat."""

    def ended(self, conversation: RaftConversation) -> None:
        """The connection is gone."""
        self.ends += 1

    async def receive(
        self, request: InstallSnapshot, size_bytes: int, pieces: AsyncGenerator[bytes, None]
    ) -> None:
        """The body of a snapshot, unless it is not wanted."""
        if self._option & 2:
            raise ProconsulError("no room")
        if self._option & 4:
            return  # before its end
        body = b""
        async for piece in pieces:
            body += piece
        promise(len(body) == size_bytes, "as many bytes as were said")
        self.bodies.append(body)


def answer_to(request: Request) -> Reply:
    """A reply that fits."""
    token, term = request.token, Term(7)
    match request:
        case AppendEntries():
            return AppendReply(token=token, term=term, accepted=True, last_index=Index(3))
        case RequestVote():
            return VoteReply(token=token, term=term, granted=True)
        case PreVote():
            return PreVoteReply(token=token, term=term, granted=True)
        case InstallSnapshot():
            return InstallReply(token=token, term=term, accepted=True)
        case TimeoutNow():
            return TimeoutNowReply(token=token)


async def _both(conversation: RaftConversation, wire: Wire, pieces: Iterator[bytes]) -> None:
    await asyncio.gather(conversation.run(), wire.bring(pieces))


def _converse(wire_bytes: bytes, option: int, way: int) -> tuple[Desk, bytes]:
    desk = Desk(option)
    wire = Wire()
    desk.conversation = RaftConversation(wire.stream, LIMITS, desk, desk, SIGNATURE.sign)
    _loop.run_until_complete(_both(desk.conversation, wire, cut(wire_bytes, way)))
    wire.close()
    promise(desk.ends == 1, "one end")
    promise(not desk.conversation._open, "nothing is open after the end")
    promise(len(desk.taken) <= desk.opened, "each request has its token")
    return desk, bytes(wire.said)


def _check_conversation(wire: bytes, option: int, way: int) -> None:
    whole, said = _converse(wire, option, 0)
    pieces, said_then = _converse(wire, option, way)
    promise(whole.taken == pieces.taken, "other pieces, the same requests")
    promise(whole.bodies == pieces.bodies, "and snapshots")
    promise(said == said_then, "and answers")
    for request in whole.taken:
        _check_request(request)


def _fields(entry: Any) -> tuple[Any, ...]:
    assert isinstance(entry, Entry), "all else msgspec knows"
    return entry.index, entry.term, entry.kind, entry.data, entry.extensions


def _entry(entry_type: type[Any], fields: Any) -> Entry:
    assert entry_type is Entry, "all else msgspec knows"
    form = tuple[Index, Term, EntryKind, bytes, bytes]
    return Entry(*msgspec.convert(fields, form))


def _check_request(request: Request) -> None:
    plain = msgspec.to_builtins(request, builtin_types=(bytes,), enc_hook=_fields)
    typed = msgspec.convert(plain, type(request), dec_hook=_entry)
    promise(typed == request, "each field has its type")
    if isinstance(request, PreVote) and not request.candidate.id:
        return  # who knows pre-vote has an id; without one the address is not written
    encoded = codec.encode_request(request)
    unpacker = codec.unpacker(1 << 20)
    unpacker.feed(encoded[1:])
    again = codec.decode_request(encoded[0], unpacker.unpack(), request.token)
    promise(again == request, "a request is read as it was written")
    if isinstance(request, AppendEntries):
        _check_quick_reading(request, encoded)


def _check_quick_reading(request: AppendEntries, encoded: bytes) -> None:
    reader = AppendReader()
    reader.expect(request.leader)
    found = reader.read(encoded, 1)
    if found is not None:
        promise(found.request(request.token) == request, "read quickly, it is the same")
        promise(found.end == len(encoded), "and ends where it ends")


# ---------------------------------------------------------------- replies

ASKED: tuple[Request, ...] = (
    AppendEntries(
        token=Token(0),
        term=Term(2),
        leader=THEM,
        entries=(Entry(Index(5), Term(2), EntryKind.COMMAND, b"x", b"y"),),
        commit_index=Index(4),
    ),
    RequestVote(
        token=Token(0), term=Term(2), candidate=THEM, last_index=Index(4), last_term=Term(1)
    ),
    PreVote(token=Token(0), term=Term(2), candidate=THEM, last_index=Index(4), last_term=Term(1)),
    TimeoutNow(token=Token(0), term=Term(2)),
)


def _ask(wire: bytes, option: int, way: int) -> tuple[list[Reply | Lost], bool]:
    asking = Asking("them" if option & 1 else "", PreVotes())
    asked = [
        msgspec.structs.replace(ASKED[(option + number) % len(ASKED)], token=Token(number + 1))
        for number in range(6)
    ]
    for request in asked:
        asking.asked(request, 1.0)
    outcomes: list[Reply | Lost] = []
    failed = False
    try:
        for piece in cut(wire, way):
            for outcome in asking.feed(piece):
                outcomes.append(outcome)  # noqa: PERF402 - it may fail in between
    except CodecError:
        failed = True
    outcomes += asking.end(closed_by_peer=bool(option & 2))
    tokens = [outcome.token for outcome in outcomes]
    promise(tokens == [request.token for request in asked], "one outcome each, in their order")
    for outcome in outcomes:
        plain = msgspec.to_builtins(outcome)
        promise(msgspec.convert(plain, type(outcome)) == outcome, "each field has its type")
    return outcomes, failed


def _check_replies(wire: bytes, option: int, way: int) -> None:
    promise(len(wire) < REPLY_BYTES_MAX, "what is longer fails by its length alone")
    promise(_ask(wire, option, 0) == _ask(wire, option, way), "other pieces, the same replies")


def check(data: bytes) -> None:
    """One connection."""
    kind, option, wire = data[:1], data[1:2] or b"\0", data[2:]
    way = 1 + (option[0] >> 7)
    if kind and kind[0] % 2:
        _check_replies(wire, option[0], way)
    else:
        _check_conversation(wire, option[0], way)


def seeds() -> list[bytes]:
    """What real servers asked and answered, each and one behind the other."""
    requests = [path.read_bytes() for path in sorted(GOLDEN.glob("*.req.bin"))]
    replies = [path.read_bytes() for path in sorted(GOLDEN.glob("*.resp.bin"))]
    small = [one for one in requests if len(one) < 2000]
    made = [b"\0\0" + one for one in requests]
    made += [b"\0" + bytes([option]) + b"".join(small) for option in (0, 1, 128, 129)]
    made += [b"\1" + bytes([option]) + one for one in replies for option in range(4)]
    made += [b"\1" + bytes([128 | option]) + b"".join(replies[:6]) for option in range(4)]
    made.append(b"\1\2" + codec.encode_error("unexpected command"))
    pre_vote = codec.encode_request(ASKED[2])
    install = next(one for one in requests if one[0] == RpcKind.INSTALL_SNAPSHOT)
    made += [b"\0" + bytes([option]) + install + pre_vote + pre_vote for option in range(8)]
    made.append(b"\0\0" + pre_vote + codec.encode_request(ASKED[0]))
    made.append(b"\0\0" + codec.encode_request(ASKED[3]) + pre_vote[:20])
    return made


TARGET = Target(
    name="raft_transport",
    check=check,
    seeds=seeds,
    mutations=MSGPACK,
    size_bytes_max=24_000,
)
