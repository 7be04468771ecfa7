"""Queries of others, and our answers.

A query goes round like an event, and is heard once; whom it does not concern passes it on all the
same. The answer does not go round: it goes to the asker by one packet, and if that may get lost,
also by way of some others. We answer our own queries too (wire/gossip/serf.md section 7).

Where the answer goes is what the query says. Somebody who has the pool's key can thus make us
send packets anywhere; a query is answered once, and relayed to few, so that it is no lever.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from proconsul.gossip import serf_codec
from proconsul.gossip.address import Address
from proconsul.gossip.asking import Asking
from proconsul.gossip.effects import PoolMember, QueryHeard
from proconsul.gossip.failure import SerfError
from proconsul.gossip.journal import Journal
from proconsul.gossip.lamport import Clock
from proconsul.gossip.member_table import MemberTable
from proconsul.gossip.query_filters import concerns
from proconsul.gossip.serf_messages import Query, QueryFlag, QueryResponse, Relay

SLOT_QUERIES_MAX = 256  # of one Lamport time
ANSWERABLE_MAX = 1024  # queries whose asker still waits for us
PATIENCE_S_MAX = 3600.0  # no longer than this, whatever the asker says
RELAYS_MAX = 16  # Consul allows 5
RELAY_PMAX = 5  # whose memberlist speaks this also knows how to relay


class _Slot(Struct):
    ltime: int
    ids: set[int] = field(default_factory=set)


class _Asker(Struct, frozen=True):
    address: Address
    name: str
    relay_factor: int
    until_s: float


class Queries:
    """Heard ones, and those that can still be answered.

    `hear(heard, now_s)`: a query concerns us. `send(to, body)`: a message by one packet.
    """

    def __init__(
        self,
        *,
        name: str,
        slots: int,
        min_ltime: int,
        response_bytes_max: int,
        clock: Clock,
        tags: Callable[[], Mapping[str, str]],
        table: MemberTable,
        hear: Callable[[QueryHeard, float], None],
        send: Callable[[Address, bytes], None],
        asking: Asking,
        dice: Callable[[int], int],
        journal: Journal,
    ) -> None:
        self._name = name
        self._slots: list[_Slot | None] = [None] * slots
        self._min_ltime = min_ltime
        self._response_bytes_max = response_bytes_max
        self._clock = clock
        self._tags = tags
        self._table = table
        self._hear = hear
        self._send = send
        self._asking = asking
        self._dice = dice
        self._journal = journal
        self._askers: dict[tuple[int, int], _Asker] = {}

    def take(self, query: Query, now_s: float) -> bool:
        """A query came. Whether others are to be told."""
        if not self._is_new(query):
            return False
        self._journal.count("serf.queries")
        if concerns(query.filters, name=self._name, tags=self._tags(), journal=self._journal):
            self._take(query, now_s)
        return not query.flags & QueryFlag.NO_BROADCAST

    def _is_new(self, query: Query) -> bool:
        place = query.ltime % len(self._slots)
        slot = self._slots[place]
        if slot is not None and slot.ltime == query.ltime and query.id in slot.ids:
            return False  # its time is noted; a clock that began anew must not begin again
        self._clock.witness(query.ltime)
        if self._clock.time < self._min_ltime:
            self._min_ltime = 0  # the clock began anew
        if query.ltime < self._min_ltime:
            return False
        if query.ltime < self._clock.time - len(self._slots):
            self._journal.warning(
                f"received old query {query.name} from time {query.ltime} "
                f"(current: {self._clock.time})"
            )
            return False
        if slot is None or slot.ltime != query.ltime:
            slot = self._slots[place] = _Slot(query.ltime)
        # One that cannot be remembered must not be told to others: it would go round for ever.
        if len(slot.ids) >= SLOT_QUERIES_MAX:
            return False
        slot.ids.add(query.id)
        return True

    def _take(self, query: Query, now_s: float) -> None:
        patience_s = min(max(query.timeout_ns / 1e9, 0.0), PATIENCE_S_MAX)
        until_s = now_s + patience_s
        asker = _Asker(query.address, query.source_node, query.relay_factor, until_s)
        if query.flags & QueryFlag.ACK:
            self._answer(asker, self._response(query.ltime, query.id, b"", QueryFlag.ACK))
        if len(self._askers) >= ANSWERABLE_MAX:
            del self._askers[next(iter(self._askers))]
        self._askers[query.ltime, query.id] = asker
        heard = QueryHeard(
            ltime=query.ltime,
            id=query.id,
            name=query.name,
            payload=query.payload,
            source_node=query.source_node,
            until_s=until_s,
        )
        self._hear(heard, now_s)

    # ---------------------------------------------------------------- answering

    def respond(self, heard: QueryHeard, payload: bytes, now_s: float) -> None:
        """Answer it. Raises SerfError: too large, too late, a second time."""
        if not self.fits(heard, payload):
            raise SerfError(f"response exceeds limit of {self._response_bytes_max} bytes")
        asker = self._askers.pop((heard.ltime, heard.id), None)
        if asker is None:
            raise SerfError("response already sent")
        if now_s > asker.until_s:
            raise SerfError("response is past the deadline")
        self._answer(asker, self._response(heard.ltime, heard.id, payload, QueryFlag.NONE))

    def fits(self, heard: QueryHeard, payload: bytes) -> bool:
        """Whether an answer is not too large."""
        response = self._response(heard.ltime, heard.id, payload, QueryFlag.NONE)
        return len(serf_codec.encode(response)) <= self._response_bytes_max

    def dismiss(self, heard: QueryHeard) -> None:
        """It will not be answered."""
        self._askers.pop((heard.ltime, heard.id), None)

    def _response(self, ltime: int, id_: int, payload: bytes, flags: QueryFlag) -> QueryResponse:
        return QueryResponse(ltime=ltime, id=id_, sender=self._name, flags=flags, payload=payload)

    def _answer(self, asker: _Asker, response: QueryResponse) -> None:
        if asker.name == self._name and self._asking.is_ours(response.ltime, response.id):
            self._asking.answered(response)
            return
        body = serf_codec.encode(response)
        self._send(asker.address, body)
        for member in self._relays(asker.relay_factor):
            relay = Relay(address=asker.address, zone="", node=asker.name, message=body)
            wrapped = serf_codec.encode(relay)
            if len(wrapped) > self._response_bytes_max:
                self._journal.error(
                    f"relayed response exceeds limit of {self._response_bytes_max} bytes"
                )
                return
            self._send(member.address, wrapped)

    def _relays(self, factor: int) -> list[PoolMember]:
        """Through whom; nobody where the pool is so small that it does not pay."""
        if not factor or len(self._table) < factor + 1:
            return []
        able = [member for member in self._table.alive() if member.protocol[1] >= RELAY_PMAX]
        picked: list[PoolMember] = []
        while able and len(picked) < min(factor, RELAYS_MAX):
            picked.append(able.pop(self._dice(len(able))))
        return picked
