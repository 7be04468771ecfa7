"""What memberlist tells Serf and asks of it, given to who deals with it.

All that comes from peers comes through here. What cannot be read is logged and dropped.
"""

from collections.abc import Callable

from proconsul.gossip import coordinate_codec, serf_codec
from proconsul.gossip.address import Address
from proconsul.gossip.admission import Admission
from proconsul.gossip.announcements import Announcements
from proconsul.gossip.asking import Asking
from proconsul.gossip.broadcast import BroadcastQueue
from proconsul.gossip.cartography import Cartography
from proconsul.gossip.delegate import Node
from proconsul.gossip.effects import MemberStatus, PoolMember
from proconsul.gossip.failure import GossipError
from proconsul.gossip.joining import Joins
from proconsul.gossip.journal import Journal
from proconsul.gossip.lamport import Clock
from proconsul.gossip.member_table import MemberTable, pool_member
from proconsul.gossip.merging import Merging, Moment, slices
from proconsul.gossip.messages import NodeState
from proconsul.gossip.queries import Queries
from proconsul.gossip.serf_broadcasts import SerfBroadcasts
from proconsul.gossip.serf_messages import (
    Join,
    Leave,
    Query,
    QueryResponse,
    Relay,
    SerfMessage,
    State,
    UserEvent,
)
from proconsul.gossip.tags import meta_to_tags
from proconsul.gossip.user_events import UserEvents

# More than an event of the largest size (user_events.py) takes; whole states come another way.
BODY_BYTES_MAX = 16 * 1024

# The tags of a member are asked for several times when it joins. These take some 10 MiB at most.
DECODED_MAX = 4096
# Nobody sends more than META_BYTES_MAX (tags.py), but a row of a full exchange can hold a hundred
# times as much, which would take a thousand times as much when it is decoded.
TAGS_BYTES_MAX = 2048


class SerfDelegate:
    """Implements `Delegate` (delegate.py) for Serf."""

    def __init__(
        self,
        *,
        own_meta: Callable[[], bytes],
        query_clock: Clock,
        member_clock: Clock,
        event_clock: Clock,
        table: MemberTable,
        announcements: Announcements,
        events: UserEvents,
        queries: Queries,
        asking: Asking,
        joins: Joins,
        broadcasts: SerfBroadcasts,
        cartography: Cartography | None,
        admission: Admission,
        send: Callable[[Address, bytes], None],
        journal: Journal,
    ) -> None:
        self._own_meta = own_meta
        self._query_clock = query_clock
        self._member_clock = member_clock
        self._event_clock = event_clock
        self._table = table
        self._announcements = announcements
        self._events = events
        self._queries = queries
        self._asking = asking
        self._joins = joins
        self._broadcasts = broadcasts
        self._cartography = cartography
        self._admission = admission
        self._send = send
        self._journal = journal
        self._decoded: dict[bytes, dict[str, str]] = {}

    def meta(self) -> bytes:
        """Our own tags, encoded."""
        return self._own_meta()

    # ---------------------------------------------------------------- messages

    def deliver(self, body: bytes, now_s: float) -> None:
        """A message of Serf came; what is news is told on, in the same bytes."""
        if len(body) > BODY_BYTES_MAX:
            self._journal.warning(f"dropping a message of {len(body)} bytes")
            return
        try:
            message = serf_codec.decode(body)
        except GossipError as error:
            self._journal.error(f"Error decoding message: {error}")
            return
        queue = self._take(message, now_s)
        if queue is not None:
            self._broadcasts.tell(queue, body)

    def _take(self, message: SerfMessage, now_s: float) -> BroadcastQueue | None:
        """In which queue it is to be told on, if at all."""
        queue = None
        is_news = False
        match message:
            case Join() | Leave():
                is_news = self._announcements.heard(message, now_s)
                queue = self._broadcasts.intents
            case UserEvent():
                is_news = self._events.take(message)
                queue = self._broadcasts.events
            case Query():
                is_news = self._queries.take(message, now_s)
                queue = self._broadcasts.queries
            case QueryResponse():
                self._asking.answered(message)
            case Relay():
                self._send(message.address, message.message)
            case _:
                self._journal.warning(f"Received message of unknown type: {type(message).__name__}")
        return queue if is_news else None

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        """What goes out with a packet."""
        return self._broadcasts.take(overhead, limit)

    # ---------------------------------------------------------------- full exchanges

    def local_state(self, *, join: bool) -> bytes:
        """All that we know of intents and events."""
        return serf_codec.encode(
            State(
                ltime=self._member_clock.time,
                status_ltimes=self._table.status_ltimes(),
                left_members=self._table.left_names,
                event_ltime=self._event_clock.time,
                events=self._events.ring(),
                query_ltime=self._query_clock.time,
            )
        )

    def merge_remote_state(self, state: bytes, moment: Moment, *, join: bool) -> Merging:
        """Take in what the other knows of them."""
        try:
            found = serf_codec.decode(state)
        except GossipError as error:
            self._journal.error(f"Failed to decode remote state: {error}")
            return None
        if not isinstance(found, State):
            self._journal.error(f"Remote state has bad type: {type(found).__name__}")
            return None
        self._event_clock.witness(max(found.event_ltime - 1, 0))
        self._query_clock.witness(max(found.query_ltime - 1, 0))
        yield from self._announcements.merge(found, moment)
        if join and self._joins.ignores_events:
            self._events.ignore_before(found.event_ltime)
        yield from self._events.merge(found.events)
        return None

    # ---------------------------------------------------------------- coordinates

    def ack_payload(self) -> bytes:
        """Where we are in the network."""
        if self._cartography is None:
            return b""
        return coordinate_codec.encode(self._cartography.own)

    def ping_done(self, node: Node, rtt_s: float, payload: bytes, now_s: float) -> None:
        """How far another is, and where it takes itself to be."""
        if self._cartography is None or not payload or node.name not in self._table:
            return
        try:
            coordinate = coordinate_codec.decode(payload)
        except GossipError as error:
            self._journal.error(f"Failed to decode coordinate from ping: {error}")
            return
        problem = self._cartography.measured(node.name, coordinate, rtt_s)
        if problem is not None:
            self._journal.count("serf.coordinate.rejected")
            self._journal.debug(f"Rejected coordinate from {node.name}: {problem}")

    # ---------------------------------------------------------------- members

    def refuse_alive(self, node: Node) -> str | None:
        """Ask our user."""
        return self._admission.refuse_member(self._candidate(node))

    def refuse_merge(self, nodes: list[Node]) -> Merging:
        """Ask our user."""
        candidates: list[PoolMember] = []
        for part in slices(nodes):
            candidates += map(self._candidate, part)
            if len(nodes) > len(part):
                yield
        return self._admission.refuse_join(candidates)

    def _candidate(self, node: Node) -> PoolMember:
        status = MemberStatus.LEFT if node.state is NodeState.LEFT else MemberStatus.NONE
        return pool_member(node, self._tags(node), status, 0.0)

    def joined(self, node: Node, now_s: float) -> None:
        """It is alive."""
        self._table.joined(node, self._tags(node), now_s)

    def gone(self, node: Node, now_s: float) -> None:
        """It is not, whether it said so or not; that is for the intents to tell."""
        self._table.gone(node.name, now_s)

    def updated(self, node: Node, now_s: float) -> None:
        """It has other tags."""
        self._table.updated(node, self._tags(node), now_s)

    def conflicted(self, existing: Node, other: Node, now_s: float) -> None:
        """Two claim one name. Who had it first keeps it everywhere."""
        if existing.name == self._table.own.name:
            self._journal.error(
                f"Node name conflicts with another node at {other.address}. "
                "Names must be unique! (Resolution enabled: false)"
            )
        else:
            self._journal.warning(
                f"Name conflict for '{existing.name}' both {existing.address} and "
                f"{other.address} are claiming"
            )

    def _tags(self, node: Node) -> dict[str, str]:
        """Nobody changes these: they are given to all who ask for the same bytes."""
        if len(node.meta) > TAGS_BYTES_MAX:
            self._journal.error(f"Failed to decode tags: {len(node.meta)} bytes are too many")
            return {}
        tags = self._decoded.get(node.meta)
        if tags is None:
            try:
                tags = meta_to_tags(node.meta)
            except GossipError as error:
                self._journal.error(f"Failed to decode tags: {error}")
                return {}
            if len(self._decoded) >= DECODED_MAX:
                self._decoded.clear()
            self._decoded[node.meta] = tags
        return tags
