"""Calls to other servers: one yamux connection a server, a stream a call (wire/rpc.md section 5).

What happens to an error decides whether a caller may try again: a server's own words come back as
RemoteError, and RpcTransportError says whether the request may have reached anybody.
"""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from msgspec import Struct

from proconsul.errors import RpcError
from proconsul.rpc.first_byte import FirstByte
from proconsul.rpc.msgpack_rpc import (
    Call,
    Reply,
    ReplyReader,
    decode_reply,
    encode_call,
    encode_value,
)
from proconsul.rpc.snapshot_stream import (
    HeadReader,
    NamedSnapshotResponse,
    SnapshotRequest,
    SnapshotResponse,
)
from proconsul.runtime.rpc_streams import SocketStream, open_on
from proconsul.runtime.rpc_yamux import YamuxConnection, YamuxStream
from proconsul.runtime.tls import ClientTls
from proconsul.wire.golang import SECOND
from proconsul.wire.gostruct import GoStruct, WireError, encode
from proconsul.wire.msgpack import MsgpackError

REPLY_BYTES_MAX = 256 * 1024 * 1024
IDLE_STREAMS_MAX = 64  # of one connection, kept for the next calls
JITTER_FRACTION = 16  # what a server adds to the time of a blocking query, at the most


class ClientLimits(Struct, frozen=True, kw_only=True):
    """How long anything may take."""

    dial_s: float = 10.0
    call_s: float = 60.0  # of a call that does not block
    query_default_s: float = 300.0  # of a blocking query that names no time
    query_max_s: float = 600.0
    idle_s: float = 120.0  # after which a connection is closed
    # For the peer's kernel to acknowledge what was sent. TCP would try again in growing pauses,
    # and sit in one of them for as long as a cut lasted after that is over.
    unacknowledged_s: float = 5.0
    snapshot_silence_s: float = 60.0  # between two pieces of an archive


class RemoteError(RpcError):
    """The server refused; `text` is what it said."""

    def __init__(self, text: str) -> None:
        super().__init__(f"rpc error making call: {text}")
        self.text = text


class RpcTransportError(RpcError):
    """No answer came. Was the request `sent`, the server may have done what it asks for."""

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(text)
        self.sent = sent


def can_retry(failure: RpcError, *, is_read: bool) -> bool:
    """Whether the same call may be made again: it did nothing, or doing it twice does no harm."""
    if isinstance(failure, RpcTransportError):
        return is_read or not failure.sent
    return "No cluster leader" in str(failure)


class _Conversation:
    """A stream with its reader, for one call after the other."""

    def __init__(self, stream: YamuxStream) -> None:
        self.stream = stream
        self._reader = ReplyReader(REPLY_BYTES_MAX)

    async def ask(self, call: Call) -> Reply:
        """Raises ConnectionError, MsgpackError, WireError."""
        await self.stream.write(encode_call(call))
        while (reply := self._reader.next_reply()) is None:
            data = await self.stream.read()
            if not data:
                raise ConnectionError("EOF")
            self._reader.feed(data)
        if reply.seq != call.seq:
            raise WireError(f"an answer to call {reply.seq} instead of {call.seq}")
        return reply


class _Link:
    """The connection to one server."""

    def __init__(self, connection: YamuxConnection, running: asyncio.Task[None]) -> None:
        self.connection = connection
        self.running = running
        self.idle: list[_Conversation] = []
        self.busy = 0
        self.closing: asyncio.TimerHandle | None = None

    async def take(self) -> _Conversation:
        """A conversation that waits for a call, or a new one."""
        while self.idle:
            conversation = self.idle.pop()
            if conversation.stream.is_usable:
                return conversation
            conversation.stream.close()
        return _Conversation(await self.connection.open_stream())

    def abort(self, reason: str) -> None:
        """Close it; calls that wait fail."""
        self.connection.abort(reason)
        if self.closing is not None:
            self.closing.cancel()

    def give_back(self, conversation: _Conversation) -> None:
        """It may be used again."""
        if len(self.idle) < IDLE_STREAMS_MAX:
            self.idle.append(conversation)
        else:
            conversation.stream.close()


class RpcClient:
    """Calls servers by the address of their RPC port, `host:port`."""

    def __init__(self, limits: ClientLimits, tls: ClientTls | None) -> None:
        self.tls = tls  # replaced at a reload; open connections stay as they are
        self._limits = limits
        self._links: dict[str, asyncio.Task[_Link]] = {}
        self._all: set[_Link] = set()  # those, too, that take no further calls
        self._sequence = itertools.count(1)
        self._closed = False

    async def call(self, address: str, method: str, request: Any, reply_type: Any) -> Any:
        """Call, and decode the reply as `decode_reply` does. Raises RemoteError, RpcTransportError.

        A blocking query (`min_query_index`) is waited for as long as its server may take.
        """
        patience_s = self._patience_s(request)
        body = await self.call_body(address, method, encode_value(request), patience_s)
        try:
            return decode_reply(reply_type, body)
        except (MsgpackError, WireError) as failure:
            raise RpcTransportError(f"rpc error making call: {failure}", sent=True) from failure

    async def call_body(self, address: str, method: str, body: bytes, patience_s: float) -> bytes:
        """The same for who has the arguments in bytes and wants the reply in bytes."""
        link = await self._link(address)
        link.busy += 1
        try:
            return await self._call_on(link, method, body, patience_s)
        finally:
            link.busy -= 1
            self._watch_idle(address, link)

    async def _call_on(self, link: _Link, method: str, body: bytes, patience_s: float) -> bytes:
        try:
            async with asyncio.timeout(self._limits.dial_s):
                conversation = await link.take()
        except (ConnectionError, TimeoutError) as failure:
            reason = str(failure) or "i/o timeout"
            raise RpcTransportError(f"rpc error getting client: {reason}", sent=False) from failure
        call = Call(next(self._sequence), method, body)
        reply: Reply | None = None
        try:
            async with asyncio.timeout(patience_s):
                reply = await conversation.ask(call)
        except TimeoutError as failure:
            text = f"rpc error making call: no answer to {method} after {patience_s:.0f} s"
            raise RpcTransportError(text, sent=True) from failure
        except (ConnectionError, MsgpackError, WireError) as failure:
            raise RpcTransportError(f"rpc error making call: {failure}", sent=True) from failure
        finally:
            # As Consul 1.8 does, a stream is used again only after a call that went well.
            if conversation.stream.has_unsent:
                conversation.stream.abort()
            elif reply is None or reply.error:
                conversation.stream.close()
            else:
                link.give_back(conversation)
        if reply.error:
            raise RemoteError(reply.error)
        return reply.body

    async def save_snapshot(
        self, address: str, request: SnapshotRequest
    ) -> tuple[SnapshotResponse, AsyncIterator[bytes]]:
        """The server's response and its archive. Raises RemoteError, RpcTransportError.

        The archive's iterator must be read to its end, or closed.
        """
        stream = await self._open(address, FirstByte.SNAPSHOT)
        try:
            await stream.write(encode(request))
            stream.finish()
            response, first = await self._snapshot_response(stream)
        except OSError as failure:
            stream.abort()
            raise RpcTransportError(f"rpc error making call: {failure}", sent=True) from failure
        except BaseException:
            stream.abort()
            raise
        return response, self._download(stream, first)

    async def restore_snapshot(
        self, address: str, request: SnapshotRequest, archive: AsyncIterator[bytes]
    ) -> NamedSnapshotResponse:
        """Send an archive to be restored. Raises RemoteError, RpcTransportError."""
        stream = await self._open(address, FirstByte.SNAPSHOT)
        try:
            await stream.write(encode(request))
            async for piece in archive:
                await stream.write(piece)
            stream.finish()
            response, _ = await self._snapshot_response(stream)
        except OSError as failure:
            raise RpcTransportError(f"rpc error making call: {failure}", sent=True) from failure
        finally:
            stream.abort()
        return response

    def drop(self, address: str) -> None:
        """Give up the connection to a server that does not answer; the next call dials anew."""
        task = self._links.get(address)
        if task is not None and task.done() and _is_good(task):
            del self._links[address]
            task.result().abort("no answer")

    async def close(self) -> None:
        """Close all connections; calls that wait fail."""
        self._closed = True
        for task in list(self._links.values()):
            task.cancel()
            await asyncio.wait({task})
        self._links.clear()
        for link in list(self._all):
            link.abort("client closed")
            await asyncio.wait({link.running})

    # ------------------------------------------------------------ inside

    def _patience_s(self, request: Any) -> float:
        limits = self._limits
        if not isinstance(request, GoStruct) or not getattr(request, "min_query_index", 0):
            return limits.call_s
        asked_s = getattr(request, "max_query_time", 0) / SECOND
        waits_s = min(asked_s, limits.query_max_s) if asked_s > 0 else limits.query_default_s
        return limits.call_s + waits_s * (1 + 1 / JITTER_FRACTION)

    async def _link(self, address: str) -> _Link:
        """The connection to a server; who comes while it is dialled waits for the same dial."""
        task = self._links.get(address)
        if task is None or (task.done() and not _is_good(task)):
            if self._closed:
                raise RpcTransportError("rpc error getting client: client closed", sent=False)
            task = self._links[address] = asyncio.create_task(self._dial(address))
            task.add_done_callback(_look_at)
        link = await asyncio.shield(task)
        if link.closing is not None:
            link.closing.cancel()
            link.closing = None
        return link

    async def _dial(self, address: str) -> _Link:
        unacknowledged_s = self._limits.unacknowledged_s
        stream = await self._open(address, FirstByte.MULTIPLEX_V2, unacknowledged_s)
        connection = YamuxConnection(stream, is_client=True, on_stream=_refuse)
        link = _Link(connection, asyncio.create_task(connection.run()))
        self._all.add(link)
        link.running.add_done_callback(lambda _: self._all.discard(link))
        return link

    def _watch_idle(self, address: str, link: _Link) -> None:
        if not link.busy and link.closing is None and not link.connection.is_lost:
            loop = asyncio.get_running_loop()
            link.closing = loop.call_later(self._limits.idle_s, self._close_idle, address, link)

    def _close_idle(self, address: str, link: _Link) -> None:
        task = self._links.get(address)
        if task is not None and task.done() and _is_good(task) and task.result() is link:
            del self._links[address]
        link.connection.abort("idle")

    async def _open(
        self, address: str, first: FirstByte, unacknowledged_s: float = 0.0
    ) -> SocketStream:
        try:
            async with asyncio.timeout(self._limits.dial_s):
                return await dial(address, first, self.tls, unacknowledged_s)
        except (OSError, ValueError) as failure:  # TimeoutError is an OSError
            reason = str(failure) or "i/o timeout"
            text = f"rpc error getting client: failed to get conn: dial tcp {address}: {reason}"
            raise RpcTransportError(text, sent=False) from failure

    async def _snapshot_response(self, stream: SocketStream) -> tuple[NamedSnapshotResponse, bytes]:
        reader = HeadReader(NamedSnapshotResponse)
        try:
            while True:
                async with asyncio.timeout(self._limits.snapshot_silence_s):
                    data = await stream.read()
                if not data:
                    raise ConnectionError("EOF")
                head = reader.feed(data)
                if head is not None:
                    break
        except (OSError, MsgpackError, WireError) as failure:
            text = f"failed to decode response: {str(failure) or 'i/o timeout'}"
            raise RpcTransportError(text, sent=True) from failure
        if head[0].error:
            raise RemoteError(head[0].error)
        return head

    async def _download(self, stream: SocketStream, first: bytes) -> AsyncIterator[bytes]:
        try:
            if first:
                yield first
            while True:
                async with asyncio.timeout(self._limits.snapshot_silence_s):
                    data = await stream.read()
                if not data:
                    return
                yield data
        except OSError as failure:
            raise RpcTransportError(f"snapshot stream: {failure}", sent=True) from failure
        finally:
            stream.abort()


async def dial(
    address: str, first: FirstByte, tls: ClientTls | None, unacknowledged_s: float = 0.0
) -> SocketStream:
    """A connection to an RPC port on which `first` was said. Raises OSError, ValueError.

    It fails when the peer acknowledges nothing for `unacknowledged_s`, or has no room; 0: never.
    """
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    infos = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    family, kind, protocol, _, where = infos[0]
    dialled = socket.socket(family, kind, protocol)
    try:
        dialled.setblocking(False)
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        patience_ms = round(unacknowledged_s * 1000)
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
        await loop.sock_connect(dialled, where)
        if tls is not None:
            await loop.sock_sendall(dialled, bytes([FirstByte.TLS]))
    except BaseException:
        dialled.close()
        raise
    stream = await open_on(
        dialled,
        tls=None if tls is None else tls.context,
        server_hostname=None if tls is None else tls.server_hostname or None,
        is_server=False,
    )
    stream.writer.write(bytes([first]))
    return stream


def _is_good(task: asyncio.Task[_Link]) -> bool:
    if task.cancelled() or task.exception() is not None:
        return False
    return task.result().connection.opens_streams


def _look_at(task: asyncio.Task[_Link]) -> None:
    # Who dialled may have gone meanwhile: that it failed is then nobody's business.
    if not task.cancelled():
        task.exception()


_refuse: Callable[[YamuxStream], None] = YamuxStream.close
"""Servers do not open streams back; one that does is told that nobody listens."""
