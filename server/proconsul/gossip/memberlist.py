"""Who is in the pool, and who is alive: SWIM with Lifeguard, as memberlist speaks it.

What comes in is given to who deals with it, and the clock's strokes too:

- claims.py: what is said about members, and which of it wins; suspicion.py: for how long.
- probe.py: whether a member is there; errands.py: the same for others that ask us.
- exchange.py: full exchanges of states, by streams (dials.py).
- broadcast.py, outbox.py: what is to be told, and the packets in which it goes.

A call that comes much too late says that this process stood still, or its loop was held. Others
are not blamed for it (attention.py), but our health is worse, so that we probe with more patience.
"""

from collections.abc import Callable

from proconsul.gossip.address import Address
from proconsul.gossip.attention import Attention
from proconsul.gossip.awareness import Awareness
from proconsul.gossip.broadcast import BroadcastQueue
from proconsul.gossip.claims import Claims
from proconsul.gossip.delegate import Delegate, Node
from proconsul.gossip.dials import Dials
from proconsul.gossip.effects import Effect
from proconsul.gossip.errands import Errands, Numbers
from proconsul.gossip.exchange import Exchanges, interval_s
from proconsul.gossip.failure import PacketError
from proconsul.gossip.framing import Framing
from proconsul.gossip.journal import Journal
from proconsul.gossip.members import VSN_BYTES, Member, Members
from proconsul.gossip.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Nack,
    NodeState,
    PacketMessage,
    Ping,
    PushPull,
    StreamMessage,
    Suspect,
    User,
)
from proconsul.gossip.outbox import PART_BYTES, Outbox, room_bytes
from proconsul.gossip.probe import Prober
from proconsul.gossip.rhythm import Rhythm
from proconsul.gossip.settings import GossipSettings

META_BYTES_MAX = 512  # memberlist's: no other member takes care of more
ALONE_TICK_S = 60.0  # nothing is due while nobody else is known
STAGGER_STEPS = 1000  # how finely the first times are drawn


class Memberlist:
    """One member of a pool. Its driver calls it from one thread; times are monotonic seconds."""

    def __init__(
        self,
        *,
        name: str,
        address: Address,
        vsn: bytes,
        settings: GossipSettings,
        framing: Framing,
        delegate: Delegate,
        on_join: Callable[[int, str | None, float], None],
        dice: Callable[[int], int],
        effects: list[Effect],
        now_s: float,
    ) -> None:
        """Begin alone, at incarnation 1.

        `vsn`: six bytes. `dice(n)`: 0 to n - 1. `effects` is appended to for ever: who takes them
        out empties the list, and does not put another in its place.
        `on_join(token, failure, now_s)`: a `join` is over; without failure all is merged.

        Of the delegate only `meta()` is called here. It never hears `joined`, `updated` or `gone`
        about this member itself, only about others (a `conflicted` may be about this one).
        """
        assert len(vsn) == VSN_BYTES
        meta = delegate.meta()
        assert len(meta) <= META_BYTES_MAX, "a meta that others would not take"
        node = Node(name=name, address=address, meta=meta, vsn=vsn, state=NodeState.ALIVE)
        members = Members(Member(node, incarnation=1, changed_s=now_s), dice)
        journal = Journal(effects, "memberlist")
        attention = Attention(settings, now_s)
        awareness = Awareness(settings.awareness_max_multiplier)
        # A name has one claim at a time, so there are no more than members.
        queue = BroadcastQueue(depth_max=settings.nodes_max + 1)
        outbox = Outbox(
            framing=framing,
            queue=queue,
            delegate=delegate,
            members=members,
            settings=settings,
            effects=effects,
            journal=journal,
        )
        claims = Claims(
            members=members,
            queue=queue,
            delegate=delegate,
            awareness=awareness,
            attention=attention,
            journal=journal,
            settings=settings,
            claim_bytes_max=room_bytes(settings, framing) - PART_BYTES,
        )
        dials = Dials(framing, effects, journal)
        numbers = Numbers()
        self._settings = settings
        self._framing = framing
        self._delegate = delegate
        self._members = members
        self._journal = journal
        self._attention = attention
        self._awareness = awareness
        self._queue = queue
        self._outbox = outbox
        self._claims = claims
        self._dials = dials
        self._exchanges = Exchanges(
            members=members,
            claims=claims,
            dials=dials,
            delegate=delegate,
            journal=journal,
            settings=settings,
            on_join=on_join,
        )
        self._prober = Prober(
            members=members,
            claims=claims,
            outbox=outbox,
            dials=dials,
            numbers=numbers,
            delegate=delegate,
            awareness=awareness,
            attention=attention,
            journal=journal,
            settings=settings,
        )
        self._errands = Errands(
            members=members,
            outbox=outbox,
            numbers=numbers,
            attention=attention,
            journal=journal,
            settings=settings,
        )

        def rhythm(interval_s: float) -> Rhythm:
            # Members that were started together must not all act at one moment.
            share = dice(STAGGER_STEPS) / STAGGER_STEPS
            return Rhythm(interval_s, now_s + share * interval_s)

        self._probes = rhythm(settings.probe_interval_s)
        self._rounds = rhythm(settings.gossip_interval_s)
        self._syncs = rhythm(settings.push_pull_interval_s)
        self._called_s = now_s

    # ---------------------------------------------------------------- packets

    def receive(self, datagram: bytes, source: Address, now_s: float) -> None:
        """A datagram came."""
        self._called(now_s)
        self._journal.count("memberlist.udp.received", len(datagram))
        try:
            opened = self._framing.open(datagram)
        except PacketError as error:
            self._journal.error(f"{error} from={source}")
            return
        for complaint in opened.complaints:
            self._journal.warning(f"{complaint} from={source}")
        for message in opened.messages:
            self._take(message, source, now_s)

    def _take(self, message: PacketMessage, source: Address, now_s: float) -> None:
        match message:
            case Ack():
                if not self._prober.acked(message, now_s):
                    self._errands.acked(message)
            case Ping():
                self._answer_ping(message, source)
            case User():
                if message.body:
                    self._delegate.deliver(message.body, now_s)
            case Alive() | Suspect() | Dead():
                self._claims.heard(message, now_s)
            case IndirectPing():
                self._errands.run(message, _or(message.source, source))
            case Nack():
                self._prober.nacked(message)

    def _answer_ping(self, ping: Ping, source: Address) -> None:
        if self._is_for_us(ping, source):
            ack = Ack(seq_no=ping.seq_no, payload=self._delegate.ack_payload())
            self._outbox.send(_or(ping.source, source), ack)

    def _is_for_us(self, ping: Ping, source: Address | None) -> bool:
        if ping.node in ("", self._members.own.name):
            return True
        origin = "" if source is None else f" from={source}"
        self._journal.warning(f"Got ping for unexpected node '{ping.node}'{origin}")
        return False

    def send_user(self, to: Address, body: bytes) -> None:
        """Send a user message by one packet, alone: nothing rides with it."""
        self._outbox.send_alone(to, User(body))

    # ---------------------------------------------------------------- time

    def _called(self, now_s: float) -> None:
        late_s = self._attention.called(now_s, self.next_tick_s())
        self._called_s = now_s
        if late_s:
            self._awareness.add(1)
            if late_s > self._settings.probe_interval_s:
                self._journal.warning(
                    f"Nothing was done for {late_s:.1f} s, this process stood still or is too "
                    "busy; nobody is suspected for what could not be heard"
                )

    def tick(self, now_s: float) -> None:
        """Do what is due; call it at `next_tick_s()` or later. Early and late calls do no harm."""
        self._called(now_s)
        self._prober.tick(now_s)
        self._errands.tick()
        self._claims.judge(now_s)
        if self._members.is_alone:
            return
        if self._prober.is_idle and self._probes.is_due(now_s):
            forget_after_s = self._settings.gossip_to_the_dead_s
            member = self._members.next_to_probe(forget_after_s, now_s)
            if member is not None:
                self._prober.start(member, now_s)
        if self._rounds.is_due(now_s):
            self._gossip(now_s)
        if self._syncs.is_due(now_s):
            self._syncs.next_s = now_s + interval_s(self._settings, len(self._members))
            self._exchanges.sync()

    def _gossip(self, now_s: float) -> None:
        """Tell some others; the dead for a while too, since they may be alive, and refute."""
        recent_s = now_s - self._settings.gossip_to_the_dead_s

        def hears(member: Member) -> bool:
            if member.state is NodeState.DEAD:
                return member.changed_s >= recent_s
            return member.state is not NodeState.LEFT

        self._outbox.tell(self._members.pick(self._settings.gossip_nodes, hears))

    def next_tick_s(self) -> float:
        """When something is due next; always finite. May change with every other call."""
        heard_s = min(self._prober.next_s, self._errands.next_s, self._claims.next_verdict_s)
        due_s = min(self._attention.real_s(heard_s), self._called_s + ALONE_TICK_S)
        if self._members.is_alone:
            return due_s
        if self._prober.is_idle:
            due_s = min(due_s, self._probes.next_s)
        return min(due_s, self._rounds.next_s, self._syncs.next_s)

    # ---------------------------------------------------------------- streams

    def join(self, address: Address, node: str, now_s: float) -> int:
        """Exchange everything with who is there; `node` is for the log, "" if not known.

        The token is that of the Exchange, and of `on_join` later.
        """
        self._called(now_s)
        return self._exchanges.join(address, node)

    def exchange_done(
        self, token: int, message: StreamMessage | None, failure: str, now_s: float
    ) -> None:
        """How an Exchange ended: with a message, or None and why. Unknown tokens are ignored."""
        self._called(now_s)
        self._dials.ended(token, message, failure, now_s)

    def answer(self, message: StreamMessage, now_s: float) -> bytes | None:
        """What to write back on an accepted stream; None: nothing. `absorb` comes after it."""
        self._called(now_s)
        self._journal.count("memberlist.tcp.accept")
        match message:
            case PushPull():
                reply: PushPull | Ack = self._exchanges.state(join=message.join)
            case Ping() if self._is_for_us(message, None):
                reply = Ack(seq_no=message.seq_no)
            case _:
                return None
        data = self._framing.seal_stream(reply, is_answer=True)
        self._journal.count("memberlist.tcp.sent", len(data))
        return data

    def absorb(self, message: StreamMessage, now_s: float) -> None:
        """Take in what came by an accepted stream, after the answer was written.

        Of what is large only the beginning: see `is_merging`.
        """
        self._called(now_s)
        match message:
            case PushPull():
                self._exchanges.absorb(message, now_s)
            case User() if message.body:
                self._delegate.deliver(message.body, now_s)
            case _:
                pass

    @property
    def is_merging(self) -> bool:
        """Whether a state is taken in, and `go_on` wanted soon; not without other calls between."""
        return self._exchanges.is_merging

    def go_on(self, now_s: float) -> None:
        """Take in the next slice of a state."""
        self._called(now_s)
        self._exchanges.go_on(now_s)

    # ---------------------------------------------------------------- this member

    def update(self, now_s: float) -> None:
        """`delegate.meta()` is another: a new incarnation of this member, for everybody."""
        self._called(now_s)
        meta = self._delegate.meta()
        assert len(meta) <= META_BYTES_MAX, "a meta that others would not take"
        self._claims.describe_anew(meta, now_s)

    def leave(self, now_s: float) -> None:
        """Tell that this member leaves. Probes are answered as before. Twice does no harm."""
        self._called(now_s)
        self._claims.leave(now_s)

    @property
    def is_leave_told(self) -> bool:
        """Whether `leave` was called, and was told as often as it will be, or nobody is alive."""
        return self._claims.is_leave_told

    def nodes(self) -> list[Node]:
        """All that are listed, this one too: alive, suspect, and those that died or left lately."""
        return [member.node for member in self._members]

    def node(self, name: str) -> Node | None:
        """One of them."""
        member = self._members.get(name)
        return member.node if member is not None else None

    def alive_count(self) -> int:
        """How many are alive or suspect, this one too (unless it left)."""
        return self._members.present

    def health_score(self) -> int:
        """How unwell this member finds itself (Lifeguard): 0 is healthy, 7 the worst."""
        return self._awareness.score


def _or(given: Address | None, source: Address) -> Address:
    """Where an answer goes: what is given in the message, else where that came from."""
    return given if given is not None and given.port else source
