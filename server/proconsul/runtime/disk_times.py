"""How long the disk takes for the log: what the server's metrics and its health say of it."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

TOOK_MAX = 1024  # durations that wait to be asked for, of which more would say no more


class DiskTimes:
    """One call at a time is under way; any thread may ask."""

    def __init__(self) -> None:
        self._busy_since_s: float | None = None  # by time.monotonic
        self._took_s: deque[float] = deque(maxlen=TOOK_MAX)

    def begin(self) -> None:
        """The disk is asked for something."""
        self._busy_since_s = time.monotonic()

    def end(self) -> None:
        """It has answered."""
        self._busy_since_s = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around a call that blocks."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def appended(self, took_s: float) -> None:
        """An append of entries took so long, sync included."""
        self._took_s.append(took_s)

    @property
    def busy_s(self) -> float:
        """For how long the disk has not answered; 0 while nothing is asked of it."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def appends_s(self) -> list[float]:
        """How long each append took since this was asked last."""
        taken = []
        with suppress(IndexError):
            while True:
                taken.append(self._took_s.popleft())
        return taken
