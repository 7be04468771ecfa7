"""The log entries in a real server's raft.db: a BoltDB file, read just far enough.

A page begins with its id (8 bytes), flags, the number of its elements, and how many pages more it
runs over; branch elements are (position, key size, page), leaf elements (flags, position, key size,
value size), positions counted from the element.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgpack

_MAGIC = 0xED0CDAED
_HEADER = 16
_BRANCH, _LEAF = 1, 2
_COMMAND = 0


@dataclass(frozen=True, slots=True)
class LoggedCommand:
    """A command of the log."""

    index: int
    term: int
    data: bytes
    extensions: bytes


def logged_commands(raft_db: Path) -> list[LoggedCommand]:
    """All commands of the log, in order; other kinds of entries are left out."""
    file = raft_db.read_bytes()
    page_bytes, root = max(_metas(file), key=lambda meta: meta[2])[:2]
    buckets = dict(_pairs(file, page_bytes, root))
    (logs,) = struct.unpack_from("<Q", buckets[b"logs"])
    entries = (msgpack.unpackb(value, raw=True) for _, value in _pairs(file, page_bytes, logs))
    return [
        LoggedCommand(
            index=entry[b"Index"],
            term=entry[b"Term"],
            data=entry[b"Data"] or b"",
            extensions=entry.get(b"Extensions") or b"",
        )
        for entry in entries
        if entry[b"Type"] == _COMMAND
    ]


def _metas(file: bytes) -> Iterator[tuple[int, int, int]]:
    """(page size, root bucket's page, transaction) of both meta pages."""
    (page_bytes,) = struct.unpack_from("<I", file, _HEADER + 8)
    for number in (0, 1):
        at = number * page_bytes + _HEADER
        magic, _, size, _, root, _, _, _, txid = struct.unpack_from("<IIIIQQQQQ", file, at)
        assert magic == _MAGIC, "this is no BoltDB"
        yield size, root, txid


def _pairs(file: bytes, page_bytes: int, page: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) under a page, in order."""
    start = page * page_bytes
    _, flags, count, _ = struct.unpack_from("<QHHI", file, start)
    for number in range(count):
        at = start + _HEADER + number * 16
        if flags & _BRANCH:
            _, _, child = struct.unpack_from("<IIQ", file, at)
            yield from _pairs(file, page_bytes, child)
        else:
            assert flags & _LEAF, "only branches and leaves hold pairs"
            _, position, key_size, value_size = struct.unpack_from("<IIII", file, at)
            key_at = at + position
            value_at = key_at + key_size
            yield file[key_at:value_at], file[value_at : value_at + value_size]
