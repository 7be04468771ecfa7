"""Views and batches of two layers: the newer rows in a memtable, all others in a view below."""

from collections.abc import Iterator
from contextlib import contextmanager

from proconsul.store.engine import Batch, View, ViewEndedError
from proconsul.store.memtable import DELETED, Memtable, Row


class _Ended:
    """In place of the view below, once there is a newer state."""

    def get(self, table: str, key: bytes) -> bytes | None:
        raise ViewEndedError

    def scan(self, table: str, prefix: bytes = b"") -> Iterator[Row]:
        raise ViewEndedError

    def keys(self, table: str, prefix: bytes = b"", start: bytes = b"") -> Iterator[bytes]:
        raise ViewEndedError


class LayeredView:
    """One state: what the memtable does not know is as in the view below."""

    def __init__(self, newer: Memtable, below: View) -> None:
        self._newer = newer
        self._below = below

    def end(self) -> None:
        """There is a newer state: it refuses from now on. Scans that have begun may go on."""
        self._newer = Memtable()
        self._below = _Ended()

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value, or None."""
        row = self._newer.get(table, key)
        if row is None:
            return self._below.get(table, key)
        return None if row is DELETED else row

    def scan(self, table: str, prefix: bytes = b"") -> Iterator[Row]:
        """(key, value) of all keys that start with `prefix`, in byte order."""
        newer = self._newer.under(table, prefix, b"")
        below = self._below.scan(table, prefix)
        return _merged(newer, below) if newer else below

    def keys(self, table: str, prefix: bytes = b"", start: bytes = b"") -> Iterator[bytes]:
        """The keys of `scan`, from the first one that is >= `start`."""
        newer = self._newer.under(table, prefix, start)
        below = self._below.keys(table, prefix, start)
        return _merged_keys(newer, below) if newer else below


def _merged(newer: list[Row], below: Iterator[Row]) -> Iterator[Row]:
    at = 0
    for row in below:
        key = row[0]
        replaced = False
        while at < len(newer) and newer[at][0] <= key:
            replaced = newer[at][0] == key
            if newer[at][1] is not DELETED:
                yield newer[at]
            at += 1
        if not replaced:
            yield row
    for row in newer[at:]:
        if row[1] is not DELETED:
            yield row


def _merged_keys(newer: list[Row], below: Iterator[bytes]) -> Iterator[bytes]:
    for key, _ in _merged(newer, _as_rows(below)):
        yield key


def _as_rows(keys: Iterator[bytes]) -> Iterator[Row]:
    for key in keys:
        yield key, b""


class LayeredBatch(LayeredView):
    """What is written stays in a memtable of its own until somebody takes it."""

    def __init__(self, below: View) -> None:
        super().__init__(Memtable(), below)

    @property
    def written(self) -> Memtable:
        """All of it."""
        return self._newer

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set a value."""
        self._newer.put(table, key, value)

    def delete(self, table: str, key: bytes) -> bool:
        """Remove a key; False if it was not there."""
        if self.get(table, key) is None:
            return False
        self._newer.put(table, key, DELETED)
        return True

    @contextmanager
    def child(self) -> Iterator["LayeredBatch"]:
        """A nested transaction: kept when the block ends, undone when it raises."""
        inner = LayeredBatch(self)
        yield inner
        self._newer.take(inner.written)


def write_down(rows: Memtable, batch: Batch) -> None:
    """Have the batch write all of these rows. Raises what it raises."""
    for table, key, row in rows.items():
        if row is DELETED:
            batch.delete(table, key)
        else:
            batch.put(table, key, row)
