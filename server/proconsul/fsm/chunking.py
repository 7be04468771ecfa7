"""Large KV writes travel as several log entries (go-raftchunking; wire/raft.md section 7).

Each piece says in the entry's extensions which operation it is of, its number and how many there
are. Nothing is applied before all are there. When a new term begins, what is incomplete is
dropped: its proposer has heard an error. The pieces are part of the state, and of snapshots.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from proconsul.fsm.commands import CommandError, MessageType
from proconsul.model.snapshot_record import ChunkInfo
from proconsul.store.schema import Table
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.wire.gostruct import WireError, from_wire, to_wire

CHUNKS = Table("raft-chunks", ChunkInfo)  # operation and number, big endian
CHUNK_BYTES_MAX = 512 * 1024
CHUNKS_MAX = 1 << 16  # of one command: 32 GiB, more than any entry's value

_VARINT_BITS_MAX = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_OP_NUM, _SEQUENCE_NUM, _NUM_CHUNKS = 1, 2, 3


class ChunkError(CommandError):
    """A chunk of the log makes no sense; as fatal as any other undecodable command."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One log entry of a large command."""

    data: bytes
    extensions: bytes


def needs_cutting(command: bytes) -> bool:
    """Whether Consul proposes this command in pieces: large KV writes are the only ones."""
    return len(command) > CHUNK_BYTES_MAX and command[0] == MessageType.KVS


def cut(command: bytes, op_num: int) -> list[Piece]:
    """The log entries of a command; `op_num` is a random number that names the operation."""
    count = -(-len(command) // CHUNK_BYTES_MAX)
    return [
        Piece(
            data=command[number * CHUNK_BYTES_MAX : (number + 1) * CHUNK_BYTES_MAX],
            extensions=encode_chunk_info(op_num, number, count),
        )
        for number in range(count)
    ]


def encode_chunk_info(op_num: int, sequence_num: int, num_chunks: int) -> bytes:
    """The protobuf message in the extensions; as always there, zero is left out."""
    made = bytearray()
    for number, value in (
        (_OP_NUM, op_num),
        (_SEQUENCE_NUM, sequence_num),
        (_NUM_CHUNKS, num_chunks),
    ):
        if value:
            made.append(number << 3 | _VARINT)
            made += _varint(value)
    return bytes(made)


def decode_chunk_info(extensions: bytes) -> ChunkInfo:
    """Read the extensions of an entry. Raises ChunkError."""
    numbers = {_OP_NUM: 0, _SEQUENCE_NUM: 0, _NUM_CHUNKS: 0}
    at = 0
    while at < len(extensions):
        tag, at = _read_varint(extensions, at)
        if tag & 7 == _VARINT:
            value, at = _read_varint(extensions, at)
            numbers[tag >> 3] = value
            continue
        at = _skip(extensions, at, tag & 7)
    return ChunkInfo(
        op_num=numbers[_OP_NUM],
        sequence_num=numbers[_SEQUENCE_NUM],
        num_chunks=numbers[_NUM_CHUNKS],
    )


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < _VARINT_BITS_MAX:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ChunkError("the extensions of a log entry end inside a number")


def _skip(data: bytes, at: int, wire_type: int) -> int:
    """Past a field that is not ours (`next_extensions`)."""
    if wire_type == _BYTES:
        length, at = _read_varint(data, at)
        at += length
    elif wire_type in (_FIXED32, _FIXED64):
        at += 4 if wire_type == _FIXED32 else 8
    else:
        raise ChunkError(f"the extensions of a log entry hold a field of wire type {wire_type}")
    if at > len(data):
        raise ChunkError("the extensions of a log entry end inside a field")
    return at


def take(txn: WriteTransaction, data: bytes, extensions: bytes, term: int) -> bytes | None:
    """Keep a piece in the state; the whole command when it was the last one missing.

    Raises ChunkError for one that does not fit.
    """
    info = replace(decode_chunk_info(extensions), term=term, data=data or None)
    _check(info)
    for old in _pieces(txn):
        if old.term != term:
            txn.remove(CHUNKS.name, _key(old))
        elif old.op_num == info.op_num and old.num_chunks != info.num_chunks:
            raise ChunkError(
                f"operation {info.op_num} has {old.num_chunks} chunks, and then {info.num_chunks}"
            )
    txn.put(CHUNKS, _key(info), info)
    pieces = list(txn.rows(CHUNKS, _operation(info)))
    if sum(bool(piece.data) for piece in pieces) < info.num_chunks:
        return None
    for piece in pieces:
        txn.remove(CHUNKS.name, _key(piece))
    return b"".join(piece.data or b"" for piece in pieces)


def _check(info: ChunkInfo) -> None:
    if not 0 <= info.op_num < 1 << 64:
        raise ChunkError(f"a chunk of operation {info.op_num}")
    if not 0 <= info.sequence_num < info.num_chunks <= CHUNKS_MAX:
        raise ChunkError(
            f"chunk {info.sequence_num} of operation {info.op_num}, which has {info.num_chunks}"
        )


def to_record(txn: ReadTransaction) -> dict[str, Any]:
    """The value of the snapshot's record of type 29."""
    operations: dict[int, list[Any]] = {}
    for piece in _pieces(txn):
        parts = operations.setdefault(piece.op_num, [None] * piece.num_chunks)
        parts[piece.sequence_num] = to_wire(piece)
    return {"ChunkMap": operations}


def restore_record(txn: WriteTransaction, record: Any) -> None:
    """Take the record of type 29 of a snapshot. Raises WireError."""
    operations = record.get("ChunkMap") if isinstance(record, dict) else None
    if not isinstance(operations, dict | None):
        raise WireError(f"wanted a map, got {type(operations).__name__}")
    for op_num, parts in (operations or {}).items():
        for number, part in enumerate(parts if isinstance(parts, list) else ()):
            if part is not None:
                piece = _from_record(part, op_num, number, len(parts))
                txn.put(CHUNKS, _key(piece), piece)


def _from_record(part: Any, op_num: object, number: int, count: int) -> ChunkInfo:
    """One piece, if it is that which its place says. Raises WireError."""
    piece = from_wire(ChunkInfo, part)
    if (piece.op_num, piece.sequence_num, piece.num_chunks) != (op_num, number, count):
        raise WireError(f"chunk {number} of {count} of operation {op_num!r} is another one")
    try:
        _check(piece)
    except ChunkError as failure:
        raise WireError(str(failure)) from failure
    return piece


def _pieces(txn: ReadTransaction) -> Iterator[ChunkInfo]:
    for key in list(txn.keys(CHUNKS.name)):
        if (piece := txn.row(CHUNKS, key)) is not None:
            yield piece


def _operation(piece: ChunkInfo) -> bytes:
    return piece.op_num.to_bytes(8, "big")


def _key(piece: ChunkInfo) -> bytes:
    return _operation(piece) + piece.sequence_num.to_bytes(4, "big")
