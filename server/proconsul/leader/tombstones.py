"""When deletions may be forgotten.

A tombstone keeps the index of a prefix from going back; it lives for fifteen minutes, rounded up
to half minutes so that many go with one command (wire/fsm.md section 4). Pure: the caller tells
the time.
"""

TTL_S = 15 * 60.0
GRANULARITY_S = 30.0


class TombstoneTimes:
    """Which index is due when; only the leader keeps them."""

    def __init__(self) -> None:
        self._due: dict[float, int] = {}  # monotonic second: highest index

    def hint(self, index: int, now_s: float) -> None:
        """A tombstone exists at this index."""
        due_s = now_s + TTL_S
        due_s += GRANULARITY_S - due_s % GRANULARITY_S
        self._due[due_s] = max(index, self._due.get(due_s, 0))

    def due(self, now_s: float) -> int:
        """The index up to which tombstones go now; 0 for none. It is told once."""
        over = [due_s for due_s in self._due if due_s <= now_s]
        return max((self._due.pop(due_s) for due_s in over), default=0)

    def clear(self) -> None:
        """This server leads no more."""
        self._due.clear()
