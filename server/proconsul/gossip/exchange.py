"""Full exchanges of states: at a join, and now and then with somebody at random.

Each side says all that it knows and takes in what the other knows. That mends what gossip missed,
joins two pools into one, and shows a member that was restarted what is believed of it.

What came is judged as a whole first: whether all versions agree, and at a join whether the
delegate takes all of them. Then each row is a claim among others (claims.py). That somebody is
dead is not believed at once: it is suspect, so that it can refute
(wire/gossip/gossip.md sections 5 and 6.3).

All of this is done by slices (merging.py). What is heard between two of them is judged like any
claim by its incarnation, so that it does not matter which came first.
"""

import math
from collections.abc import Callable, Iterable

from proconsul.gossip.address import Address
from proconsul.gossip.claims import Claims
from proconsul.gossip.delegate import Delegate, Node
from proconsul.gossip.dials import Dials
from proconsul.gossip.journal import Journal
from proconsul.gossip.members import VSN_BYTES, Members
from proconsul.gossip.merging import Ended, Merges, Merging, Moment, slices
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
        self._merges = Merges()
        self._is_syncing = False

    def join(self, address: Address, node: str) -> int:
        """Begin one with who is at this address. The token, which `on_join` gets."""
        token = 0

        def merged(problem: str | None, now_s: float) -> None:
            if problem is not None:
                self._journal.debug(f"Failed to join {address}: {problem}")
            self._on_join(token, problem, now_s)

        def ended(message: StreamMessage | None, failure: str, now_s: float) -> None:
            self._take(message, failure, merged, now_s, join=True)

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

        def merged(problem: str | None, now_s: float) -> None:
            self._is_syncing = False
            if problem is not None:
                self._journal.error(f"Push/Pull with {node.name} failed: {problem}")

        def ended(message: StreamMessage | None, failure: str, now_s: float) -> None:
            self._take(message, failure, merged, now_s, join=False)

        self._is_syncing = True
        self._journal.debug(f"Initiating push/pull sync with: {node.name} {node.address}")
        patience_s = self._settings.tcp_timeout_s
        self._dials.dial(node.address, self.state(join=False), patience_s, ended)

    def _take(
        self,
        message: StreamMessage | None,
        failure: str,
        merged: Ended,
        now_s: float,
        *,
        join: bool,
    ) -> None:
        match message:
            case PushPull():
                self._begin(message, merged, now_s, join=join)
            case None:
                merged(failure, now_s)
            case Refusal():
                merged(f"remote error: {message.text}", now_s)
            case _:
                merged(f"received {type(message).__name__}, expected PushPull", now_s)

    def state(self, *, join: bool) -> PushPull:
        """All that we know."""
        return PushPull(
            join=join,
            nodes=tuple(member.row() for member in self._members),
            user_state=self._delegate.local_state(join=join),
        )

    # ---------------------------------------------------------------- what others know

    @property
    def is_merging(self) -> bool:
        """Whether `go_on` has something to do."""
        return self._merges.is_under_way

    def go_on(self, now_s: float) -> None:
        """Take in the next slice of what another knows."""
        self._merges.go_on(now_s)

    def absorb(self, message: PushPull, now_s: float) -> None:
        """Somebody began an exchange with us, and knows this."""

        def merged(problem: str | None, now_s: float) -> None:
            if problem is not None:
                self._journal.error(f"Failed push/pull merge: {problem}")

        if self._merges.has_room:
            self._begin(message, merged, now_s, join=message.join)
        else:
            merged("too many states are being taken in at once", now_s)

    def _begin(self, message: PushPull, merged: Ended, now_s: float, *, join: bool) -> None:
        self._merges.begin(lambda moment: self._merge(message, moment, join=join), merged, now_s)

    def _merge(self, message: PushPull, moment: Moment, *, join: bool) -> Merging:
        problem = yield from self._judge(message.nodes, join=join)
        if problem is not None:
            return problem
        for part in slices(message.nodes):
            for row in part:
                self._claim(row, moment.now_s)
            if len(message.nodes) > len(part):
                yield
        if message.user_state:
            yield from self._delegate.merge_remote_state(message.user_state, moment, join=join)
        return None

    def _judge(self, rows: tuple[PushedNode, ...], *, join: bool) -> Merging:
        """Why nothing of it may be taken, or None."""
        alive: set[bytes] = set()
        everybody: dict[bytes, str] = {}  # of each version one that speaks it
        nodes: list[Node] = []
        for part in slices(rows):
            for row in part:
                vsn = row.vsn if len(row.vsn) == VSN_BYTES else _NO_VSN
                everybody.setdefault(vsn, row.name)
                if row.state == NodeState.ALIVE and vsn is row.vsn:
                    alive.add(vsn)
            if join:
                nodes += map(self._node, part)
            if len(rows) > len(part):
                yield
        for member in self._members:
            everybody.setdefault(member.node.vsn, member.name)
            if member.state is NodeState.ALIVE:
                alive.add(member.node.vsn)
        problem = incompatible(alive, ((name, vsn) for vsn, name in everybody.items()))
        if problem is None and join:
            problem = yield from self._delegate.refuse_merge(nodes)
        return problem

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
