"""Room on the disk ahead of a transaction that writes into the map of its file.

A page of a map that the disk has no room for ends the process (SIGBUS), where a write would have
failed. So the blocks of all pages that a transaction may touch are allocated before that.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_OWN_PAGES: Final = 64  # that LMDB touches beside those of the rows: its list of free ones
_LISTED_PAGES: Final = 256  # free ones on a page of that list, at least
_SPLIT_PART: Final = 4  # a page that was split is full to more than one part in so many


class Room:
    """The blocks of LMDB's file that are ours, and what a transaction may need of them."""

    def __init__(self, file: Path, page_bytes: int, reserve_bytes: int) -> None:
        self._file = file
        self._page_bytes = page_bytes
        self._reserve_pages = reserve_bytes // page_bytes
        self.ours_to = 0  # pages from the beginning of the file
        # Of the transaction that is under way:
        self._map_pages = 0
        self._used = 0  # pages, before it
        self._row_pages = 0  # that a row may touch: the path to it, siblings, splits
        self._touched = 0  # the sum of these
        self._row_bytes = 0  # written
        self._value_pages = 0  # of values that have pages of their own

    def begin(self, used_pages: int, depth: int, map_pages: int) -> None:
        """A transaction begins, on a tree of that depth in a map of that size."""
        self._used, self._map_pages = used_pages, map_pages
        self._row_pages = 3 * depth + 4
        self._touched = self._row_bytes = self._value_pages = 0
        if self.ours_to - used_pages < self._reserve_pages // 2:
            with suppress(OSError):  # it may need less
                self._allocate(used_pages + self._reserve_pages)

    def take(self, row_bytes: int) -> None:
        """A row of that size is about to be written, or deleted. Raises OSError: no room for it."""
        self._touched += self._row_pages
        self._row_bytes += row_bytes
        self._value_pages += row_bytes // self._page_bytes + 1 if row_bytes >= 1024 else 0
        end = self._used + self._need()
        if end > self.ours_to and self.ours_to < self._map_pages:
            try:
                self._allocate(end + self._reserve_pages)
            except OSError:
                self._allocate(end)

    def _need(self) -> int:
        """Pages at most that it has touched by now: each old one once, and those of splits."""
        used = self._used
        of_splits = _SPLIT_PART * self._row_bytes // self._page_bytes
        of_rows = min(self._touched, 2 * used + of_splits)
        return of_rows + self._value_pages + used // _LISTED_PAGES + _OWN_PAGES

    def _allocate(self, end: int) -> None:
        end = min(end, self._map_pages)  # LMDB refuses to go beyond
        if end > self.ours_to:
            begin_bytes = self.ours_to * self._page_bytes
            with open(self._file, "rb+") as file:
                os.posix_fallocate(file.fileno(), begin_bytes, end * self._page_bytes - begin_bytes)
            self.ours_to = end
