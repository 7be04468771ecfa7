"""Keeps the loop awake for a moment, while a fast disk syncs what a few clients wait for.

A processor that sleeps until the disk is done wakes up slowly and with cold caches: a write of a
single client takes a fifth longer. So the loop looks again and again instead, and gives the
processor to whoever wants it between two looks. Not for long, and not where the last sync took
longer; and not for many writes, which leave enough to do meanwhile.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from proconsul.runtime.giving_time import GivingTime

WATCH_S: Final = 0.0004
RECORDS_MAX: Final = 3  # of a group that is watched


class DiskWatch:
    """Hears of each sync."""

    def __init__(
        self, call_soon: Callable[..., Any], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """`call_soon` calls a function in the next turn of the loop."""
        self._call_soon = call_soon
        self._now_s = now_s
        self._giving = GivingTime()
        self._began_s = 0.0
        self._is_syncing = self._is_looking = False
        self._is_fast = True  # the last one was

    def begun(self, records: int) -> None:
        """So many records are being synced."""
        self._began_s = self._now_s()
        self._is_syncing = True
        if self._is_fast and records <= RECORDS_MAX and not self._is_looking:
            self._is_looking = True
            self._call_soon(self._look)

    def ended(self) -> None:
        """They are on the disk."""
        self._is_syncing = False
        self._is_fast = self._is_over_soon()

    def _look(self) -> None:
        self._is_looking = self._is_syncing and self._is_over_soon()
        if self._is_looking:
            self._giving.give()
            self._call_soon(self._look)

    def _is_over_soon(self) -> bool:
        return self._now_s() - self._began_s <= WATCH_S
