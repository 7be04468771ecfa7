"""Keeps the loop awake for a moment, while a fast disk syncs what a few clients wait for.

A processor that sleeps until the disk is done wakes up slowly and with cold caches: a write of a
single client takes a fifth longer. So the loop looks again and again instead, and gives the
processor to whoever wants it between two looks. Not for long, and not where the last sync took
longer; not for many writes, which leave enough to do meanwhile; and only where this server decides
alone: else another one's word is waited for, too, whose processor may be this one.
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
        self,
        call_soon: Callable[..., Any],
        decides_alone: Callable[[], bool],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`call_soon` calls a function in the next turn of the loop."""
        self._call_soon = call_soon
        self._decides_alone = decides_alone
        self._now_s = now_s
        self._giving = GivingTime()
        self._began_s = 0.0
        self._is_syncing = self._is_looking = False
        self._is_fast = True  # the last one was

    def begun(self, records: int) -> None:
        """So many records are being synced."""
        self._began_s = self._now_s()
        self._is_syncing = True
        if self._is_looking or not self._is_fast or records > RECORDS_MAX:
            return
        if self._decides_alone():
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
