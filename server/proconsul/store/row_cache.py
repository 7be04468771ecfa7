"""Rows that were decoded, kept until they change.

Reading the same few rows again and again is what servers do most: a row is decoded once, and so
is what a query made of a group of rows (all that start with one prefix). Only readers of the
newest state may look here; a commit takes out what it changed.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any

from proconsul.store.watch import Changed
from proconsul.wire.gostruct import GoStruct

ROW_BYTES_MAX = 16 * 1024 * 1024  # encoded; decoded rows take a few times as much
GROUPS_MAX = 65_536
ROW_OVERHEAD_BYTES = 256
GIVE_WAY_SHARE = 64  # of the rows, this part gives way at once

Key = tuple[str, bytes]


class RowCache:
    """Rows by table and key, and what was made of groups by table and prefix."""

    def __init__(self, row_bytes_max: int = ROW_BYTES_MAX, groups_max: int = GROUPS_MAX) -> None:
        self.rows: dict[Key, GoStruct] = {}  # read by ReadTransaction; written here only
        self.groups: dict[Key, dict[Callable[..., Any], Any]] = {}
        self._sizes: dict[Key, int] = {}
        self._size_bytes = 0
        self._row_bytes_max = row_bytes_max
        self._groups_max = groups_max

    def keep(self, key: Key, row: GoStruct, size_bytes: int) -> None:
        """Remember a row that took `size_bytes` encoded; the oldest ones give way."""
        size_bytes += ROW_OVERHEAD_BYTES
        if size_bytes > self._row_bytes_max // 16:
            return
        self._forget(key)
        self.rows[key] = row
        self._sizes[key] = size_bytes
        self._size_bytes += size_bytes
        while self._size_bytes > self._row_bytes_max:
            self._make_room()

    def keep_group(self, key: Key, make: Callable[..., Any], made: Any) -> None:
        """Remember what `make` made of the rows whose keys start with the prefix."""
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= self._groups_max:
                self.groups.clear()
            group = self.groups[key] = {}
        group[make] = made

    def drop(self, changed: Changed) -> None:
        """Forget these rows and the groups that they are in."""
        for name in changed:
            self._forget(name)
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
        self.rows.clear()
        self.groups.clear()
        self._sizes.clear()
        self._size_bytes = 0

    def _make_room(self) -> None:
        # Many at a time: to find its first key a dict looks at all places at its front that
        # were emptied since it grew last. One by one, that took more time than all the reading.
        count = max(len(self._sizes) // GIVE_WAY_SHARE, 1)
        for key in list(islice(self._sizes, count)):
            self._forget(key)

    def _forget(self, key: Key) -> None:
        size = self._sizes.pop(key, None)
        if size is not None:
            self._size_bytes -= size
            del self.rows[key]
