"""What is done again and again: reaping, reconnecting, writing down what time it is."""

import math
from collections.abc import Callable

from proconsul.gossip.joining import Joins
from proconsul.gossip.member_table import MemberTable
from proconsul.gossip.reconnect import to_reconnect
from proconsul.gossip.rhythm import Rhythm
from proconsul.gossip.settings import SerfSettings
from proconsul.gossip.snapshot import Ledger

CLOCK_INTERVAL_S = 0.5  # between two lines with the members' clock


class Chores:
    """Those of one Serf."""

    def __init__(
        self,
        *,
        settings: SerfSettings,
        table: MemberTable,
        joins: Joins,
        ledger: Ledger,
        dice: Callable[[int], int],
        now_s: float,
    ) -> None:
        self._table = table
        self._joins = joins
        self._ledger = ledger
        self._dice = dice
        self._reaping = Rhythm(settings.reap_interval_s, now_s + settings.reap_interval_s)
        reconnect_s = settings.reconnect_interval_s
        self._reconnecting = Rhythm(reconnect_s, now_s + reconnect_s)
        self._noted_s = now_s

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        self._table.prune(now_s)
        if self._reaping.is_due(now_s):
            self._table.reap(now_s)
        if self._reconnecting.is_due(now_s):
            self._reconnect(now_s)
        if now_s >= self._note_s:
            self._noted_s = now_s
            self._ledger.note_clock()

    def _reconnect(self, now_s: float) -> None:
        failed = self._table.failed()
        present = len(self._table) - len(failed) - len(self._table.left_names)
        member = to_reconnect(failed, present, self._dice)
        if member is not None:
            self._joins.reconnect(member.name, member.address, now_s)

    @property
    def _note_s(self) -> float:
        return self._noted_s + CLOCK_INTERVAL_S if self._ledger.is_clock_new else math.inf

    @property
    def next_s(self) -> float:
        """When something is due next."""
        return min(
            self._table.next_prune_s, self._reaping.next_s, self._reconnecting.next_s, self._note_s
        )
