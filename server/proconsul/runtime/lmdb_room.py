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
_SPARE_PAGES: Final = 64  # asked for at once, so that not each row asks
_INLINE_BYTES: Final = 1024  # a smaller row needs no pages of its own
_ROW_HEAD_BYTES: Final = 24  # beside key and value: LMDB's, and ours of a long key


class NoRoomError(Exception):
    """The disk has no block for a page that is about to be touched."""


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
        self._rows = 0  # written or deleted
        self._written = 0
        self._value_pages = 0  # of values that have pages of their own
        self._spare_pages = 0

    def begin(self, used_pages: int, depth: int, map_pages: int) -> None:
        """A transaction begins, on a tree of that depth in a map of that size."""
        self._used, self._map_pages = used_pages, map_pages
        self._row_pages = 3 * depth + 4
        self._rows = self._written = self._value_pages = 0
        self._spare_pages = _SPARE_PAGES
        wanted = used_pages + self._reserve_pages
        if self.ours_to - used_pages < self._reserve_pages // 2 and self._has_room_to(wanted):
            with suppress(OSError):  # it may need less
                self._allocate(wanted)

    def take(self, row_bytes: int) -> None:
        """A row of that size is about to be written; 0: deleted. Raises NoRoomError, OSError."""
        self._rows += 1
        if row_bytes:
            self._written += 1
        if row_bytes >= _INLINE_BYTES:
            self._value_pages += (row_bytes + _ROW_HEAD_BYTES) // self._page_bytes + 1
        end = self._used + self._need()
        if end > self.ours_to and self.ours_to < self._map_pages:
            self._ask(end)

    def _need(self) -> int:
        """Pages at most that it has touched by now.

        Each old one once, and as many in reserve. Writing a row splits no more than one leaf,
        however full the halves are, and there are never more branches than leaves.
        """
        used = self._used
        of_rows = min(self._row_pages * self._rows, 2 * used + 2 * self._written)
        return of_rows + self._value_pages + used // _LISTED_PAGES + _OWN_PAGES

    def _ask(self, end: int) -> None:
        if self._spare_pages:
            try:
                self._allocate(end + self._spare_pages)
            except OSError:
                self._spare_pages = 0
            else:
                return
        try:
            self._allocate(end)
        except OSError as failure:
            if failure.errno in NO_ROOM:
                raise NoRoomError(str(failure)) from failure
            raise

    def _has_room_to(self, end: int) -> bool:
        """Whether there seems to be room: to ask in vain may take all that is left."""
        disk = os.statvfs(self._file)
        return (end - self.ours_to) * self._page_bytes <= disk.f_bavail * disk.f_frsize

    def _allocate(self, end: int) -> None:
        end = min(end, self._map_pages)  # LMDB refuses to go beyond
        if end > self.ours_to:
            begin_bytes = self.ours_to * self._page_bytes
            with open(self._file, "rb+") as file:
                os.posix_fallocate(file.fileno(), begin_bytes, end * self._page_bytes - begin_bytes)
            self.ours_to = end
