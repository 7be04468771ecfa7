"""Records and group writes, as record.py describes them, to bytes.

A module by itself, so that it can be machine code: each write of each server passes here.
"""

from collections.abc import Iterable, Sequence

from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import (
    CRC,
    ENTRY,
    GROUP_BEHIND_CRC,
    GROUP_PAYLOAD_BYTES_MAX,
    HARD_STATE_TERM,
    RECORD,
    START,
    TWO_NUMBERS,
    HardState,
    Kind,
    Position,
    Start,
    crc32c,
    crc32c_extend,
)


def encode_entries(records: Sequence[LogRecord], first_index: int) -> tuple[list[bytes], list[int]]:
    """The pieces of consecutive entries, to be joined, and the size in bytes of each record."""
    pieces: list[bytes] = []
    sizes: list[int] = []
    pack_entry, pack_record, checksum = ENTRY.pack, RECORD.pack, crc32c
    index = first_index
    for record in records:
        assert record.index == index, f"entry {record.index} where {index} comes next"
        content = pack_entry(3, record.term, index) + record.body
        size = len(content)
        pieces.append(pack_record(size, checksum(content)))
        pieces.append(content)
        sizes.append(8 + size)
        index += 1
    return pieces, sizes


assert (int(Kind.ENTRY), RECORD.size) == (3, 8), "encode_entries spells them out"


def encode_record(kind: Kind, fields: bytes) -> bytes:
    """Any record, whole."""
    content = bytes((kind,)) + fields
    return RECORD.pack(len(content), crc32c(content)) + content


def encode_hard_state(state: HardState) -> bytes:
    """A HARD_STATE record."""
    return encode_record(Kind.HARD_STATE, HARD_STATE_TERM.pack(state.term) + state.vote)


def encode_index_and_term(kind: Kind, index: int, term: int) -> bytes:
    """A SNAPSHOT, RESET or TRUNCATE record."""
    return encode_record(kind, TWO_NUMBERS.pack(index, term))


def encode_start(start: Start) -> bytes:
    """A START record."""
    return encode_record(Kind.START, START.pack(*start))


def encode_group(mark: bytes, offset: int, synced: Position, pieces: Iterable[bytes]) -> bytes:
    """A group of whole records that is to be written at `offset` of the segment with that mark."""
    payload = b"".join(pieces)
    assert len(payload) <= GROUP_PAYLOAD_BYTES_MAX, f"{len(payload)} bytes in one group"
    behind_crc = GROUP_BEHIND_CRC.pack(len(payload), offset, synced.sequence, synced.offset)
    crc = crc32c_extend(crc32c_extend(crc32c(mark), behind_crc), payload)
    return b"".join((mark, CRC.pack(crc), behind_crc, payload))
