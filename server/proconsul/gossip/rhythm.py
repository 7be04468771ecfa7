"""Something that is done again and again."""

import math


class Rhythm:
    """Due every `interval_s`; what was missed is not made up for."""

    def __init__(self, interval_s: float, first_s: float) -> None:
        self.interval_s = interval_s
        self.next_s = first_s

    def is_due(self, now_s: float) -> bool:
        """Whether it is to be done; True once for each time."""
        if now_s < self.next_s:
            return False
        missed = math.floor((now_s - self.next_s) / self.interval_s)
        self.next_s += self.interval_s * (missed + 1)
        return True
