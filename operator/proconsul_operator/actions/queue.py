"""One task for each object: it works when it is woken, and when its time has come.

Waking twice is waking once. A cycle that fails is tried again after a growing while and never ends
its task; a task ends only when its object is gone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0
GAP_S: Final = 0.2  # between two cycles of one object, however often it is woken

Item = tuple[str, str, str]
"""Kind, namespace, name."""

log: Final = logging.getLogger(__name__)


class Queue:
    """Wakes `cycle`, which says how long to the next look; None: the object is gone."""

    def __init__(
        self,
        cycle: Callable[[Item], Awaitable[float | None]],
        failed: Callable[[Item, Exception, int], Awaitable[float]],
        *,
        expected: tuple[type[Exception], ...],
    ) -> None:
        """`failed` hears of each failure and of how many in a row; it may ask for a longer wait.

        Errors that are `expected` are the world's, and a line of the log; others are ours.
        """
        self._cycle, self._failed, self._expected = cycle, failed, expected
        self._woken: dict[Item, asyncio.Event] = {}
        self._tasks: dict[Item, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """Objects that are looked after."""
        return len(self._tasks)

    def wake(self, item: Item) -> None:
        """Look at it soon."""
        self._woken.setdefault(item, asyncio.Event()).set()
        if item not in self._tasks:
            self._tasks[item] = asyncio.create_task(self._run(item), name="/".join(item))

    async def close(self) -> None:
        """End all tasks, each between two awaits."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, item: Item) -> None:
        woken, failures = self._woken[item], 0
        while True:
            woken.clear()
            try:
                delay_s = await self._cycle(item)
                failures = 0
            except Exception as error:
                failures += 1
                if isinstance(error, self._expected):
                    log.warning("%s %s/%s: %s", *item, error)
                else:
                    log.exception("%s %s/%s: cycle failed", *item)
                backoff_s = min(FIRST_S * 2 ** (failures - 1), LONGEST_S)
                delay_s = max(backoff_s, await self._failed(item, error, failures))
            if delay_s is None:
                if woken.is_set():
                    continue  # it may be back
                del self._tasks[item], self._woken[item]
                return
            await asyncio.sleep(FIRST_S * failures if failures else GAP_S)
            try:
                async with asyncio.timeout(delay_s):
                    await woken.wait()
            except TimeoutError:
                pass
