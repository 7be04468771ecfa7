"""What is still to be told to others, and how often it was told.

A message rides in packets to random members until it was sent often enough that everybody has it
with high probability: `transmit_limit`, which grows with the logarithm of the pool. What was sent
least often goes first, of these the longest that fits, of these the newest.

A message may have a subject. It takes the place of an older one with the same subject, which is
no longer true (wire/gossip/gossip.md section 7).
"""

import math
from bisect import bisect_right, insort

from msgspec import Struct

PARTS_MAX = 255  # of a compound, whose count is one byte


def transmit_limit(multiplier: int, listed: int) -> int:
    """How often a message is sent in a pool of so many members."""
    return multiplier * math.ceil(math.log10(listed + 1))


class _Entry(Struct, frozen=True):
    ticket: int
    subject: str
    data: bytes


_Row = tuple[int, int]  # length and ticket: sorts as the rules say


class BroadcastQueue:
    """Messages in the order in which they go; at most `depth_max` of them."""

    def __init__(self, *, depth_max: int) -> None:
        self._depth_max = depth_max
        self._last_ticket = 0
        self._entries: dict[int, tuple[_Entry, int]] = {}  # and how often it was sent
        self._by_subject: dict[str, int] = {}
        self._tiers: dict[int, list[_Row]] = {}  # by how often it was sent

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, ticket: int) -> bool:
        """Whether this message is still to be sent."""
        return ticket in self._entries

    def put(self, data: bytes, *, subject: str = "") -> int:
        """Tell this; "": it takes nothing's place. Its ticket.

        In a full queue it takes the place of what was told most often.
        """
        if subject and (old := self._by_subject.get(subject)) is not None:
            self._remove(old)
        self.prune(self._depth_max - 1)
        self._last_ticket += 1
        entry = _Entry(self._last_ticket, subject, data)
        if subject:
            self._by_subject[subject] = entry.ticket
        self._insert(entry, 0)
        return entry.ticket

    def take(self, *, overhead: int, limit: int, sends_max: int) -> list[bytes]:
        """Messages for one packet: each costs its length and `overhead`, all at most `limit`.

        `sends_max`: as often is each sent, this time included.
        """
        taken: list[bytes] = []
        if not self._entries:
            return taken
        again: list[tuple[_Entry, int]] = []
        free = limit - overhead
        for sent in sorted(self._tiers):
            while len(taken) < PARTS_MAX and (ticket := self._longest(sent, free)) is not None:
                entry, _ = self._entries[ticket]
                self._remove(ticket)
                if sent + 1 < sends_max:
                    again.append((entry, sent + 1))
                taken.append(entry.data)
                free -= len(entry.data) + overhead
        # Not before all is taken: nothing is twice in one packet.
        for entry, sent in again:
            self._insert(entry, sent)
            if entry.subject:
                self._by_subject[entry.subject] = entry.ticket
        return taken

    def prune(self, depth: int) -> None:
        """Forget what was told most often, the shortest and oldest first, until so many remain."""
        while len(self._entries) > max(depth, 0):
            most = max(self._tiers)
            self._remove(self._tiers[most][0][1])

    def _longest(self, sent: int, free: int) -> int | None:
        tier = self._tiers.get(sent)
        if not tier:
            return None
        place = bisect_right(tier, (free, self._last_ticket))
        return tier[place - 1][1] if place else None

    def _insert(self, entry: _Entry, sent: int) -> None:
        self._entries[entry.ticket] = (entry, sent)
        insort(self._tiers.setdefault(sent, []), (len(entry.data), entry.ticket))

    def _remove(self, ticket: int) -> None:
        entry, sent = self._entries.pop(ticket)
        if entry.subject:
            del self._by_subject[entry.subject]
        tier = self._tiers[sent]
        del tier[bisect_right(tier, (len(entry.data), ticket)) - 1]
        if not tier:
            del self._tiers[sent]
