"""Which writes wait for those that are on their way, so that few large groups reach the log.

A group costs a sync of each server's disk, a message to each follower and its answer, and what a
processor forgets between them: as much as ten writes. Clients that wait for answers keep whatever
groups they are in: two halves would follow each other for ever. So a write that comes while several
are on their way waits until they are answered, and until what those clients ask next has been read.

That costs it the rest of a group's time at most. Where a group takes long it is the network's time,
which groups should share and not wait for: there nothing waits.
"""

from typing import Final

from proconsul.raft.messages import Index

GROUP_MIN: Final = 4  # fewer writes on their way are no group worth waiting for
GROUP_TIME_MAX_S: Final = 0.025  # one that takes longer is not waited for


class Gathering:
    """Whether writes wait now: a state that is told what goes and what is answered."""

    def __init__(self) -> None:
        self._end: Index | None = None  # the last entry of the group on its way
        self._began_s = 0.0
        self._takes_long = False  # the last one did
        self.holds = False

    def went(self, last: Index, committed: Index, now_s: float) -> None:
        """What is in the leader's log, up to `last`, has gone to the disk and to the followers."""
        if last <= committed or self.holds:
            return
        if self._end is None:
            self._end, self._began_s = last, now_s
        if last - committed >= GROUP_MIN and not self._takes_long:
            self._end = last
            self.holds = True

    def applied(self, index: Index, now_s: float) -> bool:
        """Entries up to `index` are answered; whether that is the group that writes wait for.

        They wait on until `end`: what the answers bring is to go with them.
        """
        if self._end is None or index < self._end:
            return False
        self._takes_long = now_s - self._began_s > GROUP_TIME_MAX_S
        self._end = None
        return self.holds

    def is_late(self, now_s: float) -> bool:
        """Whether the group that writes wait for takes longer than it may."""
        return self.holds and self._end is not None and now_s - self._began_s > GROUP_TIME_MAX_S

    def end(self) -> None:
        """Nothing waits any more; a group that is still on its way took too long."""
        if self.holds and self._end is not None:
            self._takes_long = True
        self._end = None
        self.holds = False
