"""Lamport clocks: what happened after what, without anybody's wall clock.

Each message carries a time. Who hears one puts its own clock beyond it, so whatever it says next
is later. Serf has three: for members, events and queries (wire/gossip/serf.md section 5).
"""

LTIME_MAX = 2**64 - 1  # eight bytes on the wire


class Clock:
    """Goes up only, from 1 on, since 0 means "never". Stands still at LTIME_MAX."""

    def __init__(self, last_seen: int = 0) -> None:
        """`last_seen`: what an earlier life saw at last, 0 for nothing."""
        self.time = 1  # of the next message
        self.witness(last_seen)

    def witness(self, ltime: int) -> None:
        """A message of this time was heard."""
        if ltime >= self.time:
            self.time = min(ltime + 1, LTIME_MAX)

    def take(self) -> int:
        """A time for a message of ours; the next one is later."""
        ltime = self.time
        self.witness(ltime)
        return ltime
