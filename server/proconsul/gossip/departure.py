"""What leaving does (leaving.py) to the parts of Serf."""

from proconsul.gossip.announcements import Announcements
from proconsul.gossip.member_table import MemberTable
from proconsul.gossip.memberlist import Memberlist
from proconsul.gossip.serf_broadcasts import SerfBroadcasts
from proconsul.gossip.snapshot import Ledger


class Departure:
    """Implements `leaving.Ways`."""

    def __init__(
        self,
        *,
        memberlist: Memberlist,
        announcements: Announcements,
        table: MemberTable,
        broadcasts: SerfBroadcasts,
        ledger: Ledger,
    ) -> None:
        self._memberlist = memberlist
        self._announcements = announcements
        self._table = table
        self._broadcasts = broadcasts
        self._ledger = ledger
        self._ticket: int | None = None

    def say_intent(self, now_s: float) -> None:
        """Tell that we mean to leave."""
        self._ledger.leave()
        self._announcements.is_leaving = True
        self._ticket = self._announcements.say_leaves(self._table.own.name, now_s)

    @property
    def is_intent_told(self) -> bool:
        """Whether it was told as often as it will be, or nobody is there."""
        return self._ticket is None or self._ticket not in self._broadcasts.intents

    def say_dead(self, now_s: float) -> None:
        """Tell that we are gone; memberlist does not tell us about ourselves."""
        self._memberlist.leave(now_s)
        self._table.gone(self._table.own.name, now_s)

    @property
    def is_dead_told(self) -> bool:
        """Whether it was told as often as it will be, or nobody is there."""
        return self._memberlist.is_leave_told

    @property
    def is_alone(self) -> bool:
        """Whether nobody else is there: we do not count any more."""
        return self._memberlist.alive_count() == 0
