"""Records and group writes: the bytes of the log, and the refusal of bytes we did not write.

A segment is a row of groups, one for each write that went to the disk as a whole:

    group   mark 8 | crc32c 4 | payload size 4 | own offset 8 | synced: sequence 8, offset 8
            | payload: records
    record  content size 4 | crc32c 4 | content = kind 1, then the kind's fields

All numbers are little-endian. The mark is eight random bytes that only the segment's own name
tells: bytes that a client stores, or that an earlier life of a recycled file left behind, can
never pass for a group. `synced` says up to where the log was known to be on disk when the
group was written; recovery.py tells a torn tail from damage by it. The checksum of a group
decides at recovery; that of a record guards reading one entry later on.

CRC-32C because the processor has an instruction for it: eight times zlib's CRC-32 from a page on.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple

import google_crc32c
import msgspec

from proconsul.wal.log_record import LogRecord

FORMAT_VERSION: Final = 1
MARK_BYTES: Final = 8
GROUP_PAYLOAD_BYTES_MAX: Final = 0xFFFF_FFFF  # what the size field can say

GROUP: Final = struct.Struct("<8sIIQQQ")
GROUP_BEHIND_CRC: Final = struct.Struct("<IQQQ")
CRC: Final = struct.Struct("<I")
RECORD: Final = struct.Struct("<II")
RECORD_AND_KIND: Final = struct.Struct("<IIB")
ENTRY: Final = struct.Struct("<BQQ")
TWO_NUMBERS: Final = struct.Struct("<QQ")
HARD_STATE_TERM: Final = struct.Struct("<Q")
START: Final = struct.Struct("<IQQQ")

RECORD_OVERHEAD_BYTES: Final = RECORD.size + ENTRY.size  # of an entry, around its body

crc32c: Callable[[bytes], int] = google_crc32c.value
crc32c_extend: Callable[[int, bytes], int] = google_crc32c.extend


class Kind(IntEnum):
    """What a record says."""

    START = 1  # a segment begins: format, its sequence, first index, and the term before that
    HARD_STATE = 2  # term and vote
    ENTRY = 3
    SNAPSHOT = 4  # a snapshot covers the log up to this index and term; entries stay as they are
    RESET = 5  # as SNAPSHOT, and every entry before this record is gone
    TRUNCATE = 6  # the entries from this index on are gone; and the term of the one before it


class HardState(msgspec.Struct, frozen=True, gc=False):
    """Term and vote; the vote's bytes are the raft codec's business, empty is none."""

    term: int = 0
    vote: bytes = b""


class Position(NamedTuple):
    """A place in the log: a segment's sequence, and a byte offset in it. Positions are ordered."""

    sequence: int
    offset: int


class Start(NamedTuple):
    """What the first record of a segment tells."""

    version: int
    sequence: int
    first_index: int
    term_before: int


class Group(NamedTuple):
    """A whole group: its extent in the segment, and what was synced before it."""

    offset: int
    end: int
    synced: Position


def decode_group(segment: bytes, offset: int, mark: bytes) -> Group | None:
    """The group that begins at `offset`, or None if there is no whole one."""
    if offset + GROUP.size > len(segment):
        return None
    found, crc, payload_bytes, own_offset, sequence, synced_offset = GROUP.unpack_from(
        segment, offset
    )
    end = offset + GROUP.size + payload_bytes
    if found != mark or own_offset != offset or end > len(segment):
        return None
    checked = segment[offset + MARK_BYTES + CRC.size : end]
    if crc32c_extend(crc32c(mark), checked) != crc:
        return None
    return Group(offset, end, Position(sequence, synced_offset))


def decode_entry(encoded: bytes) -> LogRecord | None:
    """One ENTRY record as read back from the disk, or None if it is not what was written."""
    if len(encoded) < RECORD_OVERHEAD_BYTES:
        return None
    content_bytes, crc = RECORD.unpack_from(encoded)
    content = encoded[RECORD.size :]
    if content_bytes != len(content) or crc32c(content) != crc:
        return None
    kind, term, index = ENTRY.unpack_from(content)
    return LogRecord(term, index, content[ENTRY.size :]) if kind == Kind.ENTRY else None
