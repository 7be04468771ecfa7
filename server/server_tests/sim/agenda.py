"""Time of the simulated world: what happens next, and when. Nothing waits for anything real.

Times are whole microseconds since the run began. What is due at the same time happens in the
order in which it was put down, so a run depends on its seed alone.
"""

from collections.abc import Callable
from heapq import heappop, heappush

Do = Callable[[], None]


class Agenda:
    """What is to happen, by time."""

    def __init__(self) -> None:
        self.now_us = 0
        self.steps = 0
        self._due: list[tuple[int, int, Do]] = []
        self._count = 0

    def after(self, delay_us: int, do: Do) -> None:
        """Have something happen so much later."""
        self.at(self.now_us + delay_us, do)

    def at(self, time_us: int, do: Do) -> None:
        """Have something happen at that time, or now if it has passed."""
        self._count += 1
        heappush(self._due, (max(time_us, self.now_us), self._count, do))

    def run_until(self, end_us: int) -> None:
        """Let happen what is due up to then."""
        due = self._due
        while due and due[0][0] <= end_us:
            self.now_us, _, do = heappop(due)
            self.steps += 1
            do()
        self.now_us = max(self.now_us, end_us)
