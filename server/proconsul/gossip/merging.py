"""What others know as a whole, taken in by slices.

The states of ten thousand members take most of a second. Pings are answered by the same thread,
and who waits half a second for an answer suspects us. So a state is taken in by so many rows at a
time, and in between whatever else comes has its turn.

A small state is taken in at once. Of large ones the oldest goes on first, so that there is one
slice between two turns, however many have come.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct

SLICE_ROWS = 128  # a new member costs some 60 microseconds, with all that is told about it
MERGES_MAX = 8  # others begin an exchange with us once in minutes; a large state has some ten MiB

Merging = Generator[None, None, str | None]
"""Stops after each slice. At the end: why nothing was taken, or None."""


class Moment(Struct):
    """When the slice that is under way is taken in."""

    now_s: float


Merge = Callable[[Moment], Merging]
Ended = Callable[[str | None, float], None]  # why nothing was taken, or None; and when
T = TypeVar("T")


def slices(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in order, as many as are taken in at a time."""
    for first in range(0, len(rows), SLICE_ROWS):
        yield rows[first : first + SLICE_ROWS]


class _Begun(Struct, frozen=True):
    moment: Moment
    merging: Merging
    ended: Ended


class Merges:
    """Those under way."""

    def __init__(self) -> None:
        self._waiting: deque[_Begun] = deque()

    @property
    def is_under_way(self) -> bool:
        """Whether there is something to go on with."""
        return bool(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether a state that nobody here asked for may be taken in too."""
        return len(self._waiting) < MERGES_MAX

    def begin(self, merge: Merge, ended: Ended, now_s: float) -> None:
        """Take in the first slice; `ended` is called once, after the last one."""
        moment = Moment(now_s)
        begun = _Begun(moment, merge(moment), ended)
        if not self._is_over(begun, now_s):
            self._waiting.append(begun)

    def go_on(self, now_s: float) -> None:
        """Take in the next slice. What it raises is a mistake of ours, and ends that merge."""
        if self._waiting:
            begun = self._waiting.popleft()
            if not self._is_over(begun, now_s):
                self._waiting.appendleft(begun)

    def _is_over(self, begun: _Begun, now_s: float) -> bool:
        begun.moment.now_s = now_s
        try:
            next(begun.merging)
        except StopIteration as end:
            begun.ended(end.value, now_s)
            return True
        except Exception:
            begun.ended("taking it in went wrong", now_s)
            raise
        return False
