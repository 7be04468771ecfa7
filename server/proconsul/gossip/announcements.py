"""Intents: what is said about coming and going, and what we say (wire/gossip/serf.md section 5).

Nobody may say that we leave while we stay: such an intent is from an earlier life of ours, or
somebody's mistake. It is refuted with a join intent, which is later. Also if it is of the same
time as our last one, which Serf leaves as it is: who heard the other first would take us for
leaving for ever.
"""

from proconsul.gossip import serf_codec
from proconsul.gossip.journal import Journal
from proconsul.gossip.lamport import Clock
from proconsul.gossip.member_table import MemberTable
from proconsul.gossip.merging import SLICE_ROWS, Merging, Moment
from proconsul.gossip.serf_broadcasts import SerfBroadcasts
from proconsul.gossip.serf_messages import Join, Leave, State


class Announcements:
    """Hears and says intents."""

    def __init__(
        self, *, clock: Clock, table: MemberTable, broadcasts: SerfBroadcasts, journal: Journal
    ) -> None:
        self._clock = clock
        self._table = table
        self._broadcasts = broadcasts
        self._journal = journal
        self.is_leaving = False  # so that others are right who say so

    def heard(self, intent: Join | Leave, now_s: float) -> bool:
        """Somebody says this. Whether it is news, to be told to others."""
        self._clock.witness(intent.ltime)
        if isinstance(intent, Join):
            return self._table.join_intent(intent.node, intent.ltime, now_s)
        if intent.node == self._table.own.name and not self.is_leaving:
            self._refute(intent, now_s)
            return False
        return self._table.leave_intent(intent.node, intent.ltime, prune=intent.prune, now_s=now_s)

    def _refute(self, intent: Leave, now_s: float) -> None:
        if 0 < intent.ltime >= self._table.status_ltime(intent.node):
            self._say_later(now_s)

    def _say_later(self, now_s: float) -> None:
        """Say that we are here, later than what others have heard of us."""
        if self._clock.time > self._table.status_ltime(self._table.own.name):
            self._journal.debug("Refuting an older leave intent")
            # Serf takes who is among the left of another for one that leaves by an intent that is
            # later by one than what it knows; ours must be later than that.
            self._clock.take()
            self.say_joined(now_s)

    def merge(self, state: State, moment: Moment) -> Merging:
        """Take what another knows, by slices; nothing of it is told to others."""
        # The other's clock has not been used yet, so the time before it is the last one.
        self._clock.witness(max(state.ltime - 1, 0))
        left = dict.fromkeys(state.left_members)
        for count, name in enumerate(left, start=1):
            self._hear_left(name, state.status_ltimes.get(name, 0), moment.now_s)
            if count % SLICE_ROWS == 0:
                yield
        for count, (name, ltime) in enumerate(state.status_ltimes.items(), start=1):
            if name not in left:
                self._hear_status(name, ltime, moment.now_s)
            if count % SLICE_ROWS == 0:
                yield
        return None

    def _hear_left(self, name: str, ltime: int, now_s: float) -> None:
        """Another takes this member for one that left, by an intent of that time."""
        self._clock.witness(ltime)
        own_name = self._table.own.name
        if name != own_name or self.is_leaving:
            self._table.left_elsewhere(name, ltime, now_s)
        elif ltime >= self._table.status_ltime(own_name):
            self._say_later(now_s)

    def _hear_status(self, name: str, ltime: int, now_s: float) -> None:
        """Another knows of an intent of that time; of what kind it was is not said."""
        own_name = self._table.own.name
        is_unknown = name == own_name and ltime > self._table.status_ltime(own_name)
        self._clock.witness(ltime)
        self._table.join_intent(name, ltime, now_s, hearsay=True)
        if is_unknown:
            # Somebody else said it, or an earlier life of ours. If it was that we leave, others
            # may take us for leaving for ever, since nothing that we said is later.
            self._say_later(now_s)

    def say_joined(self, now_s: float) -> None:
        """Tell everybody that we are here, later than all that was said before.

        Not while we leave: a join that ends then must not take back what we said.
        """
        if self.is_leaving:
            return
        intent = Join(ltime=self._clock.take(), node=self._table.own.name)
        self._table.join_intent(intent.node, intent.ltime, now_s)
        self._broadcasts.tell(self._broadcasts.intents, serf_codec.encode(intent))

    def say_leaves(self, name: str, now_s: float, *, prune: bool = False) -> int | None:
        """Tell everybody that this member leaves; a ticket, or None if nobody is there to hear."""
        intent = Leave(ltime=self._clock.take(), node=name, prune=prune)
        self.heard(intent, now_s)
        if not self._table.alive():
            return None
        return self._broadcasts.tell(self._broadcasts.intents, serf_codec.encode(intent))
