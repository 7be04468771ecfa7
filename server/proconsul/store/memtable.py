"""Rows in memory, in front of those that an engine has: by table and key, some of them gone.

Most are put there and asked for one by one, which needs no order: the order of a table's keys is
made when somebody scans it, and kept up from then on.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

ROW_OVERHEAD_BYTES: Final = 128  # of a row in memory, beside its key and its value
INSERTED_MAX: Final = 32  # keys that are put in order one by one; more of them are sorted in

# Stands for a row that is gone. It is told by its identity, so no row can be mistaken for it.
DELETED: Final = bytes(bytearray(b"deleted"))

Row = tuple[bytes, bytes]


class _Table:
    """Rows by key, and the keys in order as far as they were needed."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self.rows = rows
        self._sorted: list[bytes] = []
        self._added: list[bytes] = list(rows)  # not among the sorted ones yet

    def put(self, key: bytes, value: bytes) -> None:
        if key not in self.rows:
            self._added.append(key)
        self.rows[key] = value

    def under(self, prefix: bytes, start: bytes) -> list[Row]:
        """The rows whose keys start with `prefix` and are >= `start`, in order."""
        keys = self._in_order()
        found: list[Row] = []
        for at in range(bisect_left(keys, max(prefix, start)), len(keys)):
            key = keys[at]
            if not key.startswith(prefix):
                break
            found.append((key, self.rows[key]))
        return found

    def _in_order(self) -> list[bytes]:
        added = self._added
        if added:
            if len(added) <= INSERTED_MAX:
                for key in added:
                    insort(self._sorted, key)
            else:
                self._sorted += added
                self._sorted.sort()
            self._added = []
        return self._sorted


class Memtable:
    """Rows by table and key; DELETED for those that are gone."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self.size_bytes = 0  # at least what they take; what is written again counts again

    def __bool__(self) -> bool:
        return bool(self._tables)

    def get(self, table: str, key: bytes) -> bytes | None:
        """The row or DELETED; None if it is not known here."""
        found = self._tables.get(table)
        return None if found is None else found.rows.get(key)

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set a row; DELETED says that it is gone."""
        found = self._tables.get(table)
        if found is None:
            found = self._tables[table] = _Table({})
        found.put(key, value)
        self.size_bytes += len(key) + len(value) + ROW_OVERHEAD_BYTES

    def under(self, table: str, prefix: bytes, start: bytes) -> list[Row]:
        """What is known of the keys that start with `prefix` and are >= `start`, in order."""
        found = self._tables.get(table)
        return [] if found is None else found.under(prefix, start)

    def items(self) -> Iterator[tuple[str, bytes, bytes]]:
        """(table, key, row or DELETED) of all; nothing may be put meanwhile."""
        for name, table in self._tables.items():
            for key, value in table.rows.items():
                yield name, key, value

    def take(self, newer: "Memtable") -> None:
        """Have what `newer` has, which is not to be used any more."""
        for name, table in newer._tables.items():
            mine = self._tables.get(name)
            if mine is None:
                self._tables[name] = table
            else:
                for key, value in table.rows.items():
                    mine.put(key, value)
        self.size_bytes += newer.size_bytes

    def copy(self) -> "Memtable":
        """The rows as they are now."""
        copied = Memtable()
        for name, table in self._tables.items():
            copied._tables[name] = _Table(table.rows.copy())
        copied.size_bytes = self.size_bytes
        return copied
