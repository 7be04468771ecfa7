"""Is a member there? One is probed at a time, and others help.

A probe of one member (SWIM, Lifeguard; wire/gossip/gossip.md section 7):

1. A ping. To a suspect the suspicion goes with it, so that it can refute at once.
2. No ack in `probe_timeout_s`: some others are asked to ping it for us, and it is pinged on a
   stream. An ack by whatever way has the number of the first ping.
3. Nothing until the probe's end, which is the later the less healthy we are: it is suspect.

Where helpers send nacks, a failed probe says more about us the more of these are missing.

Deadlines are times of attention.py: a probe does not fail while nobody listens to its answer.
"""

import math

from msgspec import Struct

from proconsul.gossip.address import Address
from proconsul.gossip.attention import Attention
from proconsul.gossip.awareness import Awareness
from proconsul.gossip.claims import Claims
from proconsul.gossip.delegate import Delegate
from proconsul.gossip.dials import Dials
from proconsul.gossip.errands import Numbers
from proconsul.gossip.journal import Journal
from proconsul.gossip.members import NACK_PMAX, STREAM_PING_PMAX, Member, Members
from proconsul.gossip.messages import (
    Ack,
    IndirectPing,
    Nack,
    NodeState,
    Ping,
    StreamMessage,
    Suspect,
)
from proconsul.gossip.outbox import Outbox
from proconsul.gossip.settings import GossipSettings

RTT_ERROR_S = 0.001  # of a round trip during which nobody listened for a while: it tells nothing


class _Probe(Struct):
    member: Member
    to: Address
    incarnation: int  # at the start: what begins later is not suspected
    ping: Ping
    sent_s: float
    sent_heard_s: float
    help_s: float  # when others are asked; infinite when they are
    ends_s: float
    nacks_missing: int = 0
    has_helpers: bool = False
    is_there: bool = False  # by stream


class Prober:
    """The probe that is under way, or none."""

    def __init__(
        self,
        *,
        members: Members,
        claims: Claims,
        outbox: Outbox,
        dials: Dials,
        numbers: Numbers,
        delegate: Delegate,
        awareness: Awareness,
        attention: Attention,
        journal: Journal,
        settings: GossipSettings,
    ) -> None:
        self._members = members
        self._claims = claims
        self._outbox = outbox
        self._dials = dials
        self._numbers = numbers
        self._delegate = delegate
        self._awareness = awareness
        self._attention = attention
        self._journal = journal
        self._settings = settings
        self._probe: _Probe | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no probe is under way."""
        return self._probe is None

    @property
    def next_s(self) -> float:
        """When there is something to do, on attention's clock."""
        probe = self._probe
        return min(probe.help_s, probe.ends_s) if probe is not None else math.inf

    def start(self, member: Member, now_s: float) -> None:
        """Probe this one."""
        assert self._probe is None
        if self._awareness.score:
            self._journal.count("memberlist.degraded.probe")
        heard_s = self._attention.heard_s
        own = self._members.own
        ping = Ping(
            seq_no=self._numbers.next(),
            node=member.name,
            source=own.address,
            source_node=own.name,
        )
        self._probe = _Probe(
            member=member,
            to=member.address,
            incarnation=member.incarnation,
            ping=ping,
            sent_s=now_s,
            sent_heard_s=heard_s,
            help_s=heard_s + self._settings.probe_timeout_s,
            ends_s=heard_s + self._awareness.stretched(self._settings.probe_interval_s),
        )
        if member.state is NodeState.ALIVE:
            self._outbox.send(member.address, ping)
        else:
            self._outbox.send_both(member, ping, self._accusation(self._probe))

    def _accusation(self, probe: _Probe) -> Suspect:
        accuser = self._members.own.name
        return Suspect(incarnation=probe.incarnation, node=probe.member.name, accuser=accuser)

    def acked(self, ack: Ack, now_s: float) -> bool:
        """Take an ack; whether it was for this."""
        probe = self._probe
        if probe is None or ack.seq_no != probe.ping.seq_no:
            return False
        self._succeed()
        took_s = now_s - probe.sent_s
        unheard_s = took_s - (self._attention.heard_s - probe.sent_heard_s)
        is_direct = probe.help_s < math.inf
        if is_direct and unheard_s < RTT_ERROR_S:
            self._delegate.ping_done(probe.member.node, took_s, ack.payload, now_s)
        return True

    def nacked(self, nack: Nack) -> None:
        """A helper had no answer either: at least it hears us, and we hear it."""
        probe = self._probe
        if probe is not None and nack.seq_no == probe.ping.seq_no and probe.nacks_missing:
            probe.nacks_missing -= 1

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        probe, heard_s = self._probe, self._attention.heard_s
        if probe is None:
            return
        if heard_s >= probe.help_s:
            probe.help_s = math.inf
            self._journal.debug(f"Failed UDP ping: {probe.member.name} (timeout reached)")
            self._ask_for_help(probe)
        if heard_s >= probe.ends_s:
            self._end(probe, now_s)

    def _ask_for_help(self, probe: _Probe) -> None:
        helpers = self._members.pick(
            self._settings.indirect_checks,
            lambda member: member.state is NodeState.ALIVE and member is not probe.member,
        )
        own = self._members.own
        for helper in helpers:
            nack = helper.understands(NACK_PMAX)
            probe.nacks_missing += nack
            probe.has_helpers |= nack
            request = IndirectPing(
                seq_no=probe.ping.seq_no,
                target=probe.to,
                node=probe.member.name,
                nack=nack,
                source=own.address,
                source_node=own.name,
            )
            self._outbox.send(helper.address, request)
        # A packet that was lost must not cost a suspicion; and who has no way for packets but
        # exchanges states by streams would be declared dead again and again.
        if probe.member.understands(STREAM_PING_PMAX):
            patience_s = probe.ends_s - self._attention.heard_s

            def ended(message: StreamMessage | None, failure: str, now_s: float) -> None:
                self._stream_ping_ended(probe, message, failure)

            self._dials.dial(probe.to, probe.ping, patience_s, ended)

    def _stream_ping_ended(
        self, probe: _Probe, message: StreamMessage | None, failure: str
    ) -> None:
        match message:
            case Ack() if message.seq_no == probe.ping.seq_no:
                probe.is_there = True
                return
            case Ack():
                failure = (
                    f"Sequence number from ack ({message.seq_no}) "
                    f"doesn't match ping ({probe.ping.seq_no})"
                )
            case None:
                pass
            case _:
                failure = f"Unexpected {type(message).__name__} from ping"
        self._journal.error(f"Failed fallback TCP ping: {failure}")

    def _end(self, probe: _Probe, now_s: float) -> None:
        name = probe.member.name
        if probe.is_there:
            self._journal.warning(
                f"Was able to connect to {name} over TCP but UDP probes failed, "
                "network may be misconfigured"
            )
            self._succeed()
            return
        self._probe = None
        self._awareness.add(probe.nacks_missing if probe.has_helpers else 1)
        self._journal.info(f"Suspect {name} has failed, no acks received")
        self._claims.suspect(self._accusation(probe), now_s)

    def _succeed(self) -> None:
        self._probe = None
        self._awareness.add(-1)
