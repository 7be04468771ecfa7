"""A yamux session over a connection, and its streams as something to read and write.

What nobody reads is not asked for, and a writer waits while the peer does not read. Both ends ask
every 30 s whether the other one is there, and leave who does not answer.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from proconsul.rpc import yamux
from proconsul.rpc.yamux_events import (
    DataReceived,
    Event,
    PeerLeaves,
    PingAnswered,
    SessionEnded,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReset,
)
from proconsul.rpc.yamux_frame import GoAwayCode
from proconsul.runtime.connection_errors import StreamLostError
from proconsul.runtime.rpc_streams import (
    WRITE_BUFFER_BYTES,
    SocketStream,
)

STREAM_BUFFER_BYTES = 64 * 1024  # of one stream, beyond its window
KEEPALIVE_S = 30.0  # between two pings (yamux KeepAliveInterval)
PING_ANSWER_S = 10.0  # ConnectionWriteTimeout
LINGER_S = 300.0  # how long a peer may leave a stream open that we have closed


class YamuxStream:
    """One stream of a YamuxConnection."""

    def __init__(self, connection: "YamuxConnection", stream_id: int) -> None:
        self._connection = connection
        self.id = stream_id
        self._chunks: deque[bytes] = deque()
        self._ended = False
        self.loss = ""  # why it is lost, once it is
        self._reading: asyncio.Future[None] | None = None
        self.writing: asyncio.Future[None] | None = None  # waits for room

    @property
    def is_usable(self) -> bool:
        """Whether the peer has neither ended nor reset it."""
        return not self._ended and not self.loss

    async def read(self) -> bytes:
        """Some bytes, b"" at the end."""
        while not self._chunks:
            if self.loss:
                raise StreamLostError(self.loss)
            if self._ended:
                return b""
            assert self._reading is None, "one reader at a time"
            self._reading = asyncio.get_running_loop().create_future()
            try:
                await self._reading
            finally:
                self._reading = None
        chunk = self._chunks.popleft()
        self._connection.consumed(self.id, len(chunk))
        return chunk

    async def write(self, data: bytes) -> None:
        """Send, and wait while the peer takes nothing."""
        if self.loss:
            raise StreamLostError(self.loss)
        await self._connection.write(self, data)

    def close(self) -> None:
        """Send what is written, then end; what the peer still sends is dropped."""
        self._chunks.clear()
        self._connection.close_stream(self, peer_has_ended=self._ended)
        self._ended = True

    @property
    def has_unsent(self) -> bool:
        """Whether something that was written waits for the peer."""
        return self._connection.has_unsent(self)

    def abort(self) -> None:
        """Give it up at once."""
        self._connection.reset_stream(self)
        self.lost("stream closed")

    # ------------------------------------------------------------ for the connection

    def received(self, data: bytes) -> None:
        """The peer has sent something."""
        self._chunks.append(data)
        self._wake_reader()

    def ended(self) -> None:
        """The peer sends no more."""
        self._ended = True
        self._wake_reader()

    def lost(self, reason: str) -> None:
        """The stream is no more."""
        self.loss = reason
        self._chunks.clear()
        self._wake_reader()
        self.wake_writer()

    def wake_writer(self) -> None:
        """There is room, or none is needed any more."""
        if self.writing is not None and not self.writing.done():
            self.writing.set_result(None)

    def _wake_reader(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)


class YamuxConnection:
    """Runs a yamux session over a connection; `run` it, and it ends with the connection."""

    def __init__(
        self,
        socket_stream: SocketStream,
        *,
        is_client: bool,
        on_stream: Callable[[YamuxStream], None],
    ) -> None:
        """`on_stream` gets each stream that the peer opens."""
        self._socket = socket_stream
        self._session = yamux.Session(is_client=is_client)
        self._on_stream = on_stream
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, YamuxStream] = {}
        self._lingering: dict[int, float] = {}  # closed by us; until when the peer may not be
        self._writers: set[YamuxStream] = set()  # that wait for room
        self._openers: deque[asyncio.Future[None]] = deque()
        self._flushing: asyncio.Handle | None = None
        self._draining: asyncio.Task[None] | None = None
        self._awaited_ping: int | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.is_lost = False
        self.reason = ""

    @property
    def stream_count(self) -> int:
        """Streams that somebody here uses."""
        return len(self._streams)

    @property
    def opens_streams(self) -> bool:
        """Whether it is of use for another stream: nobody leaves, and it is not lost."""
        return not self.is_lost and self._session.opens_streams

    async def run(self) -> None:
        """Take what comes in until the connection ends; all streams are lost then."""
        self._timers["keepalive"] = self._loop.call_later(KEEPALIVE_S, self._keep_alive)
        try:
            while not self._session.is_over:
                data = await self._socket.read()
                if not data:
                    break
                for event in self._session.receive(data):
                    self._on_event(event)
                self._flush_soon()
        except OSError as failure:
            self.reason = str(failure)
        finally:
            self._end()

    def abort(self, reason: str) -> None:
        """End it at once."""
        self.reason = reason
        self._socket.abort()

    def leave(self) -> None:
        """Ask the peer to go elsewhere with new streams; those that are open go on."""
        self._session.leave(GoAwayCode.NORMAL)
        self._flush_soon()

    async def open_stream(self) -> YamuxStream:
        """A new stream, as soon as the peer's backlog has room. Raises StreamLostError."""
        while not self.is_lost and not self._session.may_open:
            waiting = self._loop.create_future()
            self._openers.append(waiting)
            await waiting
        if self.is_lost:
            raise StreamLostError(self.reason or "session shutdown")
        try:
            stream = YamuxStream(self, self._session.open_stream())
        except yamux.SessionClosedError as failure:
            raise StreamLostError(str(failure)) from failure
        self._streams[stream.id] = stream
        self._flush_soon()
        return stream

    # ------------------------------------------------------------ for the streams

    def consumed(self, stream_id: int, size_bytes: int) -> None:
        """Bytes were read: the peer may send more some time."""
        self._session.consumed(stream_id, size_bytes)
        self._flush_soon()

    async def write(self, stream: YamuxStream, data: bytes) -> None:
        """Send on a stream, and wait while it has too much to send."""
        try:
            self._session.send(stream.id, data)
        except yamux.StreamClosedError as failure:
            raise StreamLostError(str(failure)) from failure
        except yamux.TooMuchUnsentError as failure:
            stream.abort()
            raise StreamLostError(str(failure)) from failure
        self._flush_soon()
        # Much is waited for to the end, so that who stops afterwards cuts nothing off.
        may_wait = STREAM_BUFFER_BYTES if len(data) <= STREAM_BUFFER_BYTES else 0
        while not stream.loss and self._session.waiting_bytes(stream.id) > may_wait:
            stream.writing = self._loop.create_future()
            self._writers.add(stream)
            try:
                await stream.writing
            finally:
                self._writers.discard(stream)
        if stream.loss:
            raise StreamLostError(stream.loss)

    def close_stream(self, stream: YamuxStream, *, peer_has_ended: bool) -> None:
        """Finish a stream that nobody here uses any more."""
        if not self._forget(stream):
            return
        self._session.finish(stream.id)
        self._session.discard(stream.id)
        if not peer_has_ended:
            self._lingering[stream.id] = self._loop.time() + LINGER_S
        self._flush_soon()

    def has_unsent(self, stream: YamuxStream) -> bool:
        """Whether something that was written waits for the peer."""
        return self._session.waiting_bytes(stream.id) > 0

    def reset_stream(self, stream: YamuxStream) -> None:
        """Give a stream up, with what it has not sent."""
        if self._forget(stream):
            self._session.reset(stream.id)
            self._flush_soon()

    def _forget(self, stream: YamuxStream) -> bool:
        """Whether it was still there; after a reset another one may have its number."""
        if self._streams.get(stream.id) is not stream:
            return False
        del self._streams[stream.id]
        return True

    # ------------------------------------------------------------ inside

    def _on_event(self, event: Event) -> None:
        match event:
            case DataReceived() | StreamOpened() | StreamEnded() | StreamReset():
                self._on_stream_event(event)
            case StreamAccepted():
                self._wake_openers()
            case PingAnswered(ping):
                if ping == self._awaited_ping:
                    self._awaited_ping = None
                    self._timers.pop("answer").cancel()
            case SessionEnded(reason):
                self.reason = reason
            case PeerLeaves():
                self._wake_openers()  # in vain; what is open goes on

    def _on_stream_event(
        self, event: DataReceived | StreamOpened | StreamEnded | StreamReset
    ) -> None:
        stream = self._streams.get(event.stream)
        match event:
            case DataReceived(_, data):
                if stream is not None:
                    stream.received(data)
            case StreamOpened(stream_id):
                self._session.accept(stream_id)
                opened = self._streams[stream_id] = YamuxStream(self, stream_id)
                self._on_stream(opened)
            case StreamEnded(stream_id):
                self._lingering.pop(stream_id, None)
                if stream is not None:
                    stream.ended()
            case StreamReset(stream_id):
                self._lingering.pop(stream_id, None)
                if stream is not None:
                    del self._streams[stream_id]
                    stream.lost("stream reset")
                self._wake_openers()

    def _wake_openers(self) -> None:
        while self._openers:
            waiting = self._openers.popleft()
            if not waiting.done():
                waiting.set_result(None)

    def _flush_soon(self) -> None:
        # What is said in one turn of the loop leaves as one piece.
        if self._flushing is None and not self.is_lost:
            self._flushing = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = None
        if self._draining is not None or self.is_lost:
            return
        writer = self._socket.writer
        while data := self._session.data_to_send(WRITE_BUFFER_BYTES):
            writer.write(data)
            if writer.transport.get_write_buffer_size() > WRITE_BUFFER_BYTES:
                self._draining = self._loop.create_task(self._drain())
                break
        for stream in self._writers:
            stream.wake_writer()

    async def _drain(self) -> None:
        try:
            await self._socket.writer.drain()
        except OSError:
            return  # `run` sees it, too
        finally:
            self._draining = None
        self._flush()

    def _keep_alive(self) -> None:
        now_s = self._loop.time()
        for stream_id, until_s in list(self._lingering.items()):
            if until_s <= now_s:
                del self._lingering[stream_id]
                self._session.reset(stream_id)
        self._awaited_ping = self._session.ping()
        self._timers["answer"] = self._loop.call_later(
            PING_ANSWER_S, self.abort, "keepalive timeout"
        )
        self._timers["keepalive"] = self._loop.call_later(KEEPALIVE_S, self._keep_alive)
        self._flush_soon()

    def _end(self) -> None:
        self._flush()  # the GoAway, if the session has ended with one
        self.is_lost = True
        for timer in self._timers.values():
            timer.cancel()
        if self._flushing is not None:
            self._flushing.cancel()
        if self._draining is not None:
            self._draining.cancel()
        for stream in self._streams.values():
            stream.lost(self.reason or "EOF")
        self._streams.clear()
        self._wake_openers()
        self._socket.close()
