"""Gossip by TCP: one message on a stream, as it comes or wrapped here before it is read.

The first byte of an input says which, in what pool, and who dialed.
"""

import zlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proconsul.gossip import fields, streams
from proconsul.gossip.failure import PacketError
from proconsul.gossip.keyring import NONCE_BYTES, SEAL_BYTES, Keyring
from proconsul.gossip.messages import Refusal, StreamMessage
from proconsul.gossip.packets import Kind
from server_tests.fuzz.msgpack_mutation import MSGPACK
from server_tests.fuzz.target import Target, cut, promise
from server_tests.fuzz.targets.gossip_packets import KEYS, LABEL, POOLS
from server_tests.gossip.captured import SOUND, capture
from server_tests.gossip.lzw_codes import compress

_IS_ANSWER, _SEALED, _COMPRESSED, _OLD_SEAL, _CLEAR_FIRST = 4, 8, 16, 32, 64
HELD_BYTES_MAX = 70_000  # of an input of less than that


def _read(options: int, wire: bytes, way: int) -> tuple[StreamMessage | None, bool]:
    """(the message, whether it went wrong)."""
    reader = POOLS[options & 3].stream_reader(is_answer=bool(options & _IS_ANSWER))
    message: StreamMessage | None = None
    for piece in cut(wire, way):
        try:
            found = reader.feed(piece)
        except PacketError as failure:
            promise(bool(str(failure)), "it says why")
            promise(reader.held_bytes == 0, "nothing is held after an error")
            promise(reader.feed(b"more") is None, "nothing is read after an error")
            return None, True
        promise(message is None or found is None, "one message")
        promise(reader.held_bytes <= HELD_BYTES_MAX, "no more is held than came in")
        message = message or found
    if message is not None:
        promise(reader.held_bytes == 0, "nothing is held after the message")
    return message, False


def _wrapped(options: int, plain: bytes) -> bytes:
    """What peers of all versions put around their message."""
    if options & _COMPRESSED:
        packed = compress(plain, clear_first=bool(options & _CLEAR_FIRST))
        plain = bytes([Kind.COMPRESS]) + fields.pack({"Algo": 0, "Buf": packed})
    label = LABEL if options & 3 == 3 else b""
    header = bytes([244, len(label)]) + label if label and not options & _IS_ANSWER else b""
    if options & 3:
        nonce = bytes(NONCE_BYTES)
        if options & _OLD_SEAL:
            size = 16 - len(plain) % 16
            padded = plain + bytes([size]) * size
            head = streams.frame_head(SEAL_BYTES + len(padded))
            sealed = AESGCM(KEYS[1]).encrypt(nonce, padded, head + label)
            plain = head + b"\0" + nonce + sealed
        else:
            head = streams.frame_head(SEAL_BYTES + len(plain))
            plain = head + Keyring(KEYS).seal(plain, nonce=nonce, bound=head + label)
    return header + plain


def check(data: bytes) -> None:
    """Read one stream."""
    options, rest = (data[0] if data else 0), data[1:]
    wire = _wrapped(options, rest) if options & _SEALED else rest
    message, failed = _read(options, wire, 0)
    other = 1 + zlib.crc32(data) % 2
    promise(_read(options, wire, other) == (message, failed), "other pieces, the same message")
    if message is None:
        return
    plain = streams.encode(message)
    promise(_read(_IS_ANSWER, plain, other) == (message, False), "read as it was written")
    pool, is_answer = (0, 1, 3)[len(plain) % 3], options & _IS_ANSWER
    sealed = POOLS[pool].seal_stream(message, is_answer=bool(is_answer))
    promise(_read(pool | is_answer, sealed, 0) == (message, False), "read as it was sealed")


def seeds() -> list[bytes]:
    """Captured streams of both directions, and their messages in all kinds of wrapping."""
    made = []
    found: list[bytes] = []
    for name in (*SOUND, "errors-plain"):
        sound = capture(name)
        if not sound.keys:
            made += [b"\0" + one for one in sound.asks[:8]]
            made += [b"\4" + one for one in sound.answers[:8]]
        if name in SOUND:
            found += {streams.encode(message) for message in sound.stream_messages()}
    messages = sorted(set(found), key=len)
    messages.append(streams.encode(Refusal("no")))
    step = max(1, len(messages) // 24)
    for number, message in enumerate(messages[::step]):
        around = (number * 37) & 0x74 | _SEALED | number & 3
        made += [b"\0" + message, bytes([around]) + message, bytes([around ^ 0x37]) + message]
    made += [bytes([pool]) + _wrapped(pool | 16, messages[0]) for pool in (0, 1, 2, 3)]
    return made


TARGET = Target(
    name="gossip_streams",
    check=check,
    seeds=seeds,
    mutations=MSGPACK,
    size_bytes_max=6000,
    memory_bytes_max=8 << 20,
)
