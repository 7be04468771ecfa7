"""Lamport clocks: what happened after what, without anybody's wall clock.

Each message carries a time. Who hears one puts its own clock beyond it, so whatever it says next
is later. Serf has three: for members, events and queries (wire/gossip/serf.md section 5).
"""

LTIME_MAX = 2**64 - 1  # eight bytes on the wire


class Clock:
    """Goes up only, from 1 on, since 0 means "never".

    No pool lives long enough to come to LTIME_MAX, but a hostile peer can say so. A clock that
    `begins_anew` is at 1 again then, as Serf's is: what is said and forgotten goes on. Others
    stand still: what is remembered about a member must not be followed by what is earlier.
    """

    def __init__(self, last_seen: int = 0, *, begins_anew: bool = False) -> None:
        """`last_seen`: what an earlier life saw at last, 0 for nothing."""
        self.time = 1  # of the next message
        self._after_last = 1 if begins_anew else LTIME_MAX
        self.witness(last_seen)

    def witness(self, ltime: int) -> None:
        """A message of this time was heard."""
        if ltime >= self.time:
            self.time = ltime + 1 if ltime < LTIME_MAX else self._after_last

    def take(self) -> int:
        """A time for a message of ours; the next one is later."""
        ltime = self.time
        self.witness(ltime)
        return ltime
