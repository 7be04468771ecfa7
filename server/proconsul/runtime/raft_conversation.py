"""A raft connection that another server opened: requests in, replies out in the same order.

Requests are read while earlier ones wait for the disk, up to a limit; then the other side has to
wait. What makes no sense ends the connection.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgpack

from proconsul.errors import ProconsulError
from proconsul.raft import codec
from proconsul.raft.append_codec import AppendReader
from proconsul.raft.codec import CodecError, RpcKind, VersionError
from proconsul.raft.messages import (
    AppendEntries,
    InstallSnapshot,
    Peer,
    PreVote,
    Reply,
    Request,
    RequestVote,
    TimeoutNow,
    Token,
)
from proconsul.raft.pairing import Answering
from proconsul.rpc.value_reader import ValueReader
from proconsul.runtime.logs import logger
from proconsul.runtime.raft_incoming_body import BodyBrokenError, IncomingBody
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.runtime.tapped_stream import TappedStream
from proconsul.wire.msgpack import MsgpackError

SMALL_BYTES_MAX = 64 * 1024  # votes and the like
APPEND_ENTRIES: Final = int(RpcKind.APPEND_ENTRIES)
HEAD_BYTES_MAX = 1024 * 1024  # of an InstallSnapshot: it has the configuration in it

log = logger("raft")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationLimits:
    """What one connection may take."""

    append_bytes_max: int = 128 * 1024 * 1024  # 64 entries of 512 KiB are common at the other side
    snapshot_bytes_max: int = 64 * 1024**3
    open_max: int = 256  # requests without a reply; then no more is read
    open_bytes_max: int = 64 * 1024 * 1024  # of them; a request that is larger waits to be alone
    arrival_s: float = 60.0  # of a request, from its first byte to its last
    silence_s: float = 10.0  # between two pieces of a snapshot, and for a reply to be taken


class SnapshotSink(Protocol):
    """Keeps the body of a snapshot while the node thinks about it."""

    async def receive(
        self, request: InstallSnapshot, size_bytes: int, pieces: AsyncGenerator[bytes, None]
    ) -> None:
        """Put all of it where `Effects.install` finds it by the request's token.

        Raises ProconsulError or OSError to refuse: the leader is told the text. When `pieces`
        raises, or this is cancelled, nothing is to be kept.
        """


class Desk(Protocol):
    """Where requests go: gives each its token, and hears of connections that are gone."""

    def open(self, conversation: "RaftConversation") -> Token:
        """A token by which the reply finds its way back."""

    def take(self, request: Request) -> None:
        """A whole request."""

    def close(self, token: Token) -> None:
        """No reply is wanted any more."""

    def led(self, conversation: "RaftConversation", leader: Peer) -> None:
        """Heartbeats of a leader come in here."""

    def ended(self, conversation: "RaftConversation") -> None:
        """The connection is gone."""


class RaftConversation:
    """`run` it to the end of the connection."""

    def __init__(
        self,
        stream: SocketStream,
        limits: ConversationLimits,
        sink: SnapshotSink,
        desk: Desk,
        sign: Callable[[bytes], bytes],
    ) -> None:
        """`sign` is used with peers that send their ID; see pairing.Signature."""
        self._stream = stream
        self._limits = limits
        self._sink = sink
        self._desk = desk
        self._sign = sign
        self._has_ids = False
        self._values = ValueReader()
        self._appends = AppendReader()
        self._answering = Answering()
        self._open: dict[Token, int] = {}  # what has no reply yet, and its size in bytes
        self._open_bytes = 0
        self._answered = asyncio.Event()
        self._tapped = TappedStream(stream, self._hear)

    async def run(self) -> None:
        """Read until the other side ends, or says what makes no sense. Raises OSError."""
        try:
            await self._converse()
        except (MsgpackError, CodecError, BodyBrokenError) as failure:
            log.warning("a raft connection is closed: %s", failure)
        finally:
            for token in self._open:
                self._desk.close(token)
            self._open.clear()
            self._desk.ended(self)

    def reply(self, reply: Reply) -> None:
        """The node has answered one of the requests."""
        encoded = codec.encode_reply(reply)
        self._answer(reply.token, self._sign(encoded) if self._has_ids else encoded)

    def _answer(self, token: Token, encoded: bytes) -> None:
        self._open_bytes -= self._open.pop(token)
        self._answered.set()
        data = self._answering.answered(token, encoded)
        if data:
            self._stream.push(data)

    # ------------------------------------------------------------ reading

    async def _converse(self) -> None:
        """Take requests until there are no more."""
        while True:
            if self._has_to_wait:
                await self._wait_for_room()
            kind = self._values.next_value(1)  # a type byte is a value, too
            if kind is None:
                if not self._values.pending_bytes:
                    if not await self._listen():
                        return
                    continue
                kind = await self._rest_of_value(1)
            bytes_max = self._bytes_max(kind[0])
            value = self._values.next_value(bytes_max)
            if value is None:
                value = await self._rest_of_value(bytes_max)
            token = self._begin(len(value))
            found = self._appends.read(value, 0) if kind[0] == APPEND_ENTRIES else None
            if found is not None and found.end == len(value):
                self._take_append(found.request(token))
            else:
                await self._take(kind[0], _map(value), token)

    async def _listen(self) -> bool:
        """Wait for a request that `_hear` does not take; False at the end of the connection."""
        data = await self._tapped.read()  # for as long as it takes: nobody asks anything
        self._values.feed(data)
        return bool(data)

    def _hear(self, data: bytes) -> int:
        """Take the entries and heartbeats that are there whole; how many bytes that were."""
        at = 0
        while at < len(data) and data[at] == APPEND_ENTRIES and not self._has_to_wait:
            found = self._appends.read(data, at + 1)
            if found is None or found.end - at - 1 > self._limits.append_bytes_max:
                break
            token = self._begin(found.end - at - 1)
            at = found.end
            self._take_append(found.request(token))
        return at

    def _begin(self, size_bytes: int) -> Token:
        """A token for a request that came in, and is so large without its type byte."""
        token = self._desk.open(self)
        self._open[token] = size_bytes
        self._open_bytes += size_bytes
        self._answering.asked(token)
        return token

    async def _take(self, kind: int, body: codec.Body, token: Token) -> None:
        """Any request, in whatever form."""
        try:
            request = codec.decode_request(kind, body, token)
        except VersionError as refused:
            await self._refuse_version(kind, body, token, refused)
            return
        match request:
            case AppendEntries():
                self._appends.expect(request.leader)
                self._take_append(request)
                return
            case InstallSnapshot():
                self._has_ids |= bool(request.leader.id)
                if not await self._receive(request, body):
                    return
            case RequestVote() | PreVote():
                self._has_ids |= bool(request.candidate.id)
            case TimeoutNow():
                pass
        self._desk.take(request)

    def _take_append(self, request: AppendEntries) -> None:
        leader = request.leader
        if leader.id:
            self._has_ids = True
        if request.is_heartbeat:
            self._desk.led(self, leader)
        self._desk.take(request)

    async def _refuse_version(
        self, kind: int, body: codec.Body, token: Token, refused: VersionError
    ) -> None:
        if kind == RpcKind.INSTALL_SNAPSHOT:
            incoming = self._incoming_body(body)
            await incoming.drain()
            self._go_on_behind(incoming)
        self._desk.close(token)
        self._answer(token, codec.encode_error(str(refused)))

    async def _rest_of_value(self, bytes_max: int) -> bytes:
        """The value that has begun, or is about to."""
        async with asyncio.timeout(self._limits.arrival_s):
            while (value := self._values.next_value(bytes_max)) is None:
                data = await self._stream.read()
                if not data:
                    raise BodyBrokenError("it ended inside of a request")
                self._values.feed(data)
        return value

    @property
    def _has_too_many_open(self) -> bool:
        limits = self._limits
        return len(self._open) >= limits.open_max or self._open_bytes > limits.open_bytes_max

    @property
    def _has_to_wait(self) -> bool:
        return self._has_too_many_open or self._stream.is_full

    async def _wait_for_room(self) -> None:
        """Until there are not too many open requests, and the other side takes its replies."""
        while self._has_too_many_open:
            self._answered.clear()
            await self._answered.wait()
        if self._stream.is_full:
            async with asyncio.timeout(self._limits.silence_s):
                await self._stream.writer.drain()

    def _bytes_max(self, kind: int) -> int:
        if kind == APPEND_ENTRIES:
            return self._limits.append_bytes_max
        if kind == RpcKind.INSTALL_SNAPSHOT:
            return HEAD_BYTES_MAX
        if kind in (RpcKind.REQUEST_VOTE, RpcKind.TIMEOUT_NOW, RpcKind.PRE_VOTE):
            return SMALL_BYTES_MAX
        raise CodecError(f"unknown rpc type {kind}")

    # ------------------------------------------------------------ snapshots

    def _incoming_body(self, body: codec.Body) -> IncomingBody:
        size_bytes = codec.snapshot_size(body)
        if size_bytes > self._limits.snapshot_bytes_max:
            raise CodecError(f"a snapshot of {size_bytes} bytes")
        begun = self._values.rest()
        return IncomingBody(self._stream, size_bytes, begun, self._limits.silence_s)

    def _go_on_behind(self, incoming: IncomingBody) -> None:
        self._values = ValueReader()
        self._values.feed(incoming.behind)

    async def _receive(self, request: InstallSnapshot, body: codec.Body) -> bool:
        """Whether the sink has the body; else the leader has been told why not."""
        incoming = self._incoming_body(body)
        refusal = ""
        async with aclosing(incoming.pieces()) as pieces:
            try:
                await self._sink.receive(request, incoming.left_bytes, pieces)
            except BodyBrokenError:
                raise
            except (ProconsulError, OSError) as failure:
                refusal = str(failure)
        if incoming.left_bytes:
            refusal = refusal or "the snapshot was not read to its end"
            await incoming.drain()
        self._go_on_behind(incoming)
        if refusal:
            log.warning("cannot take a snapshot: %s", refusal)
            self._desk.close(request.token)
            self._answer(request.token, codec.encode_error(refusal))
        return not refusal


def _map(value: bytes) -> dict[bytes, Any]:
    try:
        body = msgpack.unpackb(value, raw=True, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as failure:
        raise CodecError(f"not msgpack: {failure!r}") from failure
    if not isinstance(body, dict):
        raise CodecError("a request is no map")
    return body
