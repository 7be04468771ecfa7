"""Gives the processor to the kernel's worker for a moment, unless somebody else keeps it.

The worker that syncs a file may be bound to the processor that asked for it. Who goes on at once
holds it up, and nothing is gained by what is done meanwhile. But another process that is busy there
would take the processor for milliseconds: then it is not offered for a while.
"""

import os
import time
from collections.abc import Callable
from typing import Final

LONG_S: Final = 0.001
PAUSE_S: Final = 1.0


class GivingTime:
    """`give` it."""

    def __init__(
        self,
        give: Callable[[], None] = os.sched_yield,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._give = give
        self._now_s = now_s
        self._not_before_s = 0.0

    def give(self) -> None:
        """Let others go first, if that did not take long the last time."""
        began_s = self._now_s()
        if began_s < self._not_before_s:
            return
        self._give()
        ended_s = self._now_s()
        if ended_s - began_s > LONG_S:
            self._not_before_s = ended_s + PAUSE_S
