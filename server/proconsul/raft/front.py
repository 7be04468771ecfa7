"""Which followers are sent entries at once: as many as a majority needs, the quickest of them.

The others get what a busy leader took in the meantime with the next tick, many writes in one
message and under one sync: their word is not needed to commit it. After a tick before which nobody
waited the next entries go to everybody; who is first to have them is in front from there
(docs/adr/0023).
"""

from collections.abc import Sequence
from typing import Final

from proconsul.raft.messages import Index, ServerId

HELD_BYTES_MAX: Final = 64 * 1024
RACE_TICKS: Final = 8  # in busy times everybody is sent the next entries so often
DOUBT_TICKS: Final = 16  # so long nobody waits once a write was not committed within a tick


class Front:
    """A leader's choice among its followers."""

    def __init__(self, entries_max: int) -> None:
        """Who waits may lack so many entries; 0: nobody waits."""
        self._entries_max = entries_max
        self.members: Sequence[ServerId] = ()
        self._needed = 0
        self._is_open = True  # the next entries go to everybody
        self._holds = False  # in this turn
        self._doubt_ticks = 0
        self._race_ticks = 0
        self._last_index = Index(0)  # as of the last turn
        self._told_index = Index(0)  # everybody was sent entries up to there
        self._ticked_index = Index(0)  # as of the last tick
        self._held_bytes = 0

    def choose(self, able: Sequence[tuple[ServerId, Index]], needed: int) -> None:
        """So many are needed of these voters that take entries and have them up to there.

        Of those that are equally far, who is in front already stays.
        """
        by_match = [(-match, server not in self.members, server) for server, match in able]
        by_match.sort()
        self._needed = needed
        self.members = tuple([server for _, _, server in by_match[:needed]])

    def forget(self) -> None:
        """The members or the state are others: everybody is sent everything until it is chosen."""
        self.members = ()
        self._needed = 1

    def grew(self, size: int) -> None:
        """An entry of so many bytes was appended."""
        self._held_bytes += size

    def tick(self, last_index: Index, commit_index: Index) -> None:
        """A tick of time passed at the leader."""
        self._doubt_ticks = max(0, self._doubt_ticks - 1)
        if commit_index < self._ticked_index:
            self._doubt_ticks = DOUBT_TICKS
        self._ticked_index = last_index
        self._race_ticks += 1
        if self._race_ticks >= RACE_TICKS or last_index == self._told_index:
            self._race_ticks = 0
            self._is_open = True

    def turn(self, last_index: Index, *, asked: bool) -> None:
        """Decide who is sent what came in this turn; everybody is, if `asked`."""
        has_new = last_index > self._last_index
        self._last_index = last_index
        self._holds = not (
            asked
            or self._is_open
            or self._doubt_ticks
            or len(self.members) < self._needed
            or last_index - self._told_index > self._entries_max
            or self._held_bytes > HELD_BYTES_MAX
        )
        if self._holds:
            return
        if has_new:
            self._is_open = False
        self._told_index = last_index
        self._held_bytes = 0

    def holds(self, server: ServerId, next_index: Index) -> bool:
        """Whether a follower waits in this turn that lacks what begins there."""
        return self._holds and next_index > self._told_index and server not in self.members
