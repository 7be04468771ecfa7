"""Waiting queries: from a WatchSet to a future with a deadline.

Who wrote is answered before those who wait are woken, and they are woken in slices: each runs its
query again, and thousands of them would hold up all others, and the leader's heartbeats.
"""

import asyncio
from collections import deque

from proconsul.endpoints.context import Woken
from proconsul.store.watch import Waiter, Watchers, WatchSet

SLICE_LENGTH = 16  # woken in one turn of the loop


class WaitingRoom:
    """All queries that wait for a change; everything happens on one event loop."""

    def __init__(self, watchers: Watchers) -> None:
        self.watchers = watchers
        self.replaced = 0  # how often the whole state was replaced
        self._due: deque[tuple[asyncio.Future[Woken], Woken]] = deque()  # to be woken

    def __len__(self) -> int:
        return len(self.watchers)

    def state_replaced(self) -> None:
        """The state is about to be swapped: who is woken by that must not wait again."""
        self.replaced += 1

    async def wait(self, watch: WatchSet, patience_s: float) -> Woken:
        """Wait until something that was read changes; cancelling forgets the query at once."""
        if patience_s <= 0:
            return Woken.TIMEOUT
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[Woken] = loop.create_future()
        replaced = self.replaced

        def fire() -> None:
            timer.cancel()  # it will hear of the change, whatever the time is by then
            self._wake_soon(woken, Woken.CHANGED if replaced == self.replaced else Woken.ABANDONED)

        waiter = Waiter(watch, fire)
        self.watchers.add(waiter)
        timer = loop.call_later(patience_s, self._time_over, waiter, woken)
        try:
            return await woken
        finally:
            timer.cancel()
            self.watchers.remove(waiter)

    def _time_over(self, waiter: Waiter, woken: asyncio.Future[Woken]) -> None:
        self.watchers.remove(waiter)
        if not woken.done():
            woken.set_result(Woken.TIMEOUT)

    def _wake_soon(self, woken: asyncio.Future[Woken], why: Woken) -> None:
        if not self._due:
            loop = woken.get_loop()
            loop.call_soon(loop.call_soon, self._wake_slice)  # in between, the writer
        self._due.append((woken, why))

    def _wake_slice(self) -> None:
        for _ in range(min(SLICE_LENGTH, len(self._due))):
            woken, why = self._due.popleft()
            if not woken.done():
                woken.set_result(why)
        if self._due:
            self._due[0][0].get_loop().call_soon(self._wake_slice)
