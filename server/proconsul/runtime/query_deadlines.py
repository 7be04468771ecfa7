"""When queries have waited long enough: one timer for all of them, whatever their number.

Most are told of a change long before. So one that is gone stays in the heap until its time, unless
there are more of those than of the others: then they are cleared out.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

SLICE_LENGTH = 64  # told in one turn of the loop
GONE_MIN = 64  # that are worth clearing out


class Timed(Protocol):
    """Who waits."""

    @property
    def until_s(self) -> float:
        """Until when, by the clock of `Deadlines`."""

    @property
    def is_gone(self) -> bool:
        """Whether it waits no more."""

    def __lt__(self, other: Self) -> bool:
        """By `until_s`."""


T = TypeVar("T", bound=Timed)


class QueryDeadlines(Generic[T]):
    """Those that wait, the next one first."""

    def __init__(
        self, now_s: Callable[[], float], waiting: Callable[[], int], over: Callable[[T], None]
    ) -> None:
        """`waiting` is how many wait at all; `over` is called when the time of one is over."""
        self._now_s = now_s
        self._waiting = waiting
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._heap: list[T] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, timed: T) -> None:
        """It begins to wait."""
        heap = self._heap
        if len(heap) > 2 * self._waiting() + GONE_MIN:
            heap[:] = [one for one in heap if not one.is_gone]
            heapq.heapify(heap)
        heapq.heappush(heap, timed)
        if heap[0] is timed:
            self._set()

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            left_s = max(self._heap[0].until_s - self._now_s(), 0.0)
            self._timer = self._loop.call_later(left_s, self._look)

    def _look(self) -> None:
        self._timer = None
        now_s = self._now_s()
        heap = self._heap
        for _ in range(SLICE_LENGTH):
            if not heap or (not heap[0].is_gone and heap[0].until_s > now_s):
                break
            timed = heapq.heappop(heap)
            if not timed.is_gone:
                self._over(timed)
        self._set()
