"""What an LMDB transaction reads and writes for the engine: tables, and keys of any length.

LMDB's keys end at 511 bytes, Consul's do not. A key (the table's name and a NUL before it)
longer than `_HEAD` bytes is stored as its first `_HEAD` bytes and a hash of the whole; the whole
stands in the row. Keys with one head are neighbours, but in the order of their hashes: scans
put them right, a head's worth at a time.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import lmdb

from proconsul.runtime.lmdb_room import Room
from proconsul.store.layered import LayeredBatch, write_down

_KEY_MAX: Final = 511
_HASH_BYTES: Final = 24
_HEAD: Final = _KEY_MAX - _HASH_BYTES
_LENGTH_BYTES: Final = 4


# ---------------------------------------------------------------- keys


def _prefixed(table: str, key: bytes) -> bytes:
    return table.encode() + b"\0" + key


def _stored_key(whole: bytes) -> bytes:
    if len(whole) <= _HEAD:
        return whole
    return whole[:_HEAD] + hashlib.blake2b(whole, digest_size=_HASH_BYTES).digest()


def _stored_value(whole: bytes, value: bytes) -> bytes:
    if len(whole) <= _HEAD:
        return value
    return len(whole).to_bytes(_LENGTH_BYTES, "big") + whole + value


def _split(row: bytes) -> tuple[bytes, bytes]:
    """(whole key, value) of a row whose key did not fit."""
    end = _LENGTH_BYTES + int.from_bytes(row[:_LENGTH_BYTES], "big")
    return row[_LENGTH_BYTES:end], row[end:]


# ---------------------------------------------------------------- views


class LmdbView:
    """One state, as long as its transaction lives."""

    def __init__(self, txn: lmdb.Transaction) -> None:
        self._txn = txn

    def close(self) -> None:
        """End the transaction; the view refuses from now on."""
        self._txn.abort()

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value, or None."""
        whole = _prefixed(table, key)
        if len(whole) <= _HEAD:
            return cast("bytes | None", self._txn.get(whole))
        row = self._txn.get(_stored_key(whole))
        if row is None:
            return None
        found_key, value = _split(cast("bytes", row))
        assert found_key == whole, "two keys with one hash of 192 bits"
        return value

    def scan(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of all keys that start with `prefix`, in byte order."""
        return self._scan(table, prefix, b"")

    def keys(self, table: str, prefix: bytes = b"", start: bytes = b"") -> Iterator[bytes]:
        """The keys of `scan`, from the first one that is >= `start`."""
        for key, _ in self._scan(table, prefix, start):
            yield key

    def _scan(self, table: str, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        wanted = _prefixed(table, prefix)
        first = max(wanted, _prefixed(table, start))
        cut = len(table.encode()) + 1
        cursor = self._txn.cursor()
        more = cursor.set_range(first[:_HEAD])
        while more:
            stored, value = cast("tuple[bytes, bytes]", cursor.item())
            if not stored.startswith(wanted[:_HEAD]):
                return
            if len(stored) <= _HEAD:
                if stored >= first:
                    yield stored[cut:], value
                more = cursor.next()
                continue
            group, more = _same_head(cursor, stored[:_HEAD])
            for whole, group_value in group:
                if whole >= first and whole.startswith(wanted):
                    yield whole[cut:], group_value


def _same_head(cursor: lmdb.Cursor, head: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
    """The long keys with one head, in order, and whether the cursor stands on something behind."""
    group = []
    more = True
    while more:
        stored, row = cast("tuple[bytes, bytes]", cursor.item())  # no buffers were asked for
        if len(stored) <= _HEAD or not stored.startswith(head):
            break
        group.append(_split(row))
        more = cursor.next()
    group.sort()
    return group, more


class LmdbBatch(LmdbView):
    """The write transaction."""

    def __init__(self, txn: lmdb.Transaction, room: Room | None) -> None:
        """`room` is needed where pages are written in place; writing raises its OSError."""
        super().__init__(txn)
        self._room = room
        self._is_committed = False

    def commit(self) -> None:
        """Keep what was written; nothing more can be. Once is enough. Raises lmdb.Error."""
        if not self._is_committed:
            self._txn.commit()
            self._is_committed = True

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set a value."""
        whole = _prefixed(table, key)
        if self._room is not None:
            self._room.take(len(whole) + len(value))
        if len(whole) <= _HEAD:
            self._txn.put(whole, value)
        else:
            self._txn.put(_stored_key(whole), _stored_value(whole, value))

    def delete(self, table: str, key: bytes) -> bool:
        """Remove a key; False if it was not there."""
        if self._room is not None:
            self._room.take(0)
        found: bool = self._txn.delete(_stored_key(_prefixed(table, key)))
        return found

    @contextmanager
    def child(self) -> Iterator[LayeredBatch]:
        """A nested transaction: kept when the block ends, undone when it raises."""
        inner = LayeredBatch(self)
        yield inner
        write_down(inner.written, self)
