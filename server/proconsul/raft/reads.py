"""Consistent reads without a log entry (thesis, 6.4): prove that nobody else leads, then read.

All reads that wait share one round: a number that every request carries which leaves after the
round began. Once a majority has answered such requests, nobody else can have been leader when
the round began, so the commit index of that moment is fresh enough. A request from before the
round proves nothing. No lease is involved.
"""

from collections import deque

from proconsul.raft.effects import ReadAnswer
from proconsul.raft.messages import Index, ReadId


class Reads:
    """The reads that wait at a leader."""

    def __init__(self) -> None:
        self.round = 0
        self._next: list[ReadId] = []
        self._open: deque[tuple[int, Index, list[ReadId]]] = deque()

    @property
    def wants_round(self) -> bool:
        """Whether somebody waits for the next round."""
        return bool(self._next)

    @property
    def has_open_round(self) -> bool:
        """Whether a round waits to be confirmed."""
        return bool(self._open)

    def ask(self, read: ReadId) -> None:
        """Another read waits."""
        self._next.append(read)

    def begin(self, commit_index: Index) -> None:
        """Begin a round for all that wait; requests that leave from now on confirm it."""
        self.round += 1
        self._open.append((self.round, commit_index, self._next))
        self._next = []

    def renew(self) -> None:
        """Begin a round that nobody waits for: a leader's lease is renewed by it."""
        self.round += 1

    def confirmed(self, up_to: int) -> list[ReadAnswer]:
        """A majority confirmed the rounds up to this one."""
        answers: list[ReadAnswer] = []
        while self._open and self._open[0][0] <= up_to:
            _, index, reads = self._open.popleft()
            answers += [ReadAnswer(read, index) for read in reads]
        return answers

    def abandon(self) -> list[ReadAnswer]:
        """Leadership is lost: nobody gets an index."""
        waiting = [read for _, _, reads in self._open for read in reads] + self._next
        self._open.clear()
        self._next = []
        return [ReadAnswer(read, None) for read in waiting]
