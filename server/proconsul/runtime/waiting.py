"""Waiting queries: from a WatchSet to a future with a deadline."""

import asyncio

from proconsul.endpoints.context import Woken
from proconsul.store.watch import Waiter, Watchers, WatchSet


class WaitingRoom:
    """All queries that wait for a change; everything happens on one event loop."""

    def __init__(self, watchers: Watchers) -> None:
        self.watchers = watchers
        self.replaced = 0  # how often the whole state was replaced

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
            if not woken.done():
                woken.set_result(Woken.CHANGED if replaced == self.replaced else Woken.ABANDONED)

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
