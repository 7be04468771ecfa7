"""A member of a Serf pool: what its driver holds, and its user asks (wire/gossip/serf.md).

Serf stands on memberlist, which finds out who can be reached and carries bytes. Here is who deals
with what comes above:

- member_table.py, intents.py, announcements.py: how members are, and what is said about it.
- user_events.py; queries.py, asking.py, internal_queries.py, key_rotation.py: what goes to all.
- joining.py, leaving.py with departure.py, reconnect.py: into the pool, out, and back.
- coordinates.py, cartography.py: how far members are from each other.
- snapshot.py: what outlives the process. chores.py: what is done now and then.

serf_delegate.py is where memberlist comes in, serf_parts.py where the parts meet. Whatever is to
be done in the world is an effect.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from proconsul.gossip import serf_codec
from proconsul.gossip.address import Address
from proconsul.gossip.admission import Admission
from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.delegate import Node
from proconsul.gossip.effects import Effect, PoolMember, QueryEnded, QueryHeard
from proconsul.gossip.failure import SerfError
from proconsul.gossip.framing import Framing
from proconsul.gossip.internal_queries import key_query
from proconsul.gossip.joining import JoinTarget
from proconsul.gossip.key_rotation import KeyOperation, tally
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.leaving import Stage
from proconsul.gossip.messages import StreamMessage
from proconsul.gossip.serf_messages import (
    Filter,
    KeyRequest,
    NodeFilter,
    Query,
    QueryFlag,
    TagFilter,
    UserEvent,
)
from proconsul.gossip.serf_parts import SerfParts
from proconsul.gossip.settings import GossipSettings, SerfSettings
from proconsul.gossip.snapshot import Kept
from proconsul.gossip.tags import META_BYTES_MAX, tags_to_meta
from proconsul.gossip.user_events import EVENT_BYTES_MAX

QUERY_ID_SIDES = 1 << 31  # Go's Int31
RELAY_FACTOR_MAX = 255  # one byte


class Serf:
    """See the module. Called from one thread; times are monotonic seconds.

    After each call the effects are to be taken and done in order, and the next tick is due at
    `next_tick_s()`, which may be another than before.
    """

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
        """Begin alone. Raises SerfError if the tags are too long.

        `address`: as others reach it. `ring`: shared with nobody; None without encryption.
        `dice(n)`: 0 to n - 1. `nonce(n)`: n random bytes. `kept`: of the snapshot file.
        """
        _check_tags(tags)
        self._gossip = gossip
        self._settings = settings
        self._kept = kept
        self._dice = dice
        self._last_token = 0
        self._parts = SerfParts(
            name=name,
            address=address,
            tags=tags,
            gossip=gossip,
            settings=settings,
            ring=ring,
            admission=admission,
            dice=dice,
            nonce=nonce,
            now_s=now_s,
            kept=kept,
        )

    # ---------------------------------------------------------------- for the driver

    def receive(self, datagram: bytes, source: Address, now_s: float) -> None:
        """A datagram came."""
        self._parts.memberlist.receive(datagram, source, now_s)

    def tick(self, now_s: float) -> None:
        """Do what is due; early and late calls do no harm."""
        self._parts.memberlist.tick(now_s)
        self._parts.asking.tick(now_s)
        self._parts.leaving.step(now_s)
        if not self.has_left:
            self._parts.chores.tick(now_s)

    def next_tick_s(self) -> float:
        """When something is due next; always finite."""
        parts = self._parts
        chores_s = math.inf if self.has_left else parts.chores.next_s
        return min(
            parts.memberlist.next_tick_s(), parts.asking.next_s, parts.leaving.next_s, chores_s
        )

    def exchange_done(
        self, token: int, message: StreamMessage | None, failure: str, now_s: float
    ) -> None:
        """How an Exchange ended: with a message (None if none was wanted), or why not."""
        self._parts.memberlist.exchange_done(token, message, failure, now_s)

    def answer(self, message: StreamMessage, now_s: float) -> bytes | None:
        """What to write back on an accepted stream; None: nothing. `absorb` comes after it."""
        return self._parts.memberlist.answer(message, now_s)

    def absorb(self, message: StreamMessage, now_s: float) -> None:
        """Take in what came by an accepted stream, after the answer was written.

        Of what is large only the beginning: see `is_merging`.
        """
        self._parts.memberlist.absorb(message, now_s)

    @property
    def is_merging(self) -> bool:
        """Whether a state is taken in, and `go_on` wanted soon; not without other calls between."""
        return self._parts.memberlist.is_merging

    def go_on(self, now_s: float) -> None:
        """Take in the next slice of a state."""
        self._parts.memberlist.go_on(now_s)

    def take_effects(self) -> list[Effect]:
        """What is to be done, in order; each is given once."""
        taken = list(self._parts.effects)
        self._parts.effects.clear()
        return taken

    @property
    def framing(self) -> Framing:
        """How streams are to be read, and refused."""
        return self._parts.framing

    def snapshot_lines(self) -> Iterator[str]:
        """The lines of a snapshot file that says what all `Remember` said."""
        return self._parts.ledger.whole()

    @property
    def snapshot_bytes_max(self) -> int:
        """When the file is larger, `snapshot_lines` should take its place."""
        return self._parts.ledger.bytes_max

    # ---------------------------------------------------------------- members

    @property
    def name(self) -> str:
        """Of this member."""
        return self._parts.table.own.name

    def members(self) -> list[PoolMember]:
        """All that are known, by name; this one included."""
        return self._parts.table.all()

    def member(self, name: str) -> PoolMember | None:
        """The one of this name."""
        return self._parts.table.get(name)

    def alive_count(self) -> int:
        """How many can be reached, this one included until it leaves; cheap."""
        return self._parts.memberlist.alive_count()

    def set_tags(self, tags: Mapping[str, str], now_s: float) -> None:
        """Have these tags, and tell everybody. Raises SerfError if they are too long."""
        _check_tags(tags)
        parts = self._parts
        meta = tags_to_meta(tags)
        if meta == parts.meta:
            return
        parts.tags = dict(tags)
        parts.meta = meta
        parts.memberlist.update(now_s)
        # memberlist does not tell us about ourselves.
        parts.table.updated(self._own_node(), parts.tags, now_s)

    def _own_node(self) -> Node:
        node = self._parts.memberlist.node(self.name)
        assert node is not None, "this member is always listed"
        return node

    # ---------------------------------------------------------------- in and out

    def join(self, targets: Sequence[JoinTarget], now_s: float) -> int:
        """Join who is at these addresses, one after the other; ends in a JoinEnded.

        Events from before are not heard. Raises SerfError after `leave`.
        """
        if self.is_leaving:
            raise SerfError("Serf can't Join after Leave or Shutdown")
        token = self._token()
        self._parts.joins.join(token, targets, now_s)
        return token

    def rejoin_kept(self, now_s: float) -> None:
        """Try those that were alive before this process began, until one answers."""
        others = {name: address for name, address in self._kept.alive.items() if name != self.name}
        self._parts.joins.rejoin(others, now_s)

    def leave(self, now_s: float) -> None:
        """Leave the pool; ends in a LeaveEnded. Until then go on as before. Once is enough."""
        self._parts.leaving.begin(now_s)

    @property
    def is_leaving(self) -> bool:
        """Whether `leave` was called."""
        return self._parts.leaving.stage is not Stage.STAYING

    @property
    def has_left(self) -> bool:
        """Whether `leave` has ended."""
        return self._parts.leaving.stage is Stage.LEFT

    def force_leave(self, name: str, *, prune: bool, now_s: float) -> bool:
        """Say that a member that failed left; `prune`: and forget it. False: no such member."""
        if name not in self._parts.table:
            return False
        self._parts.announcements.say_leaves(name, now_s, prune=prune)
        return True

    # ---------------------------------------------------------------- events and queries

    def user_event(self, name: str, payload: bytes, *, coalesce: bool, now_s: float) -> int:
        """Tell everybody of an event, ourselves too. Its Lamport time.

        Raises SerfError if it is too large.
        """
        parts = self._parts
        limit = self._settings.user_event_bytes_max
        size_bytes = len(name.encode(errors="surrogateescape")) + len(payload)
        if size_bytes > limit:
            raise SerfError(f"user event exceeds configured limit of {limit} bytes before encoding")
        if size_bytes > EVENT_BYTES_MAX:
            raise SerfError(
                f"user event exceeds sane limit of {EVENT_BYTES_MAX} bytes before encoding"
            )
        event = UserEvent(
            ltime=parts.event_clock.time, name=name, payload=payload, coalesce=coalesce
        )
        body = serf_codec.encode(event)
        if len(body) > limit:
            raise SerfError(
                f"encoded user event exceeds configured limit of {limit} bytes after encoding"
            )
        if not parts.broadcasts.fits(body):
            raise SerfError(f"encoded user event of {len(body)} bytes does not fit in a packet")
        if parts.events.take(event):
            parts.broadcasts.tell(parts.broadcasts.events, body)
        return event.ltime

    def query(
        self,
        name: str,
        payload: bytes,
        *,
        nodes: Sequence[str] = (),
        tags: Sequence[tuple[str, str]] = (),
        want_ack: bool = False,
        relay_factor: int = 0,
        timeout_s: float | None = None,
        now_s: float,
    ) -> int:
        """Ask everybody, or these nodes with tags that match; ends in a QueryEnded. Its token.

        `tags`: names, and regular expressions of Go. `timeout_s`: None for what Serf takes for a
        pool of this size. Raises SerfError if the query is too large, or too many are open.
        """
        filters: list[Filter] = [NodeFilter(tuple(nodes))] if nodes else []
        filters += [TagFilter(tag, expression) for tag, expression in tags]
        query = self._query(name, payload, tuple(filters))
        if want_ack:
            query = replace(query, flags=int(QueryFlag.ACK))
        query = replace(query, relay_factor=min(relay_factor, RELAY_FACTOR_MAX))
        return self._ask(query, timeout_s, now_s, self._parts.effects.append)

    def respond(self, query: QueryHeard, payload: bytes, now_s: float) -> None:
        """Answer a query that was heard. Raises SerfError: too large, too late, a second time."""
        self._parts.queries.respond(query, payload, now_s)

    def keyring(
        self, operation: KeyOperation, key: bytes, *, relay_factor: int, now_s: float
    ) -> int:
        """Let every member do this with its keyring; ends in a KeyringEnded. Its token.

        Raises SerfError if too many queries are open.
        """
        payload = serf_codec.encode(KeyRequest(key))
        query = self._query(key_query(operation), payload, ())
        query = replace(query, relay_factor=min(relay_factor, RELAY_FACTOR_MAX))

        def ended(found: QueryEnded) -> None:
            self._parts.effects.append(tally(found))

        return self._ask(query, None, now_s, ended)

    def _query(self, name: str, payload: bytes, filters: tuple[Filter, ...]) -> Query:
        own = self._parts.table.own
        return Query(
            ltime=self._parts.query_clock.time,
            id=self._dice(QUERY_ID_SIDES),
            address=own.address,
            source_node=own.name,
            filters=filters,
            flags=int(QueryFlag.NONE),
            relay_factor=0,
            timeout_ns=0,
            name=name,
            payload=payload,
        )

    def _ask(
        self,
        query: Query,
        timeout_s: float | None,
        now_s: float,
        ended: Callable[[QueryEnded], None],
    ) -> int:
        parts = self._parts
        asked = parts.memberlist.alive_count()
        if timeout_s is None:
            timeout_s = self._usual_timeout_s(asked)
        query = replace(query, timeout_ns=round(timeout_s * 1e9))
        body = serf_codec.encode(query)
        limit = self._settings.query_bytes_max
        if len(body) > limit or not parts.broadcasts.fits(body):
            raise SerfError(f"query exceeds limit of {limit} bytes")
        parts.asking.check_room()
        token = self._token()
        parts.asking.open(query, token=token, asked=asked, until_s=now_s + timeout_s, ended=ended)
        parts.queries.take(query, now_s)
        parts.broadcasts.tell(parts.broadcasts.queries, body)
        return token

    def _usual_timeout_s(self, alive: int) -> float:
        rounds = self._settings.query_timeout_mult * math.ceil(math.log10(alive + 1))
        return self._gossip.gossip_interval_s * rounds

    def _token(self) -> int:
        """One for all that end in an effect, so that none is taken for another."""
        self._last_token += 1
        return self._last_token

    # ---------------------------------------------------------------- knowledge

    def coordinate(self) -> Coordinate:
        """Where this member is in the network. Raises SerfError if coordinates are disabled."""
        if self._parts.cartography is None:
            raise SerfError("Coordinates are disabled")
        return self._parts.cartography.own

    def cached_coordinate(self, name: str) -> Coordinate | None:
        """Where another was when we pinged it; None if we did not, or it is no member."""
        cartography = self._parts.cartography
        return cartography.get(name) if cartography is not None else None

    def stats(self) -> dict[str, str]:
        """What `consul info` shows of a pool."""
        parts = self._parts
        found = {
            "members": len(parts.table),
            "failed": parts.table.failed_count,
            "left": len(parts.table.left_names),
            "health_score": parts.memberlist.health_score(),
            "member_time": parts.clock.time,
            "event_time": parts.event_clock.time,
            "query_time": parts.query_clock.time,
            "intent_queue": len(parts.broadcasts.intents),
            "event_queue": len(parts.broadcasts.events),
            "query_queue": len(parts.broadcasts.queries),
        }
        if parts.cartography is not None:
            found["coordinate_resets"] = parts.cartography.resets
        encrypted = "true" if parts.keys.is_encrypted else "false"
        return {name: str(count) for name, count in found.items()} | {"encrypted": encrypted}


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags_to_meta(tags)) > META_BYTES_MAX:
        raise SerfError(f"Encoded length of tags exceeds limit of {META_BYTES_MAX} bytes")
