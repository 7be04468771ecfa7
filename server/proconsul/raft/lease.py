"""A leader's lease: for how long it may answer reads without asking anybody (thesis, 6.4.1).

Followers that have answered a leader vote for nobody else for a while (follower.py), so it leads
alone for that long after the moment when it asked them. The moment is taken on a clock that runs
on while the process stands still, and looked at before each answer: a paused process wakes with
its sockets full of questions. Only reads in the default mode rest on it; `?consistent` never does.
"""

from collections import deque

from proconsul.raft.settings import Settings

# What a lease may use of the time that it was promised. So it takes two clocks of which one is 5 %
# fast and one 5 % slow to break it; real ones differ by their crystals' 0.01 % and by 0.05 % at
# which a kernel slews them at most (adjtimex(2)).
SHARE = 0.9


def duration_s(settings: Settings, tick_s: float) -> float:
    """How long a lease lasts: a follower's first tick may come just after its answer."""
    return SHARE * (settings.promise_ticks - 1) * tick_s


class Lease:
    """Of one leadership at a time. All times are seconds of one monotonic clock."""

    def __init__(self, duration_s: float) -> None:
        """`duration_s`: see the function; less than what a follower waits before it votes."""
        self._duration_s = duration_s
        self._asked: deque[tuple[int, float]] = deque()  # rounds, and before they were asked for
        self._newest_round = 0
        self._until_s = float("-inf")

    def asked(self, round_: int, now_s: float) -> None:
        """The questions of this round leave now or later; a smaller one is of a new leadership.

        Round 0: nobody is asked.
        """
        if round_ == self._newest_round:
            return
        if round_ < self._newest_round:
            self.end()
        self._newest_round = round_
        if round_:
            self._asked.append((round_, now_s))

    def confirmed(self, round_: int) -> None:
        """A majority has answered questions of this round or a later one."""
        while self._asked and self._asked[0][0] <= round_:
            self._until_s = self._asked.popleft()[1] + self._duration_s

    def end(self) -> None:
        """Leadership is over, or begins.

        The newest round is remembered: its questions may have left already, so to note it again
        would be to take it for younger than it is.
        """
        self._asked.clear()
        self._until_s = float("-inf")

    def age_s(self, now_s: float) -> float | None:
        """How long ago a majority was asked that answered; None: not in this leadership."""
        asked_s = self._until_s - self._duration_s
        return None if asked_s == float("-inf") else now_s - asked_s

    def holds(self, now_s: float) -> bool:
        """Whether nobody else can lead at this moment."""
        return now_s < self._until_s
