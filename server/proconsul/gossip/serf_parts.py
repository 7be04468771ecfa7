"""The parts of a Serf, wired to each other (serf.py says who is who)."""

from collections.abc import Callable, Mapping

from proconsul.gossip.address import Address
from proconsul.gossip.admission import Admission
from proconsul.gossip.announcements import Announcements
from proconsul.gossip.asking import Asking
from proconsul.gossip.cartography import Cartography
from proconsul.gossip.chores import Chores
from proconsul.gossip.delegate import Node
from proconsul.gossip.departure import Departure
from proconsul.gossip.effects import (
    Change,
    Effect,
    LeaveEnded,
    MemberChanged,
    MemberStatus,
    PoolMember,
    QueryHeard,
    UserEventHeard,
)
from proconsul.gossip.failure import SerfError
from proconsul.gossip.framing import Framing
from proconsul.gossip.internal_queries import InternalQueries, is_internal
from proconsul.gossip.joining import Joins
from proconsul.gossip.journal import Journal
from proconsul.gossip.key_rotation import KeyKeeper
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.lamport import Clock
from proconsul.gossip.leaving import Leaving
from proconsul.gossip.member_table import MemberTable, pool_member
from proconsul.gossip.memberlist import Memberlist
from proconsul.gossip.messages import NodeState
from proconsul.gossip.outbox import PART_BYTES, USER_BYTES, room_bytes
from proconsul.gossip.queries import Queries
from proconsul.gossip.serf_broadcasts import SerfBroadcasts
from proconsul.gossip.serf_delegate import SerfDelegate
from proconsul.gossip.serf_messages import UserEvent
from proconsul.gossip.settings import GossipSettings, SerfSettings
from proconsul.gossip.snapshot import Kept, Ledger
from proconsul.gossip.tags import tags_to_meta
from proconsul.gossip.user_events import UserEvents

VSN = bytes((1, 5, 2, 2, 5, 4))  # memberlist's and Serf's versions: min, max, spoken (Consul's)


class SerfParts:
    """All of them, and the effects that they gather."""

    def __init__(
        self,
        *,
        name: str,
        address: Address,
        tags: Mapping[str, str],
        gossip: GossipSettings,
        settings: SerfSettings,
        ring: Keyring | None,
        admission: Admission,
        dice: Callable[[int], int],
        nonce: Callable[[int], bytes],
        now_s: float,
        kept: Kept,
    ) -> None:
        self.effects: list[Effect] = []
        self.journal = Journal(self.effects, "serf")
        self.tags = dict(tags)
        self.meta = tags_to_meta(self.tags)
        self.clock = Clock(kept.clock)
        self.event_clock = Clock(kept.event_clock, begins_anew=True)
        self.query_clock = Clock(kept.query_clock, begins_anew=True)
        self.ledger = Ledger(
            kept, self.effects, lambda: self.clock.time, rejoins=settings.rejoin_after_leave
        )
        self.cartography = Cartography(name, dice) if settings.coordinates else None
        node = Node(name=name, address=address, meta=self.meta, vsn=VSN, state=NodeState.ALIVE)
        own = pool_member(node, self.tags, MemberStatus.ALIVE, now_s)
        self.table = MemberTable(
            own=own,
            settings=settings,
            # memberlist lists no more, so whoever does not fit takes the place of one that is gone.
            rows_max=gossip.nodes_max,
            changed=self._changed,
            journal=self.journal,
        )
        self.framing = Framing(ring, gossip, nonce)
        self.broadcasts = SerfBroadcasts(
            gossip=gossip,
            settings=settings,
            body_bytes_max=room_bytes(gossip, self.framing) - PART_BYTES - USER_BYTES,
            member_count=lambda: len(self.table),
        )
        self.announcements = Announcements(
            clock=self.clock, table=self.table, broadcasts=self.broadcasts, journal=self.journal
        )
        self.events = UserEvents(
            slots=settings.event_buffer,
            min_ltime=kept.event_clock + 1,
            clock=self.event_clock,
            heard=self._heard_event,
            journal=self.journal,
        )
        self.asking = Asking(self.journal)
        self.queries = Queries(
            name=name,
            slots=settings.query_buffer,
            min_ltime=kept.query_clock + 1,
            response_bytes_max=settings.query_response_bytes_max,
            clock=self.query_clock,
            tags=lambda: self.tags,
            table=self.table,
            hear=self._heard_query,
            send=self._send,
            asking=self.asking,
            dice=dice,
            journal=self.journal,
        )
        self.keys = KeyKeeper(ring, self.effects, self.journal)
        self._internal = InternalQueries(
            own_name=name, keys=self.keys, member=self.table.get, journal=self.journal
        )
        self.joins = Joins(
            dial=self._dial,
            joined=self.announcements.say_joined,
            effects=self.effects,
            journal=self.journal,
            dice=dice,
        )
        self.memberlist = Memberlist(
            name=name,
            address=address,
            vsn=VSN,
            settings=gossip,
            framing=self.framing,
            delegate=self._delegate(admission),
            on_join=self.joins.ended,
            dice=dice,
            effects=self.effects,
            now_s=now_s,
        )
        departure = Departure(
            memberlist=self.memberlist,
            announcements=self.announcements,
            table=self.table,
            broadcasts=self.broadcasts,
            ledger=self.ledger,
        )
        self.leaving = Leaving(departure, settings, self._left, self.journal)
        self.chores = Chores(
            settings=settings,
            table=self.table,
            joins=self.joins,
            ledger=self.ledger,
            dice=dice,
            now_s=now_s,
        )
        # memberlist does not tell us about ourselves.
        self.journal.info(f"{Change.JOIN.value}: {name} {address.host}")
        self.effects.append(MemberChanged(Change.JOIN, own))

    def _delegate(self, admission: Admission) -> SerfDelegate:
        return SerfDelegate(
            own_meta=lambda: self.meta,
            member_clock=self.clock,
            event_clock=self.event_clock,
            query_clock=self.query_clock,
            table=self.table,
            announcements=self.announcements,
            events=self.events,
            queries=self.queries,
            asking=self.asking,
            joins=self.joins,
            broadcasts=self.broadcasts,
            cartography=self.cartography,
            admission=admission,
            send=self._send,
            journal=self.journal,
        )

    # ---------------------------------------------------------------- from part to part

    def _send(self, to: Address, body: bytes) -> None:
        """By one packet, where some peer says; it may say anything."""
        if len(to.ip) in (4, 16) and to.port and body:
            self.memberlist.send_user(to, body)

    def _dial(self, address: Address, name: str, now_s: float) -> int:
        return self.memberlist.join(address, name, now_s)

    def _changed(self, change: Change, member: PoolMember, now_s: float) -> None:
        self.effects.append(MemberChanged(change, member))
        if change is Change.REAP and self.cartography is not None:
            self.cartography.forget(member.name)
        if member.name == self.table.own.name:
            return
        if change is Change.JOIN:
            self.ledger.alive(member.name, member.address)
        elif change in (Change.LEAVE, Change.FAILED):
            self.ledger.not_alive(member.name)

    def _heard_event(self, event: UserEvent) -> None:
        self.ledger.event(event.ltime)
        self.effects.append(
            UserEventHeard(
                ltime=event.ltime,
                name=event.name,
                payload=event.payload,
                coalesce=event.coalesce,
            )
        )

    def _heard_query(self, heard: QueryHeard, now_s: float) -> None:
        self.ledger.query(heard.ltime)
        if not is_internal(heard.name):
            self.effects.append(heard)
            return
        payload = self._internal.answer(heard, lambda body: self.queries.fits(heard, body))
        if payload is None:
            self.queries.dismiss(heard)
            return
        try:
            self.queries.respond(heard, payload, now_s)
        except SerfError as error:
            self.journal.error(f"Failed to respond to query {heard.name}: {error}")

    def _left(self) -> None:
        self.effects.append(LeaveEnded())
