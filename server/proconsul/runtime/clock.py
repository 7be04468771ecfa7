"""Time and chance, the real ones."""

import os
import random
import time
import uuid

_LASTING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def lasting_s() -> float:
    """Monotonic seconds that go on while the process stands still or the machine sleeps."""
    return time.clock_gettime(_LASTING)


class RealWorld:
    """What `endpoints.context.World` asks of clock and dice."""

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(16))

    now_s = staticmethod(time.monotonic)  # several times in each request

    def unix_ns(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()

    def die(self, sides: int) -> int:
        """A number from 0 to `sides` - 1."""
        return self._random.randrange(sides)

    def new_uuid(self) -> str:
        """A random UUID in text."""
        return str(uuid.uuid4())
