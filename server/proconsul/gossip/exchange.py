"""Full exchanges of states: at a join, and now and then with somebody at random.

Each side says all that it knows and takes in what the other knows. That mends what gossip missed,
joins two pools into one, and shows a member that was restarted what is believed of it.

What came is judged as a whole first: whether all versions agree, and at a join whether the
delegate takes all of them. Then each row is a claim among others (claims.py). That somebody is
dead is not believed at once: it is suspect, so that it can refute
(wire/gossip/gossip.md sections 5 and 6.3).
"""

import math
from collections.abc import Callable, Iterable

from proconsul.gossip.address import Address
from proconsul.gossip.claims import Claims
from proconsul.gossip.delegate import Delegate, Node
from proconsul.gossip.dials import Dials
from proconsul.gossip.journal import Journal
from proconsul.gossip.members import VSN_BYTES, Members
from proconsul.gossip.messages import (
    Alive,
    Dead,
    NodeState,
    PushedNode,
    PushPull,
    Refusal,
    StreamMessage,
    Suspect,
)
from proconsul.gossip.settings import GossipSettings

STRETCH_FROM = 32  # members; from there on exchanges become rarer the more there are

_NO_VSN = bytes(VSN_BYTES)
_STATES = frozenset(NodeState)


def interval_s(settings: GossipSettings, listed: int) -> float:
    """How often there is an exchange in a pool of so many: each costs as much as it has rows."""
    if listed <= STRETCH_FROM:
        return settings.push_pull_interval_s
    doublings = math.ceil(math.log2(listed) - math.log2(STRETCH_FROM))
    return settings.push_pull_interval_s * (doublings + 1)


def incompatible(alive: Iterable[bytes], everybody: Iterable[tuple[str, bytes]]) -> str | None:
    """Why not all can understand each other, or None.

    `alive`: the versions of who is alive. What all of these understand is a range, and everybody,
    with its name, must speak what is in it.
    """
    low, high, delegate_low, delegate_high = 0, 255, 0, 255
    for vsn in alive:
        low, high = max(low, vsn[0]), min(high, vsn[1])
        delegate_low, delegate_high = max(delegate_low, vsn[3]), min(delegate_high, vsn[4])
    for name, vsn in everybody:
        if not low <= vsn[2] <= high:
            return f"Node '{name}' protocol version ({vsn[2]}) is incompatible: [{low}, {high}]"
        if not delegate_low <= vsn[5] <= delegate_high:
            return (
                f"Node '{name}' delegate protocol version ({vsn[5]}) is incompatible: "
                f"[{delegate_low}, {delegate_high}]"
            )
    return None


class Exchanges:
    """Those that we begin, and what others begin with us."""

    def __init__(
        self,
        *,
        members: Members,
        claims: Claims,
        dials: Dials,
        delegate: Delegate,
        journal: Journal,
        settings: GossipSettings,
        on_join: Callable[[int, str | None, float], None],
    ) -> None:
        self._members = members
        self._claims = claims
        self._dials = dials
        self._delegate = delegate
        self._journal = journal
        self._settings = settings
        self._on_join = on_join
        self._is_syncing = False

    def join(self, address: Address, node: str) -> int:
        """Begin one with who is at this address. The token, which `on_join` gets."""
        token = 0

        def ended(message: StreamMessage | None, failure: str, now_s: float) -> None:
            problem = self._took(message, failure, now_s, join=True)
            if problem is not None:
                self._journal.debug(f"Failed to join {address}: {problem}")
            self._on_join(token, problem, now_s)

        self._journal.debug(f"Initiating push/pull sync with: {node} {address}")
        patience_s = self._settings.tcp_timeout_s
        token = self._dials.dial(address, self.state(join=True), patience_s, ended)
        return token

    def sync(self) -> None:
        """Begin one with some member, unless the last one is not over."""
        if self._is_syncing:
            return
        picked = self._members.pick(1, lambda member: member.state is NodeState.ALIVE)
        if not picked:
            return
        node = picked[0].node

        def ended(message: StreamMessage | None, failure: str, now_s: float) -> None:
            self._is_syncing = False
            problem = self._took(message, failure, now_s, join=False)
            if problem is not None:
                self._journal.error(f"Push/Pull with {node.name} failed: {problem}")

        self._is_syncing = True
        self._journal.debug(f"Initiating push/pull sync with: {node.name} {node.address}")
        patience_s = self._settings.tcp_timeout_s
        self._dials.dial(node.address, self.state(join=False), patience_s, ended)

    def _took(
        self, message: StreamMessage | None, failure: str, now_s: float, *, join: bool
    ) -> str | None:
        match message:
            case None:
                return failure
            case Refusal():
                return f"remote error: {message.text}"
            case PushPull():
                return self.merge(message, now_s, join=join)
            case _:
                return f"received {type(message).__name__}, expected PushPull"

    def state(self, *, join: bool) -> PushPull:
        """All that we know."""
        return PushPull(
            join=join,
            nodes=tuple(
                PushedNode(
                    name=member.name,
                    address=member.address,
                    meta=member.node.meta,
                    incarnation=member.incarnation,
                    state=member.state,
                    vsn=member.node.vsn,
                )
                for member in self._members
            ),
            user_state=self._delegate.local_state(join=join),
        )

    def merge(self, message: PushPull, now_s: float, *, join: bool) -> str | None:
        """Take in what another knows; or why nothing of it is taken."""
        problem = self._incompatible(message.nodes)
        if problem is None and join:
            problem = self._delegate.refuse_merge([self._node(row) for row in message.nodes])
        if problem is not None:
            return problem
        for row in message.nodes:
            self._claim(row, now_s)
        if message.user_state:
            self._delegate.merge_remote_state(message.user_state, now_s, join=join)
        return None

    def _incompatible(self, rows: tuple[PushedNode, ...]) -> str | None:
        everybody = [(row.name, row.vsn if len(row.vsn) == VSN_BYTES else _NO_VSN) for row in rows]
        alive = [
            row.vsn for row in rows if row.state == NodeState.ALIVE and len(row.vsn) == VSN_BYTES
        ]
        for member in self._members:
            everybody.append((member.name, member.node.vsn))
            if member.state is NodeState.ALIVE:
                alive.append(member.node.vsn)
        return incompatible(alive, everybody)

    def _claim(self, row: PushedNode, now_s: float) -> None:
        match row.state:
            case NodeState.ALIVE:
                alive = Alive(
                    incarnation=row.incarnation,
                    node=row.name,
                    address=row.address,
                    meta=row.meta,
                    vsn=row.vsn,
                )
                self._claims.alive(alive, now_s)
            case NodeState.LEFT:
                left = Dead(incarnation=row.incarnation, node=row.name, accuser=row.name)
                self._claims.dead(left, now_s)
            case NodeState.DEAD | NodeState.SUSPECT:
                accuser = self._members.own.name
                suspect = Suspect(incarnation=row.incarnation, node=row.name, accuser=accuser)
                self._claims.suspect(suspect, now_s)
            case _:
                pass  # a state of a later version

    def _node(self, row: PushedNode) -> Node:
        return Node(
            name=row.name,
            address=self._members.complete(row.address),
            meta=row.meta,
            vsn=row.vsn,
            state=NodeState(row.state) if row.state in _STATES else NodeState.DEAD,
        )
