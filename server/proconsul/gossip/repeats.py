"""Lines of the log that would be written again and again.

What is refused is said again by everybody who gossips, some times a second. Who reads the log
wants to know of it once a minute.
"""

EVERY_S = 60.0
HELD_MAX = 256  # lines in a minute; who makes up names would have us write without end
SHOWN_CHARS_MAX = 128  # of each part by which lines are told apart: what is held costs memory


class Repeats:
    """Which lines were written of late."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, ...], float] = {}  # and when; the first is the oldest

    def is_due(self, now_s: float, *about: str) -> bool:
        """Whether to write a line about this: not if there was one within EVERY_S."""
        self._forget(now_s - EVERY_S)
        told_apart = tuple(part[:SHOWN_CHARS_MAX] for part in about)
        if told_apart in self._said or len(self._said) >= HELD_MAX:
            return False
        self._said[told_apart] = now_s
        return True

    def _forget(self, until_s: float) -> None:
        while self._said:
            oldest, said_s = next(iter(self._said.items()))
            if said_s > until_s:
                return
            del self._said[oldest]
