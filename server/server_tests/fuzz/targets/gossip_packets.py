"""Gossip by UDP: datagrams as they come, and messages that are wrapped here before they are opened.

The first byte of an input says which, and in what pool; so changes come through checksums,
compression and seals, too.
"""

import binascii

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proconsul.gossip import fields, framing, lzw, packets
from proconsul.gossip.failure import PacketError
from proconsul.gossip.framing import Framing, Opened
from proconsul.gossip.keyring import NONCE_BYTES, Keyring
from proconsul.gossip.packets import Kind
from proconsul.gossip.settings import GossipSettings
from server_tests.fuzz.msgpack_mutation import MSGPACK
from server_tests.fuzz.mutation import ANY_BYTES
from server_tests.fuzz.records import RECORDS, in_a_record, join, split
from server_tests.fuzz.target import Target, promise
from server_tests.gossip.captured import SOUND, capture
from server_tests.gossip.lzw_codes import compress

KEYS = (bytes(range(32)), bytes(16))
LABEL = b"pool"
PARTS_MAX = 300
LZW_BYTES_MAX = 600
_LENIENT = GossipSettings(encrypt_verify_incoming=False, encrypt_verify_outgoing=False)
POOLS = (
    Framing(None, GossipSettings(), bytes),
    Framing(Keyring(KEYS), GossipSettings(), bytes),
    Framing(Keyring(KEYS), _LENIENT, bytes),
    Framing(Keyring(KEYS), GossipSettings(label=LABEL), bytes),
)

_WRAPPED, _COMPOUND, _COMPRESSED, _CHECKSUM, _OLD_SEAL, _CLEAR_FIRST = 4, 8, 16, 32, 64, 128


def _open(pool: Framing, datagram: bytes) -> Opened | None:
    """What is read, within its limits; None if nothing can be."""
    try:
        opened = pool.open(datagram)
    except PacketError as failure:
        promise(bool(str(failure)), "it says why")
        return None
    promise(len(opened.messages) <= framing.PARTS_MAX + 1, "not too many messages")
    promise(len(opened.complaints) <= framing.COMPLAINTS_MAX, "not too many complaints")
    promise(bool(opened.messages) or not opened.complaints, "something was read")
    for message in opened.messages:
        promise(packets.decode(packets.encode(message)) == message, "read as it was written")
    return opened


def _wrapped(options: int, parts: list[bytes]) -> bytes:
    """What peers of all versions put around their messages."""
    plain = packets.compound(parts[:255]) if options & _COMPOUND or len(parts) != 1 else parts[0]
    if options & _COMPRESSED:
        packed = compress(plain, clear_first=bool(options & _CLEAR_FIRST))
        plain = bytes([Kind.COMPRESS]) + fields.pack({"Algo": 0, "Buf": packed})
    if options & _CHECKSUM:
        plain = bytes([Kind.CHECKSUM]) + binascii.crc32(plain).to_bytes(4, "big") + plain
    if options & 3 == 0:
        return plain
    label = LABEL if options & 3 == 3 else b""
    header = bytes([244, len(label)]) + label if label else b""
    if options & _OLD_SEAL:
        size = 16 - len(plain) % 16
        padded = plain + bytes([size]) * size
        nonce = bytes(NONCE_BYTES)
        return header + b"\0" + nonce + AESGCM(KEYS[1]).encrypt(nonce, padded, label or None)
    return header + Keyring(KEYS).seal(plain, nonce=bytes(NONCE_BYTES), bound=label)


def check(data: bytes) -> None:
    """Open one datagram."""
    options, rest = (data[0] if data else 0), data[1:]
    pool = POOLS[options & 3]
    if not options & _WRAPPED:
        _open(pool, rest)
        _check_lzw(rest, clear_first=bool(options & _CLEAR_FIRST))
        return
    parts = split(rest)[:PARTS_MAX]
    if not parts:
        return
    opened = _open(pool, _wrapped(options, parts))
    sealed = pool.seal(parts[:255], checksum=bool(options & _CHECKSUM))
    promise(len(sealed) <= pool.overhead() + len(_wrapped(_COMPOUND, parts)) + 5, "overhead")
    if not options & _COMPRESSED and len(parts) <= 255:
        as_ours = _wrapped(options & ~(_COMPOUND | _OLD_SEAL), parts)
        promise(_open(pool, sealed) == _open(pool, as_ours), "sealed as others do")
    if plain := _comparable(options, parts):
        promise(opened == _open(POOLS[0], plain), "what is around does not matter")


def _comparable(options: int, parts: list[bytes]) -> bytes:
    """The same without anything around; nothing if then it would mean something else."""
    plain = _wrapped(options & _COMPOUND, parts)
    has_layers = any(one[:1] in _LAYERS for one in parts)
    own_checksum = plain[:1] == bytes([Kind.CHECKSUM])
    return b"" if has_layers or own_checksum else plain


_LAYERS = (bytes([Kind.COMPOUND]), bytes([Kind.COMPRESS]))


def _check_lzw(data: bytes, *, clear_first: bool) -> None:
    some = data[:LZW_BYTES_MAX]
    packed = compress(some, clear_first=clear_first)
    promise(lzw.decompress(packed, len(some)) == some, "decompressed as it was compressed")
    try:
        plain = lzw.decompress(data, LZW_BYTES_MAX)
    except PacketError:
        return
    promise(len(plain) <= LZW_BYTES_MAX, "within the limit")


def seeds() -> list[bytes]:
    """Captured datagrams, and their messages in all kinds of wrapping."""
    made = []
    found: list[bytes] = []
    for name in SOUND:
        sound = capture(name)
        if not sound.keys:
            made += [b"\0" + one for one in sound.datagrams[::8]]
        found += {packets.encode(message) for message in sound.packet_messages()[::8]}
    messages = sorted(set(found), key=len)
    step = max(1, len(messages) // 60)
    for number, message in enumerate(messages[::step]):
        around = (number * 37) & 0xF8 | _WRAPPED | number & 3
        made.append(bytes([around]) + join([message]))
        made.append(bytes([around ^ 0x78]) + join(messages[number : number + 4]))
    made += [b"\0" + one for name in ("errors-plain",) for one in capture(name).datagrams]
    made.append(b"\4" + join([packets.compound([packets.compound([messages[0]] * 9)] * 3)]))
    made += [bytes([number]) + _wrapped(0xFB, [messages[5]]) for number in (1, 2, 3)]
    return made


TARGET = Target(
    name="gossip_packets",
    check=check,
    seeds=seeds,
    mutations=(*MSGPACK, *RECORDS, *map(in_a_record, (*MSGPACK, *ANY_BYTES))),
    size_bytes_max=4000,
)
