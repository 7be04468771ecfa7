"""What is claimed about members, and which claim wins.

Somebody says that a member is alive, suspect or dead, in one of its incarnations. Only the member
itself begins a new incarnation, and does so to refute what is wrong. So the higher number wins;
of one number, dead wins over suspect, and suspect over alive (wire/gossip/gossip.md section 7).
What wins is kept and told to others; what does not is old, and dropped.

Nobody knows better than we what is true about us: what others claim is refuted, or right.

A claim whose versions are not six bytes crashes real agents. It is neither kept nor told.
"""

import math

from msgspec.structs import replace

from proconsul.gossip import packets
from proconsul.gossip.attention import Attention
from proconsul.gossip.awareness import Awareness
from proconsul.gossip.broadcast import BroadcastQueue
from proconsul.gossip.delegate import Delegate, Node
from proconsul.gossip.journal import Journal
from proconsul.gossip.members import VSN_BYTES, Member, Members
from proconsul.gossip.messages import Alive, Dead, NodeState, Suspect
from proconsul.gossip.repeats import Repeats
from proconsul.gossip.settings import GossipSettings
from proconsul.gossip.suspicion import Suspicion

INCARNATION_MAX = 0xFFFF_FFFF  # four bytes on the wire
_COUNTED_AS = {
    Alive: "memberlist.msg.alive",
    Suspect: "memberlist.msg.suspect",
    Dead: "memberlist.msg.dead",
}


class Claims:
    """Rules on claims, and changes `members` by those that win."""

    def __init__(
        self,
        *,
        members: Members,
        queue: BroadcastQueue,
        delegate: Delegate,
        awareness: Awareness,
        attention: Attention,
        journal: Journal,
        settings: GossipSettings,
        claim_bytes_max: int,
    ) -> None:
        """`claim_bytes_max`: what of a claim, encoded, fits in a packet."""
        self._members = members
        self._queue = queue
        self._delegate = delegate
        self._awareness = awareness
        self._attention = attention
        self._journal = journal
        self._settings = settings
        self._claim_bytes_max = claim_bytes_max
        self._repeats = Repeats()
        self._suspects: dict[str, Member] = {}  # and some that were
        self._is_full = False
        self._leave_ticket: int | None = None
        self.next_verdict_s = math.inf  # on attention's clock: not later than the first suspicion
        self._tell_about_us()

    def heard(self, claim: Alive | Suspect | Dead, now_s: float) -> None:
        """Somebody claims this."""
        match claim:
            case Alive():
                self.alive(claim, now_s)
            case Suspect():
                self.suspect(claim, now_s)
            case Dead():
                self.dead(claim, now_s)

    # ---------------------------------------------------------------- about others

    def alive(self, claim: Alive, now_s: float) -> None:
        """A member is alive, there and so."""
        if not claim.address.port:
            claim = replace(claim, address=self._members.complete(claim.address))
        member = self._members.get(claim.node)
        if member is self._members.own:
            self._alive_about_us(member, claim, now_s)
            return
        moves = member is not None and member.address != claim.address
        if member is not None and not moves and claim.incarnation <= member.incarnation:
            return
        data = packets.encode(claim)
        node = _node(claim)
        if self._is_flawed(claim, data, now_s) or self._is_refused(node, now_s):
            return
        if member is None:
            if self._has_room(claim.node):
                self._members.add(Member(node, claim.incarnation, now_s))
                self._took(claim, data)
                self._delegate.joined(node, now_s)
        elif not moves or self._may_move(member, node, now_s):
            self._replace(member, claim, data, now_s)

    def _is_flawed(self, claim: Alive, data: bytes, now_s: float) -> bool:
        """Whether it says what nobody may be told."""
        if len(claim.vsn) != VSN_BYTES:
            flaw = "Vsn is not present"
        elif not 0 < claim.vsn[0] <= claim.vsn[1]:
            low, high, current = claim.vsn[:3]
            flaw = f"protocol version(s) are wrong: {low} <= {current} <= {high} should be >0"
        elif not claim.node or not claim.address.is_ip:
            flaw = "it has no name or no IP address"
        elif len(data) > self._claim_bytes_max:
            flaw = "it fits in no packet"
        else:
            return False
        if self._repeats.is_due(now_s, claim.node, flaw):
            self._journal.warning(
                f"ignoring alive message for '{claim.node}' ({claim.address}) because {flaw}"
            )
        return True

    def _is_refused(self, node: Node, now_s: float) -> bool:
        refusal = self._delegate.refuse_alive(node)
        if refusal is not None and self._repeats.is_due(now_s, node.name, refusal):
            self._journal.warning(f"ignoring alive message for '{node.name}': {refusal}")
        return refusal is not None

    def _replace(self, member: Member, claim: Alive, data: bytes, now_s: float) -> None:
        was, was_gone = member.node, member.is_gone
        self._members.change(member, _node(claim), claim.incarnation, now_s)
        self._took(claim, data)
        if was_gone:
            self._delegate.joined(member.node, now_s)
        elif was.meta != claim.meta:
            self._delegate.updated(member.node, now_s)

    def _has_room(self, name: str) -> bool:
        was_full = self._is_full
        self._is_full = len(self._members) >= self._settings.nodes_max
        if self._is_full and not was_full:
            self._journal.error(
                f"ignoring alive message for '{name}', and for others that are new: "
                f"{len(self._members)} members are listed, which is the limit"
            )
        return not self._is_full

    def _may_move(self, member: Member, node: Node, now_s: float) -> bool:
        """Whether a name may pass to another address: its owner left, or is dead for long."""
        reclaim_s = self._settings.dead_node_reclaim_s
        if member.state is NodeState.LEFT or (
            member.state is NodeState.DEAD and 0 < reclaim_s < now_s - member.changed_s
        ):
            self._journal.info(
                f"Updating address for left or failed node {member.name} "
                f"from {member.address} to {node.address}"
            )
            return True
        self._conflict(member, node, now_s)
        return False

    def _conflict(self, member: Member, other: Node, now_s: float) -> None:
        if not self._repeats.is_due(now_s, member.name, str(other.address)):
            return
        self._journal.error(
            f"Conflicting address for {member.name}. Mine: {member.address} "
            f"Theirs: {other.address} Old state: {member.state.value}"
        )
        self._delegate.conflicted(member.node, other, now_s)

    def suspect(self, claim: Suspect, now_s: float) -> None:
        """Somebody had no answer from a member."""
        member = self._members.get(claim.node)
        if member is None or claim.incarnation < member.incarnation:
            return
        if member.suspicion is not None:
            if member.suspicion.confirm(claim.accuser):
                self._tell(claim.node, packets.encode(claim))
                self.next_verdict_s = min(self.next_verdict_s, member.suspicion.ends_s)
            return
        if member.state is not NodeState.ALIVE:
            return
        if member is self._members.own:
            self._refute(claim.incarnation, now_s)
            self._journal.warning(f"Refuting a suspect message (from: {claim.accuser})")
            return
        self._members.change_state(member, NodeState.SUSPECT, claim.incarnation, now_s)
        member.suspicion = Suspicion(
            claim.accuser,
            settings=self._settings,
            listed=len(self._members),
            heard_s=self._attention.heard_s,
        )
        self._suspects[member.name] = member
        self.next_verdict_s = min(self.next_verdict_s, member.suspicion.ends_s)
        self._took(claim, packets.encode(claim))

    def dead(self, claim: Dead, now_s: float) -> None:
        """Somebody waited long enough for a suspect; or a member says itself that it leaves."""
        member = self._members.get(claim.node)
        if member is None or claim.incarnation < member.incarnation or member.is_gone:
            return
        if member is self._members.own:
            self._refute(claim.incarnation, now_s)
            self._journal.warning(f"Refuting a dead message (from: {claim.accuser})")
            return
        state = NodeState.LEFT if claim.accuser == claim.node else NodeState.DEAD
        self._members.change_state(member, state, claim.incarnation, now_s)
        self._took(claim, packets.encode(claim))
        self._delegate.gone(member.node, now_s)

    def judge(self, now_s: float) -> None:
        """Suspects whose time to refute is over are dead."""
        heard_s = self._attention.heard_s
        if heard_s < self.next_verdict_s:
            return
        for member in list(self._suspects.values()):
            if member.suspicion is not None and member.suspicion.ends_s <= heard_s:
                self._convict(member, member.suspicion, now_s)
            if member.suspicion is None:
                del self._suspects[member.name]
        open_cases = (member.suspicion for member in self._suspects.values())
        self.next_verdict_s = min((case.ends_s for case in open_cases if case), default=math.inf)

    def _convict(self, member: Member, case: Suspicion, now_s: float) -> None:
        if case.confirmations < case.confirmations_wanted:
            self._journal.count("memberlist.degraded.timeout")
        self._journal.info(
            f"Marking {member.name} as failed, suspect timeout reached "
            f"({case.confirmations} peer confirmations)"
        )
        accuser = self._members.own.name
        claim = Dead(incarnation=member.incarnation, node=member.name, accuser=accuser)
        self.dead(claim, now_s)

    # ---------------------------------------------------------------- about us

    def _alive_about_us(self, own: Member, claim: Alive, now_s: float) -> None:
        node = _node(claim)
        is_old = own.address == claim.address and (
            claim.incarnation < own.incarnation
            or (claim.incarnation == own.incarnation and node == own.node)
        )
        if self.is_leaving or is_old or self._is_flawed(claim, packets.encode(claim), now_s):
            return
        if own.address != claim.address:
            self._conflict(own, node, now_s)
            return
        self._refute(claim.incarnation, now_s)
        self._journal.warning(
            f"Refuting an alive message for '{claim.node}' ({claim.address}) "
            f"meta:({claim.meta.hex()} VS {own.node.meta.hex()}), "
            f"vsn:({claim.vsn.hex()} VS {own.node.vsn.hex()})"
        )

    def _refute(self, accused: int, now_s: float) -> None:
        """Begin an incarnation that beats the accused one."""
        own = self._members.own
        beyond = min(max(own.incarnation, accused) + 1, INCARNATION_MAX)
        self._members.change(own, own.node, beyond, now_s)
        self._awareness.add(1)  # a healthy member need not refute
        self._tell_about_us()

    def describe_anew(self, meta: bytes, now_s: float) -> None:
        """We have other meta data."""
        own = self._members.own
        incarnation = min(own.incarnation + 1, INCARNATION_MAX)
        self._members.change(own, replace(own.node, meta=meta), incarnation, now_s)
        if not self.is_leaving:
            self._tell_about_us()

    def leave(self, now_s: float) -> None:
        """We leave, and say so ourselves."""
        if self.is_leaving:
            return
        own = self._members.own
        self._members.change_state(own, NodeState.LEFT, own.incarnation, now_s)
        claim = Dead(incarnation=own.incarnation, node=own.name, accuser=own.name)
        self._leave_ticket = self._tell(own.name, packets.encode(claim))

    @property
    def is_leaving(self) -> bool:
        """Whether `leave` was called."""
        return self._leave_ticket is not None

    @property
    def is_leave_told(self) -> bool:
        """Whether it is told as often as it will be, or nobody is there to hear it."""
        if self._leave_ticket is None:
            return False
        return self._members.others_present == 0 or self._leave_ticket not in self._queue

    # ---------------------------------------------------------------- to others

    def _took(self, claim: Alive | Suspect | Dead, data: bytes) -> None:
        self._tell(claim.node, data)
        self._journal.count(_COUNTED_AS[type(claim)])

    def _tell_about_us(self) -> None:
        own = self._members.own
        claim = Alive(
            incarnation=own.incarnation,
            node=own.name,
            address=own.address,
            meta=own.node.meta,
            vsn=own.node.vsn,
        )
        self._tell(own.name, packets.encode(claim))

    def _tell(self, name: str, data: bytes) -> int:
        if len(data) > self._claim_bytes_max:
            return 0  # an accuser's name without end: we act on it, and do not pass it on
        return self._queue.put(data, subject=name)


def _node(claim: Alive) -> Node:
    return Node(
        name=claim.node,
        address=claim.address,
        meta=claim.meta,
        vsn=claim.vsn,
        state=NodeState.ALIVE,
    )
