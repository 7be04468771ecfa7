"""One message on a TCP stream to bytes and back (wire/gossip/gossip.md section 6).

Around it there may be a label, a sealed frame and compression. A plain message has no length, so
it is read value by value. Values are measured while they come in and built when they are whole;
so a peer makes us hold about what it has sent, and no more than the limits below.
"""

from collections.abc import Generator
from typing import TypeVar

import msgpack

from proconsul.gossip import fields, label, packets
from proconsul.gossip.failure import LabelError, PacketError
from proconsul.gossip.fields import MALFORMED, UINT32_MAX
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import PushPull, Refusal, StreamMessage, User
from proconsul.gossip.packets import Kind

STREAM_BYTES_MAX = 20 << 20  # of a frame, as memberlist has it; and of a message without one
PLAIN_BYTES_MAX = 40 << 20  # of a message when it is decompressed, as memberlist has it
# Four MiB take us a second or more. Twenty thousand members compress to less than one.
COMPRESSED_BYTES_MAX = 4 << 20
NODES_MAX = 100_000  # in a PushPull; a pool of twenty thousand may know some left ones, too
NODE_BYTES_MAX = 64 * 1024  # of one row; one with much meta data has 2 KiB
HEAD_BYTES_MAX = 64 * 1024  # of all that is one map; an error's text is the longest
USER_STATE_BYTES_MAX = 8 << 20  # Serf's part: some 60 bytes a member, and 512 events of 9 KiB
USER_BYTES_MAX = 1 << 20  # of a user message; Serf's have up to 9 KiB

FRAME_HEAD_BYTES = 5
HEADERS_BYTES_MAX = FRAME_HEAD_BYTES + 2 + label.LABEL_BYTES_MAX

T = TypeVar("T")
Reading = Generator[None, None, T]  # stops wherever bytes are missing


def encode(message: StreamMessage) -> bytes:
    """The bytes of a message on a stream."""
    if isinstance(message, User):
        head = fields.pack({"UserMsgLen": len(message.body)})
        return bytes([Kind.USER]) + head + message.body
    return packets.encode(message)


def frame_head(sealed_bytes: int) -> bytes:
    """What stands before so many sealed bytes, and is bound to them."""
    return bytes([Kind.ENCRYPT]) + sealed_bytes.to_bytes(4, "big")


class StreamReader:
    """Reads one message; `feed` it what comes in. Made by `Framing.stream_reader`."""

    def __init__(
        self, *, ring: Keyring | None, verify: bool, pool_label: bytes, is_answer: bool
    ) -> None:
        self._ring = ring
        self._verify = verify
        self._label = pool_label
        self._is_answer = is_answer
        self._source = _Source(STREAM_BYTES_MAX + HEADERS_BYTES_MAX)
        self._reading: Reading[StreamMessage] | None = self._read()

    @property
    def held_bytes(self) -> int:
        """How much has come in that is not decoded yet."""
        return self._source.held_bytes

    def feed(self, data: bytes) -> StreamMessage | None:
        """The message, once it is whole; None: more is to come. Raises PacketError.

        Nothing is read after a message or an error.
        """
        if self._reading is None:
            return None
        try:
            self._source.feed(data)
            next(self._reading)
        except StopIteration as end:
            self._end()
            message: StreamMessage = end.value
            return message
        except PacketError:
            self._end()
            raise
        return None

    def _end(self) -> None:
        self._reading = None
        self._source = _Source(0)

    def _read(self) -> Reading[StreamMessage]:
        """The layers around the message, outermost first."""
        source = self._source
        kind = yield from source.byte()
        if not self._is_answer:
            kind = yield from self._read_label(source, kind)
        if kind == Kind.ENCRYPT:
            source = yield from self._unseal(source)
            kind = yield from source.byte()
        elif self._ring is not None and self._verify:
            raise PacketError("Encryption is configured but remote state is not encrypted")
        if kind == Kind.COMPRESS:
            body = yield from source.value(COMPRESSED_BYTES_MAX + HEAD_BYTES_MAX)
            source = _whole(packets.decompressed(body, PLAIN_BYTES_MAX))
            kind = yield from source.byte()
        message = yield from _read_message(source, kind)
        return message

    def _read_label(self, source: "_Source", kind: int) -> Reading[int]:
        """Check the label, if there is one; the byte behind it."""
        found = b""
        if kind == label.LABEL_KIND:
            size = yield from source.byte()
            if not size:
                raise LabelError("label header cannot be empty when present")
            found = yield from source.take(size)
            kind = yield from source.byte()
        label.check(found, self._label, "stream")
        return kind

    def _unseal(self, source: "_Source") -> "Reading[_Source]":
        if self._ring is None:
            raise PacketError("Remote state is encrypted and encryption is not configured")
        size_bytes = yield from source.take(FRAME_HEAD_BYTES - 1)
        size = int.from_bytes(size_bytes, "big")
        if size > STREAM_BYTES_MAX:
            raise PacketError(f"Remote node state is larger than limit ({size})")
        sealed = yield from source.take(size)
        return _whole(self._ring.open(sealed, bound=frame_head(size) + self._label))


def _read_message(source: "_Source", kind: int) -> Reading[StreamMessage]:
    match kind:
        case Kind.PUSH_PULL:
            pushed = yield from _read_push_pull(source)
            return pushed
        case Kind.USER:
            head = fields.read_fields((yield from source.value(HEAD_BYTES_MAX)))
            size = fields.unsigned(head.get(b"UserMsgLen"), UINT32_MAX)
            _within(size, USER_BYTES_MAX, "bytes of a user message")
            body = yield from source.take(size)
            return User(body)
        case Kind.PING:
            return packets.read_ping(fields.read_fields((yield from source.value(HEAD_BYTES_MAX))))
        case Kind.ACK:
            return packets.read_ack(fields.read_fields((yield from source.value(HEAD_BYTES_MAX))))
        case Kind.REFUSAL:
            found = fields.read_fields((yield from source.value(HEAD_BYTES_MAX)))
            return Refusal(fields.text(found.get(b"Error")))
        case _:
            raise PacketError(f"Received invalid msgType ({kind})")


def _read_push_pull(source: "_Source") -> Reading[PushPull]:
    value = yield from source.value(HEAD_BYTES_MAX)
    head = packets.read_push_pull_head(fields.read_fields(value))
    _within(head.nodes, NODES_MAX, "nodes")
    _within(head.user_state_bytes, USER_STATE_BYTES_MAX, "bytes of user state")
    nodes = []
    for _ in range(head.nodes):
        row = yield from source.value(NODE_BYTES_MAX)
        nodes.append(packets.read_pushed_node(row))
    user_state = yield from source.take(head.user_state_bytes)
    return PushPull(join=head.join, nodes=tuple(nodes), user_state=user_state)


def _within(promised: int, largest: int, what: str) -> None:
    if promised > largest:
        raise PacketError(f"{promised} {what} are announced, at most {largest} are taken")


def _whole(plain: bytes) -> "_Source":
    """A source that holds all that will ever come."""
    source = _Source(len(plain), is_whole=True)
    source.feed(plain)
    return source


class _Source:
    """Bytes that come in pieces, taken out as values and as runs of bytes."""

    def __init__(self, bytes_max: int, *, is_whole: bool = False) -> None:
        self._room = bytes_max  # what may still come
        self._is_whole = is_whole
        self._held = bytearray()
        self._measure: msgpack.Unpacker | None = None  # while values are taken
        self._measured = 0  # bytes of `_held` that the measure has been given
        self._offset = 0  # of `_held` in what it has been given

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            raise PacketError("the message is too large")
        self._held += data

    def _wait(self) -> Reading[None]:
        if self._is_whole:
            raise PacketError("the message ends early")
        yield

    def take(self, size: int) -> Reading[bytes]:
        """So many bytes."""
        while len(self._held) < size:
            yield from self._wait()
        self._measure = None
        return self._cut(size)

    def byte(self) -> Reading[int]:
        """One byte, as a number."""
        return (yield from self.take(1))[0]

    def value(self, bytes_max: int) -> Reading[bytes]:
        """The bytes of one msgpack value, at most so many."""
        if self._measure is None:
            self._measure = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=0)
            self._measured = self._offset = 0
        while (size := self._measure_next(self._measure)) is None:
            if len(self._held) > bytes_max:
                raise PacketError(f"one value has more than {bytes_max} bytes")
            yield from self._wait()
        if size > bytes_max:
            raise PacketError(f"one value has more than {bytes_max} bytes")
        self._measured -= size
        self._offset += size
        return self._cut(size)

    def _measure_next(self, measure: msgpack.Unpacker) -> int | None:
        """The size of the value at the beginning, if it is whole."""
        if self._measured < len(self._held):
            measure.feed(memoryview(self._held)[self._measured :])
            self._measured = len(self._held)
        try:
            measure.skip()
        except msgpack.OutOfData:
            return None
        except MALFORMED as failure:
            raise fields.unreadable(failure) from failure
        end: int = measure.tell()
        return end - self._offset

    def _cut(self, size: int) -> bytes:
        piece = bytes(memoryview(self._held)[:size])
        del self._held[:size]
        return piece
