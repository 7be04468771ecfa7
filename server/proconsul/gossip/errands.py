"""Pings that we send because others ask: they had no answer themselves.

The one who asked gets the ack under the number that it gave, or, if it wants, a nack in time.
Deadlines are times of attention.py (wire/gossip/gossip.md section 7).
"""

import math

from msgspec import Struct

from proconsul.gossip.address import Address
from proconsul.gossip.attention import Attention
from proconsul.gossip.journal import Journal
from proconsul.gossip.members import Members
from proconsul.gossip.messages import Ack, IndirectPing, Nack, Ping
from proconsul.gossip.outbox import Outbox
from proconsul.gossip.settings import GossipSettings

# Each is open for `probe_timeout_s`. Who is asked by a whole pool of thousands at once has a few
# hundred: all suspect the same member, and each asks three.
ERRANDS_MAX = 1024


class Numbers:
    """Sequence numbers of pings: four bytes, never 0."""

    def __init__(self, last: int = 0) -> None:
        self._last = last

    def next(self) -> int:
        """One that is not in use, as long as fewer than four billion are."""
        self._last = self._last % 0xFFFF_FFFF + 1
        return self._last


class _Errand(Struct, frozen=True):
    asked: IndirectPing
    asker: Address
    until_s: float


class Errands:
    """Those under way; at most ERRANDS_MAX."""

    def __init__(
        self,
        *,
        members: Members,
        outbox: Outbox,
        numbers: Numbers,
        attention: Attention,
        journal: Journal,
        settings: GossipSettings,
    ) -> None:
        self._members = members
        self._outbox = outbox
        self._numbers = numbers
        self._attention = attention
        self._journal = journal
        self._settings = settings
        self._open: dict[int, _Errand] = {}  # the first ends first
        self._was_full = False

    @property
    def next_s(self) -> float:
        """When the first must be answered, on attention's clock."""
        for errand in self._open.values():
            return errand.until_s
        return math.inf

    def run(self, asked: IndirectPing, asker: Address) -> None:
        """Ping the one that is asked for, and answer to `asker`."""
        is_full = len(self._open) >= ERRANDS_MAX
        if is_full and not self._was_full:
            self._journal.warning(f"{ERRANDS_MAX} indirect pings are pending, dropping others")
        self._was_full = is_full
        if is_full:
            return
        own = self._members.own
        number = self._numbers.next()
        until_s = self._attention.heard_s + self._settings.probe_timeout_s
        self._open[number] = _Errand(asked, asker, until_s)
        ping = Ping(seq_no=number, node=asked.node, source=own.address, source_node=own.name)
        self._outbox.send(self._members.complete(asked.target), ping)

    def acked(self, ack: Ack) -> None:
        """Take an ack that may be for one of these."""
        errand = self._open.pop(ack.seq_no, None)
        if errand is not None:
            self._outbox.send(errand.asker, Ack(seq_no=errand.asked.seq_no))

    def tick(self) -> None:
        """Do what is due."""
        heard_s = self._attention.heard_s
        while self.next_s <= heard_s:
            errand = self._open.pop(next(iter(self._open)))
            if errand.asked.nack:
                self._outbox.send(errand.asker, Nack(seq_no=errand.asked.seq_no))
