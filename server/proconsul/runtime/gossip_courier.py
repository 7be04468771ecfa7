"""What the pool's thread has for the main loop: events, lines of the log, counts, in order.

The main loop may be busy for a second. What happens meanwhile waits here, up to a limit that only
a process in great trouble reaches. Then events and lines are left out first and said to be; the
members' changes only much later, and who wants to know how things are asks for all members.

The loop is woken once for all that waits, and takes a bounded number of things a turn.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

WAITING_MAX = 16_384  # a full ring of Serf's events from each of 32 servers that all go mad
WAITING_CHANGES_MAX = 131_072  # each of 20 000 members came, failed and came again, twice
TURN_MAX = 256  # deliveries in one turn of the main loop

Delivery = Callable[[], None]


class Courier:
    """`post` may be called in any thread; deliveries are made on the loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, failed: Callable[[Exception], None]
    ) -> None:
        """`failed` is told what a delivery raised; the next ones are made all the same."""
        self._loop = loop
        self._failed = failed
        self._lock = threading.Lock()
        self._waiting: deque[Delivery] = deque()
        self._is_woken = False
        self._left_out = 0

    def post(self, delivery: Delivery, *, is_change: bool = False) -> None:
        """Have it called on the loop, after all that was posted before."""
        with self._lock:
            if len(self._waiting) >= (WAITING_CHANGES_MAX if is_change else WAITING_MAX):
                self._left_out += 1
                return
            self._waiting.append(delivery)
            if self._is_woken:
                return
            self._is_woken = True
        self._wake()

    def take_left_out(self) -> int:
        """How many were left out since the last call."""
        with self._lock:
            left_out, self._left_out = self._left_out, 0
        return left_out

    def _wake(self) -> None:
        # The main loop may be closed before the pool's thread has ended: nobody listens then.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        for _ in range(TURN_MAX):
            with self._lock:
                if not self._waiting:
                    self._is_woken = False
                    return
                delivery = self._waiting.popleft()
            try:
                delivery()
            except Exception as failure:
                self._failed(failure)
        self._loop.call_soon(self._deliver)
