"""An engine in memory: sorted dictionaries, whole copies for snapshots."""

from collections.abc import Iterator
from contextlib import contextmanager

Tables = dict[str, dict[bytes, bytes]]


class MemoryView:
    """Some state, or the one that is being written."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value, or None."""
        return self.tables.get(table, {}).get(key)

    def scan(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """(key, value) under a prefix, in byte order."""
        rows = self.tables.get(table, {})
        for key in sorted(key for key in rows if key.startswith(prefix)):
            yield key, rows[key]

    def keys(self, table: str, prefix: bytes = b"", start: bytes = b"") -> Iterator[bytes]:
        """The keys of `scan` from `start` on."""
        return (key for key, _ in self.scan(table, prefix) if key >= start)


class MemoryBatch(MemoryView):
    """The write transaction."""

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set a value."""
        self.tables.setdefault(table, {})[key] = value

    def delete(self, table: str, key: bytes) -> bool:
        """Remove a key; False if it was not there."""
        return self.tables.get(table, {}).pop(key, None) is not None

    @contextmanager
    def child(self) -> Iterator["MemoryBatch"]:
        """A nested transaction."""
        inner = MemoryBatch(copied(self.tables))
        yield inner
        self.tables = inner.tables


class MemoryEngine:
    """The newest state."""

    def __init__(self) -> None:
        self.tables: Tables = {}

    def newest(self) -> MemoryView:
        """The newest state."""
        return MemoryView(self.tables)

    @contextmanager
    def view(self) -> Iterator[MemoryView]:
        """The newest state, held."""
        yield MemoryView(self.tables)

    def write_down(self) -> None:
        """Nothing is to be done: all that is committed is stored."""

    @contextmanager
    def write(self) -> Iterator[MemoryBatch]:
        """Change it."""
        batch = MemoryBatch(copied(self.tables))
        yield batch
        self.tables = batch.tables

    @contextmanager
    def replace(self) -> Iterator[MemoryBatch]:
        """Make it anew."""
        batch = MemoryBatch({})
        yield batch
        self.tables = batch.tables


def copied(tables: Tables) -> Tables:
    """A copy that does not change with the original."""
    return {name: dict(rows) for name, rows in tables.items()}
