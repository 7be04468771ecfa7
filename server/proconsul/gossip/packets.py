"""One message of memberlist to bytes and back: a type byte, then mostly one msgpack map.

Which types there are, and their fields: wire/gossip/gossip.md section 2. What comes in is taken
as data, whatever it says: a Vsn of three bytes is decoded, and memberlist refuses it.
"""

import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import assert_never

from msgspec import Struct

from proconsul.gossip import fields, lzw
from proconsul.gossip.address import Address
from proconsul.gossip.failure import PacketError
from proconsul.gossip.fields import UINT8_MAX, UINT16_MAX, UINT32_MAX, Fields
from proconsul.gossip.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Message,
    Nack,
    PacketMessage,
    Ping,
    PushedNode,
    PushPull,
    Refusal,
    Suspect,
    User,
)

PARTS_MAX = 255  # of a compound: their count is one byte


class Kind(IntEnum):
    """The byte in front of a message, and of what messages are wrapped in."""

    PING = 0
    INDIRECT_PING = 1
    ACK = 2
    SUSPECT = 3
    ALIVE = 4
    DEAD = 5
    PUSH_PULL = 6
    COMPOUND = 7
    USER = 8
    COMPRESS = 9
    ENCRYPT = 10
    NACK = 11
    CHECKSUM = 12
    REFUSAL = 13


# ---------------------------------------------------------------- writing


def encode(message: Message) -> bytes:
    """The bytes of a message in a packet; of a PushPull and a Refusal, those on a stream."""
    match message:
        case User():
            return bytes([Kind.USER]) + message.body
        case PushPull():
            return _push_pull(message)
        case _:
            return bytes([_KINDS[type(message)]]) + fields.pack(_body(message))


_KINDS: dict[type[Message], Kind] = {
    Ping: Kind.PING,
    IndirectPing: Kind.INDIRECT_PING,
    Ack: Kind.ACK,
    Nack: Kind.NACK,
    Suspect: Kind.SUSPECT,
    Alive: Kind.ALIVE,
    Dead: Kind.DEAD,
    Refusal: Kind.REFUSAL,
}


def _body(
    message: Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | Refusal,
) -> dict[str, object]:
    match message:
        case Ping():
            body = {"Node": message.node, "SeqNo": message.seq_no} | _source_fields(message)
        case IndirectPing():
            body = _indirect_ping_fields(message)
        case Ack():
            body = {"Payload": message.payload or None, "SeqNo": message.seq_no}
        case Nack():
            body = {"SeqNo": message.seq_no}
        case Suspect() | Dead():
            body = _accusation_fields(message)
        case Alive():
            body = _alive_fields(message)
        case Refusal():
            body = {"Error": message.text}
        case _:
            assert_never(message)
    return body


def _source_fields(message: Ping | IndirectPing) -> dict[str, object]:
    """What older versions leave out, and newer ones when it is empty."""
    body: dict[str, object] = {}
    if message.source is not None:
        body["SourceAddr"] = message.source.ip
    if message.source_node:
        body["SourceNode"] = message.source_node
    if message.source is not None:
        body["SourcePort"] = message.source.port
    return body


def _indirect_ping_fields(message: IndirectPing) -> dict[str, object]:
    return {
        "Nack": message.nack,
        "Node": message.node,
        "Port": message.target.port,
        "SeqNo": message.seq_no,
        **_source_fields(message),
        "Target": message.target.ip,
    }


def _alive_fields(message: Alive) -> dict[str, object]:
    return {
        "Addr": message.address.ip or None,
        "Incarnation": message.incarnation,
        "Meta": message.meta or None,
        "Node": message.node,
        "Port": message.address.port,
        "Vsn": message.vsn or None,
    }


def _accusation_fields(message: Suspect | Dead) -> dict[str, object]:
    return {
        "From": message.accuser,
        "Incarnation": message.incarnation,
        "Node": message.node,
    }


def _push_pull(message: PushPull) -> bytes:
    head = {
        "Join": message.join,
        "Nodes": len(message.nodes),
        "UserStateLen": len(message.user_state),
    }
    rows = [
        fields.pack(
            {
                "Addr": node.address.ip or None,
                "Incarnation": node.incarnation,
                "Meta": node.meta or None,
                "Name": node.name,
                "Port": node.address.port,
                "State": node.state,
                "Vsn": node.vsn or None,
            }
        )
        for node in message.nodes
    ]
    return b"".join([_PUSH_PULL, fields.pack(head), *rows, message.user_state])


def compound(parts: Sequence[bytes]) -> bytes:
    """Several messages as one."""
    assert len(parts) <= PARTS_MAX, "the caller makes several packets"
    sizes = struct.pack(f">{len(parts)}H", *map(len, parts))
    return b"".join([bytes([Kind.COMPOUND, len(parts)]), sizes, *parts])


_PUSH_PULL = bytes([Kind.PUSH_PULL])


# ---------------------------------------------------------------- reading


def decode(data: bytes) -> PacketMessage:
    """The message that is these bytes, nothing around it. Raises PacketError."""
    if not data:
        raise PacketError("missing message type byte")
    kind = data[0]
    if kind == Kind.USER:
        return User(data[1:])
    reader = _READERS.get(kind)
    if reader is None:
        raise PacketError(f"msg type ({kind}) not supported")
    return reader(fields.read_fields(memoryview(data)[1:]))


def _node_address(body: Fields) -> Address:
    return _address(body, b"Addr", b"Port")


def _address(body: Fields, ip: bytes, port: bytes) -> Address:
    return Address(fields.raw(body.get(ip)), fields.unsigned(body.get(port), UINT16_MAX))


def _source(body: Fields) -> Address | None:
    """Where the asker wants the answer; None unless both its halves are there."""
    source = _address(body, b"SourceAddr", b"SourcePort")
    return source if source.ip and source.port else None


def _seq_no(body: Fields) -> int:
    return fields.unsigned(body.get(b"SeqNo"), UINT32_MAX)


def _incarnation(body: Fields) -> int:
    return fields.unsigned(body.get(b"Incarnation"), UINT32_MAX)


def read_ping(body: Fields) -> Ping:
    """A Ping, on a stream too."""
    return Ping(
        seq_no=_seq_no(body),
        node=fields.text(body.get(b"Node")),
        source=_source(body),
        source_node=fields.text(body.get(b"SourceNode")),
    )


def _read_indirect_ping(body: Fields) -> IndirectPing:
    return IndirectPing(
        seq_no=_seq_no(body),
        target=_address(body, b"Target", b"Port"),
        node=fields.text(body.get(b"Node")),
        nack=fields.flag(body.get(b"Nack")),
        source=_source(body),
        source_node=fields.text(body.get(b"SourceNode")),
    )


def read_ack(body: Fields) -> Ack:
    """An Ack, on a stream too."""
    return Ack(seq_no=_seq_no(body), payload=fields.raw(body.get(b"Payload")))


def _read_nack(body: Fields) -> Nack:
    return Nack(seq_no=_seq_no(body))


def _read_suspect(body: Fields) -> Suspect:
    return Suspect(
        incarnation=_incarnation(body),
        node=fields.text(body.get(b"Node")),
        accuser=fields.text(body.get(b"From")),
    )


def _read_dead(body: Fields) -> Dead:
    return Dead(
        incarnation=_incarnation(body),
        node=fields.text(body.get(b"Node")),
        accuser=fields.text(body.get(b"From")),
    )


def _read_alive(body: Fields) -> Alive:
    return Alive(
        incarnation=_incarnation(body),
        node=fields.text(body.get(b"Node")),
        address=_node_address(body),
        meta=fields.raw(body.get(b"Meta")),
        vsn=fields.raw(body.get(b"Vsn")),
    )


_READERS: dict[int, Callable[[Fields], PacketMessage]] = {
    Kind.PING: read_ping,
    Kind.INDIRECT_PING: _read_indirect_ping,
    Kind.ACK: read_ack,
    Kind.SUSPECT: _read_suspect,
    Kind.ALIVE: _read_alive,
    Kind.DEAD: _read_dead,
    Kind.NACK: _read_nack,
}


def split(data: bytes) -> tuple[list[bytes], int]:
    """The parts of a compound (its type byte included), and how many more it should have.

    Raises PacketError if not even their lengths are whole.
    """
    if len(data) < 2:
        raise PacketError("missing compound length byte")
    count = data[1]
    start = 2 + 2 * count
    if len(data) < start:
        raise PacketError("truncated len slice")
    parts: list[bytes] = []
    for size in struct.unpack_from(f">{count}H", data, 2):
        if start + size > len(data):
            break
        parts.append(data[start : start + size])
        start += size
    return parts, count - len(parts)


def decompressed(body: bytes | memoryview, limit: int) -> bytes:
    """What a compressed message (without its type byte) holds, at most `limit` bytes of it.

    Raises PacketError.
    """
    found = fields.read_fields(body)
    algorithm = fields.unsigned(found.get(b"Algo"), UINT8_MAX)
    if algorithm != _LZW:
        raise PacketError(f"Cannot decompress unknown algorithm {algorithm}")
    return lzw.decompress(fields.raw(found.get(b"Buf")), limit)


_LZW = 0


class PushPullHead(Struct, frozen=True):
    """What stands before the nodes of a PushPull: how many follow, and how long the rest is."""

    join: bool
    nodes: int
    user_state_bytes: int


def read_push_pull_head(body: Fields) -> PushPullHead:
    """The head of a PushPull; its reader judges the sizes. Raises PacketError."""
    return PushPullHead(
        fields.flag(body.get(b"Join")),
        fields.unsigned(body.get(b"Nodes"), UINT32_MAX),
        fields.unsigned(body.get(b"UserStateLen"), UINT32_MAX),
    )


def read_pushed_node(data: bytes) -> PushedNode:
    """One row of a PushPull. Raises PacketError."""
    body = fields.read_fields(data)
    return PushedNode(
        name=fields.text(body.get(b"Name")),
        address=_node_address(body),
        meta=fields.raw(body.get(b"Meta")),
        incarnation=_incarnation(body),
        state=fields.signed(body.get(b"State")),
        vsn=fields.raw(body.get(b"Vsn")),
    )
