"""A raft connection that another server opened: requests in, replies out in the same order.

Requests are read while earlier ones wait for the disk, up to a limit; then the other side has to
wait. What makes no sense ends the connection.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import msgpack

from proconsul.errors import ProconsulError
from proconsul.raft import codec
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
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.wire.msgpack import MsgpackError

SMALL_BYTES_MAX = 64 * 1024  # votes and the like
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


class BodyBrokenError(ConnectionError):
    """The connection ended inside of a snapshot."""


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
        self._answering = Answering()
        self._open: dict[Token, int] = {}  # what has no reply yet, and its size in bytes
        self._open_bytes = 0
        self._answered = asyncio.Event()
        self._body_left = 0  # bytes of a snapshot that are still to be read

    async def run(self) -> None:
        """Read until the other side ends, or says what makes no sense. Raises OSError."""
        try:
            while (kind := await self._next_value(1, first=True)) is not None:
                await self._take(kind[0])
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

    async def _take(self, kind: int) -> None:
        value = await self._next_value(self._bytes_max(kind))
        assert value is not None, "only in front of a request there may be the end"
        body = _map(value)
        token = self._desk.open(self)
        self._open[token] = len(value)
        self._open_bytes += len(value)
        self._answering.asked(token)
        try:
            request = codec.decode_request(kind, body, token)
        except VersionError as refused:
            await self._refuse_version(kind, body, token, refused)
            return
        self._look_for_id(request)
        if isinstance(request, AppendEntries) and request.is_heartbeat:
            self._desk.led(self, request.leader)
        if isinstance(request, InstallSnapshot) and not await self._receive(request, body):
            return
        self._desk.take(request)

    async def _refuse_version(
        self, kind: int, body: codec.Body, token: Token, refused: VersionError
    ) -> None:
        if kind == RpcKind.INSTALL_SNAPSHOT:
            self._body_left = self._size(body)
            await self._drain_body()
        self._desk.close(token)
        self._answer(token, codec.encode_error(str(refused)))

    def _look_for_id(self, request: Request) -> None:
        match request:
            case AppendEntries() | InstallSnapshot():
                self._has_ids |= bool(request.leader.id)
            case RequestVote() | PreVote():
                self._has_ids |= bool(request.candidate.id)
            case TimeoutNow():
                pass

    async def _next_value(self, bytes_max: int, *, first: bool = False) -> bytes | None:
        """The next msgpack value; a type byte is one, too. None at the end of the connection."""
        if first:
            await self._wait_for_room()
        value = self._values.next_value(bytes_max)
        if value is not None:
            return value
        if first and not self._values.pending_bytes:
            data = await self._stream.read()  # for as long as it takes: nobody asks anything
            if not data:
                return None
            self._values.feed(data)
            if (value := self._values.next_value(bytes_max)) is not None:
                return value
        async with asyncio.timeout(self._limits.arrival_s):
            while (value := self._values.next_value(bytes_max)) is None:
                data = await self._stream.read()
                if not data:
                    raise BodyBrokenError("it ended inside of a request")
                self._values.feed(data)
        return value

    async def _wait_for_room(self) -> None:
        """Until there are not too many open requests, and the other side takes its replies."""
        limits = self._limits
        while len(self._open) >= limits.open_max or self._open_bytes > limits.open_bytes_max:
            self._answered.clear()
            await self._answered.wait()
        if self._stream.is_full:
            async with asyncio.timeout(limits.silence_s):
                await self._stream.writer.drain()

    def _bytes_max(self, kind: int) -> int:
        if kind == RpcKind.APPEND_ENTRIES:
            return self._limits.append_bytes_max
        if kind == RpcKind.INSTALL_SNAPSHOT:
            return HEAD_BYTES_MAX
        if kind in (RpcKind.REQUEST_VOTE, RpcKind.TIMEOUT_NOW, RpcKind.PRE_VOTE):
            return SMALL_BYTES_MAX
        raise CodecError(f"unknown rpc type {kind}")

    # ------------------------------------------------------------ snapshots

    def _size(self, body: codec.Body) -> int:
        size_bytes = codec.snapshot_size(body)
        if size_bytes > self._limits.snapshot_bytes_max:
            raise CodecError(f"a snapshot of {size_bytes} bytes")
        return size_bytes

    async def _receive(self, request: InstallSnapshot, body: codec.Body) -> bool:
        """Whether the sink has the body; else the leader has been told why not."""
        size_bytes = self._body_left = self._size(body)
        refusal = ""
        async with aclosing(self._pieces()) as pieces:
            try:
                await self._sink.receive(request, size_bytes, pieces)
            except BodyBrokenError:
                raise
            except (ProconsulError, OSError) as failure:
                refusal = str(failure)
        if self._body_left:
            refusal = refusal or "the snapshot was not read to its end"
            await self._drain_body()
        if refusal:
            log.warning("cannot take a snapshot: %s", refusal)
            self._desk.close(request.token)
            self._answer(request.token, codec.encode_error(refusal))
        return not refusal

    async def _drain_body(self) -> None:
        """The next request is behind it."""
        async for _ in self._pieces():
            pass

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        """What is left of a body; at its end the reader goes on behind it."""
        if not self._body_left:
            return
        data = self._values.rest()
        while True:
            piece, behind = data[: self._body_left], data[self._body_left :]
            self._body_left -= len(piece)
            if not self._body_left:
                self._values = ValueReader()
                self._values.feed(behind)
            if piece:
                yield piece
            if not self._body_left:
                return
            try:
                async with asyncio.timeout(self._limits.silence_s):
                    data = await self._stream.read()
            except OSError as failure:
                raise BodyBrokenError(f"inside of a snapshot: {failure!r}") from failure
            if not data:
                raise BodyBrokenError("it ended inside of a snapshot")


def _map(value: bytes) -> dict[bytes, Any]:
    try:
        body = msgpack.unpackb(value, raw=True, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as failure:
        raise CodecError(f"not msgpack: {failure!r}") from failure
    if not isinstance(body, dict):
        raise CodecError("a request is no map")
    return body
