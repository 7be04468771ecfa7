"""yamux: a session that hears anything, while its side opens, sends, reads and resets.

An input is a byte of options, the side's own acts, and what the peer sends. The acts come at fixed
places of the peer's bytes, so that the same bytes in other pieces must give the same events.
"""

import random
import zlib
from collections import deque
from collections.abc import Iterator

from proconsul.rpc import yamux
from proconsul.rpc.yamux import (
    BacklogFullError,
    Session,
    SessionClosedError,
    StreamClosedError,
)
from proconsul.rpc.yamux_events import (
    DataReceived,
    Event,
    SessionEnded,
    StreamEnded,
    StreamOpened,
    StreamReset,
)
from proconsul.rpc.yamux_frame import (
    HEADER,
    HEADER_BYTES,
    Flags,
    GoAwayCode,
    Header,
    Kind,
    decode_header,
)
from proconsul.rpc.yamux_stream import WINDOW_BYTES
from server_tests.fuzz.mutation import NUMBERS
from server_tests.fuzz.target import Target, cut, promise
from server_tests.rpc.captured import client_bytes, server_bytes

ACTS_MAX = 63
LOOK_EVERY = 8  # acts
_OPEN, _ACCEPT, _SEND, _FINISH, _DISCARD, _RESET, _CONSUME, _OTHER = range(8)


class Side:
    """A session, who uses it, and what happened."""

    def __init__(self, *, is_client: bool) -> None:
        self.session = Session(is_client=is_client)
        self.events: list[Event] = []
        self.said = bytearray()
        self._known: deque[int] = deque(maxlen=32)  # streams, to be done something with
        self._unread: dict[int, int] = {}

    def hear(self, data: bytes) -> None:
        """From the peer."""
        for event in self.session.receive(data):
            match event:
                case StreamOpened(stream):
                    self._known.append(stream)
                    self._unread.pop(stream, None)  # of an earlier one
                case DataReceived(stream, piece):
                    promise(bool(piece), "no event without a byte")
                    self._unread[stream] = self._unread.get(stream, 0) + len(piece)
                case StreamReset(stream):
                    self._unread.pop(stream, None)
                case _:
                    pass
            self._note(event)

    def _note(self, event: Event) -> None:
        last = self.events[-1] if self.events else None
        match last, event:
            case DataReceived(before, data), DataReceived(stream, more) if before == stream:
                self.events[-1] = DataReceived(stream, data + more)
                return
        promise(not isinstance(last, SessionEnded), "the end is the last")
        self.events.append(event)

    def act(self, act: int) -> None:
        """Do something of one's own."""
        kind, argument = act & 7, act >> 3
        stream = self._known[argument % len(self._known)] if self._known else argument
        try:
            self._do(kind, argument, stream)
        except (SessionClosedError, BacklogFullError, StreamClosedError) as refused:
            promise(bool(str(refused)), "it says why")

    def _do(self, kind: int, argument: int, stream: int) -> None:
        session = self.session
        if kind == _OPEN:
            for _ in range(300 if argument == 31 else 1):
                self._known.append(session.open_stream())
        elif kind == _ACCEPT:
            for one in list(self._known):
                session.accept(one)
        elif kind == _SEND:
            session.send(stream, bytes(argument * 2000))
        elif kind == _FINISH:
            session.finish(stream)
        elif kind in (_DISCARD, _RESET):
            (session.discard if kind == _DISCARD else session.reset)(stream)
            self._unread.pop(stream, None)
        elif kind == _CONSUME:
            self._consume()
        else:
            self._do_other(argument)

    def _consume(self) -> None:
        for one, size in self._unread.items():
            if one in self.session._streams:
                self.session.consumed(one, size)
        self._unread.clear()

    def _do_other(self, argument: int) -> None:
        if argument == 0:
            self.session.ping()
        elif argument == 1:
            self.session.leave(GoAwayCode.NORMAL)
        else:
            self.said += self.session.data_to_send(argument * 1000)

    def look(self) -> None:
        """What one connection may hold."""
        session = self.session
        promise(session.stream_count <= yamux.STREAMS_MAX, "not too many streams")
        promise(len(session._unaccepted) <= yamux.BACKLOG_MAX, "not too many that nobody took")
        promise(session.may_open or len(session._unacknowledged) >= yamux.BACKLOG_MAX, "backlog")
        if session.is_over:
            return
        promise(len(session._header) < HEADER_BYTES, "less than a header is held")
        promise(0 <= session._unread_bytes <= yamux.UNREAD_BYTES_MAX, "unread")
        unread = 0
        for stream in session._streams.values():
            unread += stream.unconsumed_bytes
            promise(0 <= stream.unconsumed_bytes <= WINDOW_BYTES, "a window at the most")
            promise(0 <= stream.receive_window_bytes <= WINDOW_BYTES, "what may still come")
            promise(0 <= stream.send_window_bytes <= yamux.SEND_WINDOW_BYTES_MAX, "what may go")
            promise(stream.waiting_bytes == sum(map(len, stream.waiting)), "counted well")
        promise(unread == session._unread_bytes, "the sum of all streams")

    def end(self) -> None:
        """Say what is to be said."""
        while data := self.session.data_to_send(1 << 20):
            self.said += data
        frames = list(frames_of(bytes(self.said)))
        promise(sum(len(one) for one in frames) == len(self.said), "whole frames are said")
        for frame in frames:
            header = decode_header(frame[:HEADER_BYTES])
            promise(header.encode() == frame[:HEADER_BYTES], "a header is written as it is read")
            promise(header.kind is not Kind.DATA or header.length > 0, "no empty data")


def frames_of(data: bytes) -> Iterator[bytes]:
    """The frames in bytes; the last may be cut off, and none need make sense."""
    at = 0
    while at < len(data):
        size = HEADER_BYTES
        if len(data) - at >= HEADER_BYTES:
            _, kind, _, _, length = HEADER.unpack_from(data, at)
            size += length if kind == Kind.DATA else 0
        yield data[at : at + size]
        at += size


def split(data: bytes) -> tuple[int, bytes, bytes]:
    """(options, acts, the peer's bytes)."""
    options = data[0] if data else 0
    count = options >> 1 & ACTS_MAX
    return options, data[1 : 1 + count], data[1 + count :]


def join(options: int, acts: bytes, wire: bytes) -> bytes:
    """The input of these."""
    acts = acts[:ACTS_MAX]
    return bytes([options & 0x81 | len(acts) << 1]) + acts + wire


def check(data: bytes) -> None:
    """Hear and act; the pieces must not matter."""
    options, acts, wire = split(data)
    step = len(wire) // (len(acts) + 1) + 1
    parts = [wire[at : at + step] for at in range(0, len(wire), step)]
    whole = _played(options, acts, parts, 0)
    side = _played(options, acts, parts, 1 + zlib.crc32(data) % 2)
    promise(side.events == whole.events, "other pieces, the same events")
    promise(side.said == whole.said, "other pieces, the same answers")
    ended = [one.stream for one in side.events if isinstance(one, StreamEnded)]
    reset = [one.stream for one in side.events if isinstance(one, StreamReset)]
    promise(len(ended) + len(reset) <= len(wire) // HEADER_BYTES, "an end has a frame")


def _played(options: int, acts: bytes, parts: list[bytes], way: int) -> Side:
    side = Side(is_client=bool(options & 1))
    for number in range(max(len(parts), len(acts))):
        if number < len(acts):
            side.act(acts[number])
        if number < len(parts):
            for piece in cut(parts[number], way):
                side.hear(piece)
        if number % LOOK_EVERY == 0:
            side.look()
    side.look()
    side.end()
    return side


# ---------------------------------------------------------------- changes


def change_frames(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Frames doubled, dropped, exchanged, or taken from another session."""
    options, acts, wire = split(data)
    frames = list(frames_of(wire))
    theirs = list(frames_of(split(other)[2]))
    at = dice.randrange(len(frames) + 1)
    match dice.randrange(5):
        case 0 if frames:
            del frames[at % len(frames)]
        case 1 if frames:
            frames.insert(at, dice.choice(frames))
        case 2 if frames:
            frames[at % len(frames)], frames[-1] = frames[-1], frames[at % len(frames)]
        case 3 if theirs:
            frames.insert(at, dice.choice(theirs))
        case _:
            frames.insert(at, _any_frame(dice))
    return join(options, acts, b"".join(frames))


def _any_frame(dice: random.Random) -> bytes:
    kind = dice.choice(list(Kind))
    flags = Flags(dice.choice((0, 0, 1, 2, 4, 5, 8, dice.randrange(16))))
    length = dice.choice((0, 0, 1, 100, WINDOW_BYTES, dice.choice(NUMBERS))) & 0xFFFFFFFF
    header = Header(kind, flags, dice.randrange(8), length).encode()
    return header + bytes(min(length, 200) if kind is Kind.DATA else 0)


def change_a_header(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """One field of one frame; the payload stays as long as is said, mostly."""
    options, acts, wire = split(data)
    frames = [one for one in frames_of(wire) if len(one) >= HEADER_BYTES]
    if not frames:
        return data
    at = dice.randrange(len(frames))
    version, kind, flags, stream, length = HEADER.unpack_from(frames[at])
    payload = frames[at][HEADER_BYTES:]
    match dice.randrange(8):
        case 0:
            kind = dice.randrange(5)
        case 1 | 2:
            flags ^= 1 << dice.randrange(5)
        case 3 | 4:
            stream = dice.choice((0, 1, 2, 3, 4, stream + 2, 0xFFFFFFFF)) & 0xFFFFFFFF
        case 5:
            version = dice.randrange(2)
        case _:
            length = dice.choice(NUMBERS) & 0xFFFFFFFF
            if length <= 4096:
                payload = (payload + bytes(length))[:length]
    frames[at] = HEADER.pack(version, kind, flags, stream, length) + payload
    return join(options, acts, b"".join(frames))


def change_acts(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """The side does other things, or as the other role."""
    options, acts, wire = split(data)
    if dice.random() < 0.1:
        options ^= 1
    at = dice.randrange(len(acts) + 1)
    act = bytes([dice.randrange(8) | dice.choice((0, 0, 1, 2, dice.randrange(32))) << 3])
    match dice.randrange(3):
        case 0:
            acts = acts[:at] + acts[at + 1 :]
        case 1:
            acts = acts[:at] + act + acts[at + 1 :]
        case _:
            acts = acts[:at] + act + acts[at:]
    return join(options, acts, wire)


# ---------------------------------------------------------------- seeds


def seeds() -> list[bytes]:
    """What a real agent and a real server said, in whole frames."""
    made = []
    for is_client, wire in ((0, client_bytes()), (1, server_bytes())):
        frames = list(frames_of(wire))
        for start in range(0, len(frames), 12):
            part = b"".join(frames[start : start + 12])
            acts = bytes([_OPEN] * 6 + [_ACCEPT, _CONSUME, _SEND | 8, _FINISH])
            made.append(join(is_client, b"", part))
            made.append(join(is_client, acts, part))
    open_and_fill = Header(Kind.WINDOW_UPDATE, Flags.SYN, 1, 0).encode()
    open_and_fill += Header(Kind.DATA, Flags.NONE, 1, 6000).encode() + bytes(6000)
    for flags in (Flags.FIN, Flags.RST):
        end = Header(Kind.DATA, flags, 1, 3).encode() + b"abc"
        made.append(join(0, bytes([_ACCEPT, _DISCARD, _CONSUME]), open_and_fill + end))
    made.append(join(0, b"", Header(Kind.GO_AWAY, Flags.NONE, 0, 0).encode()))
    made.append(join(1, bytes([_OPEN | 31 << 3, _OPEN]), b""))
    return made


TARGET = Target(
    name="yamux",
    check=check,
    seeds=seeds,
    mutations=(change_frames, change_a_header, change_acts),
    memory_bytes_max=16 << 20,  # mostly what the side itself sends
)
