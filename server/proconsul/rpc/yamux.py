"""yamux, version 0: many streams on one connection, either role (wire/rpc.md section 4).

Pure: `receive` takes bytes and gives events, `data_to_send` gives bytes. Control frames go first;
data frames of the streams that may send take turns. A peer that breaks the rules ends the
session with GoAway(1), as HashiCorp's library does, and it cannot make us hold more than a
window for each stream that it may open.
"""

from collections import deque
from collections.abc import Callable

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
from proconsul.rpc.yamux_frame import (
    HEADER_BYTES,
    Flags,
    FrameError,
    GoAwayCode,
    Header,
    Kind,
    decode_header,
)
from proconsul.rpc.yamux_stream import Stream

FRAME_BYTES_MAX = 64 * 1024  # what we put into one data frame, so that streams take turns
BACKLOG_MAX = 256  # streams that nobody has accepted, each way (AcceptBacklog)
STREAMS_MAX = 8192  # that a peer may have open
CONTROL_BYTES_MAX = 1 << 20  # answers that wait because the peer does not read
UNREAD_BYTES_MAX = 64 * 1024 * 1024  # received on all streams together, and not consumed
UNSENT_BYTES_MAX = 128 * 1024 * 1024  # given to send on all together, unless by one stream alone
STREAM_ID_MAX = (1 << 32) - 1
SEND_WINDOW_BYTES_MAX = (1 << 32) - 1


class SessionClosedError(Exception):
    """The session opens no more streams."""


class BacklogFullError(Exception):
    """The peer has accepted too few of our streams: wait for `StreamAccepted`."""


class TooMuchUnsentError(Exception):
    """The peer takes too little on all streams together."""


class StreamClosedError(Exception):
    """A stream is reset, or it was finished from this side."""


class _ProtocolError(Exception):
    """The peer broke a rule."""


class Session:
    """One end of a connection."""

    def __init__(self, *, is_client: bool) -> None:
        """The client is who dialled: its streams have odd numbers."""
        self._next_id = 1 if is_client else 2
        self._streams: dict[int, Stream] = {}
        self._unaccepted: set[int] = set()  # opened by the peer
        self._unacknowledged: set[int] = set()  # opened by us
        self._control: deque[bytes] = deque()
        self._turns: deque[Stream] = deque()  # streams that may want to send
        self._header = bytearray()
        self._payload_left = 0
        self._payload_of: Stream | None = None  # None: nobody wants it
        self._payload_ends = False  # with FIN
        self._unread_bytes = 0
        self._unsent_bytes = 0
        self._pings = 0
        self._leaving = False
        self._peer_leaves = False
        self._events: list[Event] = []
        self.is_over = False

    # ---------------------------------------------------------------- what we do

    @property
    def stream_count(self) -> int:
        """How many streams are open, half or whole."""
        return len(self._streams)

    @property
    def opens_streams(self) -> bool:
        """Whether `open_stream` may work, now or later."""
        ended = self.is_over or self._leaving or self._peer_leaves
        return not ended and self._next_id <= STREAM_ID_MAX

    @property
    def may_open(self) -> bool:
        """Whether `open_stream` would not have to wait for the peer."""
        return len(self._unacknowledged) < BACKLOG_MAX

    def open_stream(self) -> int:
        """The id of a new stream. Raises SessionClosedError, BacklogFullError."""
        if not self.opens_streams:
            raise SessionClosedError("session shutdown")
        if not self.may_open:
            raise BacklogFullError(f"{BACKLOG_MAX} streams wait to be accepted")
        stream = Stream(self._next_id, opened_here=True)
        self._next_id += 2
        self._streams[stream.id] = stream
        self._unacknowledged.add(stream.id)
        self._put(Header(Kind.WINDOW_UPDATE, Flags.SYN, stream.id, 0))
        return stream.id

    def accept(self, stream_id: int) -> None:
        """Take a stream that the peer has opened, unless it has gone again."""
        stream = self._streams.get(stream_id)
        if stream is not None and stream_id in self._unaccepted:
            self._unaccepted.discard(stream_id)
            stream.acknowledged = True
            self._put(Header(Kind.WINDOW_UPDATE, Flags.ACK, stream_id, 0))

    def send(self, stream_id: int, data: bytes) -> None:
        """Give a stream bytes to send, now or when its window allows.

        Raises StreamClosedError, TooMuchUnsentError.
        """
        stream = self._streams.get(stream_id)
        if stream is None or stream.finishing:
            raise StreamClosedError("stream closed")
        others_bytes = self._unsent_bytes - stream.waiting_bytes
        if others_bytes and self._unsent_bytes + len(data) > UNSENT_BYTES_MAX:
            raise TooMuchUnsentError(f"{self._unsent_bytes} bytes wait for the peer")
        if data:
            stream.waiting.append(data)
            stream.waiting_bytes += len(data)
            self._unsent_bytes += len(data)
            self._queue(stream)

    def waiting_bytes(self, stream_id: int) -> int:
        """How much a stream has not sent yet."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.waiting_bytes

    def finish(self, stream_id: int) -> None:
        """Send what waits, then no more (FIN); the peer may go on."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.finishing:
            stream.finishing = True
            self._queue(stream)

    def discard(self, stream_id: int) -> None:
        """Nobody reads a stream any more: what comes in is dropped, so that its end is seen."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.discarding = True
            self._consume(stream, stream.unconsumed_bytes)

    def reset(self, stream_id: int) -> None:
        """Give a stream up at once."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._put(Header(Kind.WINDOW_UPDATE, Flags.RST, stream_id, 0))
            self._forget(stream)

    def consumed(self, stream_id: int, size_bytes: int) -> None:
        """Bytes of `DataReceived` were used."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.discarding:
            assert size_bytes <= stream.unconsumed_bytes, "more than was received"
            self._consume(stream, size_bytes)

    def ping(self) -> int:
        """Ask for a `PingAnswered` with the number returned."""
        number = self._pings
        self._pings = (self._pings + 1) & 0xFFFFFFFF
        self._put(Header(Kind.PING, Flags.SYN, 0, number))
        return number

    def leave(self, code: GoAwayCode) -> None:
        """Open no new streams, and ask the peer to open none: those on their way are taken."""
        self._leaving = True
        self._put(Header(Kind.GO_AWAY, Flags.NONE, 0, code))

    def data_to_send(self, data_bytes_max: int) -> bytes:
        """All control frames, and data frames of about `data_bytes_max` bytes together."""
        pieces = list(self._control)
        self._control.clear()
        left = data_bytes_max
        while left > 0 and self._turns:
            stream = self._turns.popleft()
            stream.has_turn = False
            if self._is_current(stream):
                left -= self._take_turn(stream, pieces)
                self._queue(stream)
        return b"".join(pieces)

    def _take_turn(self, stream: Stream, pieces: list[bytes]) -> int:
        if not stream.waiting_bytes:
            stream.finished = True
            pieces.append(Header(Kind.WINDOW_UPDATE, Flags.FIN, stream.id, 0).encode())
            if stream.is_over:
                self._forget(stream)
            return HEADER_BYTES
        data = stream.take(FRAME_BYTES_MAX)
        self._unsent_bytes -= len(data)
        pieces.append(Header(Kind.DATA, Flags.NONE, stream.id, len(data)).encode())
        pieces.append(data)
        return HEADER_BYTES + len(data)

    # ---------------------------------------------------------------- what the peer does

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes of the connection; what they mean."""
        view = memoryview(data)
        try:
            while view and not self.is_over:
                view = self._take_payload(view) if self._payload_left else self._take_header(view)
            self._check_limits()
        except (_ProtocolError, FrameError) as failure:
            self._put(Header(Kind.GO_AWAY, Flags.NONE, 0, GoAwayCode.PROTOCOL_ERROR))
            self._end(f"yamux: {failure}")
        events, self._events = self._events, []
        return events

    def _check_limits(self) -> None:
        if self.is_over:
            return
        if len(self._control) * HEADER_BYTES > CONTROL_BYTES_MAX:
            raise _ProtocolError("the peer does not read what it asks for")
        if self._unread_bytes > UNREAD_BYTES_MAX:
            raise _ProtocolError("the peer sends more than is read")

    def _take_header(self, view: memoryview) -> memoryview:
        missing = HEADER_BYTES - len(self._header)
        self._header += view[:missing]
        if len(self._header) == HEADER_BYTES:
            header = decode_header(self._header)
            self._header.clear()
            _ON_FRAME[header.kind](self, header)
        return view[missing:]

    def _on_ping(self, header: Header) -> None:
        if header.flags & Flags.SYN:
            self._put(Header(Kind.PING, Flags.ACK, 0, header.length))
        elif header.flags & Flags.ACK:
            self._events.append(PingAnswered(header.length))

    def _on_go_away(self, header: Header) -> None:
        if header.length != GoAwayCode.NORMAL:
            self._end(f"yamux: the peer ended the session with code {header.length}")
            return
        self._peer_leaves = True
        self._events.append(PeerLeaves())

    def _on_data(self, header: Header) -> None:
        stream = self._stream_of(header)
        self._payload_left, self._payload_of = header.length, stream
        self._payload_ends = bool(header.flags & Flags.FIN)
        if stream is None:
            return
        if header.length > stream.receive_window_bytes:
            raise _ProtocolError(
                f"{header.length} bytes for a window of {stream.receive_window_bytes}"
            )
        if stream.peer_finished:
            raise _ProtocolError(f"data for stream {stream.id} after its end")
        stream.receive_window_bytes -= header.length
        if not header.length and self._payload_ends:
            self._peer_finished(stream)

    def _on_window_update(self, header: Header) -> None:
        stream = self._stream_of(header)
        if stream is None:
            return
        stream.send_window_bytes += header.length
        if stream.send_window_bytes > SEND_WINDOW_BYTES_MAX:
            raise _ProtocolError(f"the window of stream {stream.id} grows beyond 32 bits")
        self._queue(stream)
        if header.flags & Flags.FIN:
            self._peer_finished(stream)

    def _stream_of(self, header: Header) -> Stream | None:
        """The stream of a frame, after what the flags do to it; None if it is not there."""
        if header.flags & Flags.SYN:
            self._on_syn(header.stream)
        stream = self._streams.get(header.stream)
        if stream is None:
            return None
        if header.flags & Flags.RST:
            self._forget(stream)
            self._events.append(StreamReset(stream.id))
            return None
        if header.flags & Flags.ACK and stream.id in self._unacknowledged:
            self._unacknowledged.discard(stream.id)
            stream.acknowledged = True
            self._events.append(StreamAccepted(stream.id))
        return stream

    def _on_syn(self, stream_id: int) -> None:
        if stream_id == 0 or stream_id % 2 == self._next_id % 2:
            raise _ProtocolError(f"stream {stream_id} is not the peer's to open")
        if stream_id in self._streams:
            raise _ProtocolError(f"stream {stream_id} is opened twice")
        full = len(self._unaccepted) >= BACKLOG_MAX or len(self._streams) >= STREAMS_MAX
        if full:
            self._put(Header(Kind.WINDOW_UPDATE, Flags.RST, stream_id, 0))
            return
        self._streams[stream_id] = Stream(stream_id, opened_here=False)
        self._unaccepted.add(stream_id)
        self._events.append(StreamOpened(stream_id))

    def _take_payload(self, view: memoryview) -> memoryview:
        piece = view[: self._payload_left]
        self._payload_left -= len(piece)
        stream = self._payload_of
        if stream is not None and self._is_current(stream):
            stream.unconsumed_bytes += len(piece)
            self._unread_bytes += len(piece)
            if stream.discarding:
                self._consume(stream, len(piece))
            else:
                self._events.append(DataReceived(stream.id, bytes(piece)))
            if not self._payload_left and self._payload_ends:
                self._peer_finished(stream)
        return view[len(piece) :]

    def _peer_finished(self, stream: Stream) -> None:
        if stream.peer_finished:
            raise _ProtocolError(f"stream {stream.id} ends twice")
        stream.peer_finished = True
        self._events.append(StreamEnded(stream.id))
        if stream.is_over:
            self._forget(stream)

    # ---------------------------------------------------------------- both

    def _queue(self, stream: Stream) -> None:
        if stream.wants_to_send and not stream.has_turn:
            stream.has_turn = True
            self._turns.append(stream)

    def _consume(self, stream: Stream, size_bytes: int) -> None:
        stream.unconsumed_bytes -= size_bytes
        self._unread_bytes -= size_bytes
        stream.consumed_bytes += size_bytes
        delta = stream.credit()
        if delta:
            self._put(Header(Kind.WINDOW_UPDATE, Flags.NONE, stream.id, delta))

    def _is_current(self, stream: Stream) -> bool:
        return self._streams.get(stream.id) is stream

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.id]
        self._unread_bytes -= stream.unconsumed_bytes
        self._unsent_bytes -= stream.waiting_bytes
        self._unaccepted.discard(stream.id)
        self._unacknowledged.discard(stream.id)

    def _put(self, header: Header) -> None:
        if not self.is_over:
            self._control.append(header.encode())

    def _end(self, reason: str) -> None:
        self.is_over = True
        self._streams.clear()
        self._turns.clear()
        self._events.append(SessionEnded(reason))


_ON_FRAME: dict[Kind, Callable[[Session, Header], None]] = {
    Kind.DATA: Session._on_data,
    Kind.WINDOW_UPDATE: Session._on_window_update,
    Kind.PING: Session._on_ping,
    Kind.GO_AWAY: Session._on_go_away,
}
