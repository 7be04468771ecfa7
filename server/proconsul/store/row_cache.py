"""Rows that were decoded, kept until they change.

Reading the same few rows again and again is what servers do most: a row is decoded once, and so
is what a query made of a group of rows (all that start with one prefix). Only readers of the
newest state may look here; a commit takes out what it changed.

Rows are kept in two halves. When the young half is full it becomes the old one, and what the old
one still had is forgotten: so to keep a row, or to forget it, needs no order and no sizes.
"""

from collections.abc import Callable
from typing import Any

from proconsul.store.watch import Changed
from proconsul.wire.gostruct import GoStruct

ROW_BYTES_MAX = 16 * 1024 * 1024  # encoded; decoded rows take a few times as much
GROUPS_MAX = 65_536
ROW_OVERHEAD_BYTES = 256

Key = tuple[str, bytes]


class RowCache:
    """Rows by table and key, and what was made of groups by table and prefix."""

    def __init__(self, row_bytes_max: int = ROW_BYTES_MAX, groups_max: int = GROUPS_MAX) -> None:
        self.groups: dict[Key, dict[Callable[..., Any], Any]] = {}
        self._young: dict[Key, GoStruct] = {}
        self._old: dict[Key, GoStruct] = {}
        self._half_bytes = row_bytes_max // 2
        self._left_bytes = self._half_bytes  # of the young half
        self._groups_max = groups_max

    def row(self, key: Key) -> GoStruct | None:
        """The row, if it is kept."""
        row = self._young.get(key)
        return self._old.get(key) if row is None else row

    def keep(self, key: Key, row: GoStruct, size_bytes: int) -> None:
        """Remember a row that took `size_bytes` encoded; the oldest ones give way."""
        size_bytes += ROW_OVERHEAD_BYTES
        if size_bytes > self._half_bytes // 8:
            self._forget(key)
            return
        self._young[key] = row
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            self._old = self._young
            self._young = {}
            self._left_bytes = self._half_bytes

    def keep_group(self, key: Key, make: Callable[..., Any], made: Any) -> None:
        """Remember what `make` made of the rows whose keys start with the prefix."""
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= self._groups_max:
                self.groups.clear()
            group = self.groups[key] = {}
        group[make] = made

    def change(
        self, changed: Changed, rows: dict[Key, GoStruct], sizes_bytes: dict[Key, int]
    ) -> None:
        """Forget these rows and the groups that they are in.

        What `sizes_bytes` has was written, as it stands in `rows`: who has read it will again.
        """
        for name in changed:
            row = rows.get(name)
            size_bytes = sizes_bytes.get(name)
            if row is None or size_bytes is None:
                self._forget(name)
            elif name in self._young or name in self._old:
                self.keep(name, row, size_bytes)
        groups = self.groups
        if not groups:
            return
        for table, key in changed:
            groups.pop((table, b""), None)
            end = key.find(b"\0")
            while end >= 0:  # groups are named by whole parts of keys
                groups.pop((table, key[: end + 1]), None)
                end = key.find(b"\0", end + 1)

    def clear(self) -> None:
        """Forget everything: the state was replaced."""
        self._young.clear()
        self._old.clear()
        self.groups.clear()
        self._left_bytes = self._half_bytes

    def _forget(self, key: Key) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)
