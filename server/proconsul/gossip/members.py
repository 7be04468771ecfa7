"""The members as this one knows them, and the order in which they are probed.

Each member stands once in a ring. It is probed round robin: in a shuffled order, so that a member
is found dead within one turn, and everybody is probed by somebody in each interval. New ones come
in at a random place. When a turn is over, who is long dead or left is forgotten and the ring is
shuffled anew (wire/gossip/gossip.md section 7).
"""

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from proconsul.gossip.address import Address
from proconsul.gossip.delegate import Node
from proconsul.gossip.messages import NodeState, PushedNode
from proconsul.gossip.suspicion import Suspicion

VSN_BYTES = 6
NACK_PMAX = 4  # who understands this version of the protocol sends nacks
STREAM_PING_PMAX = 3  # ... answers pings on a stream
CHECKSUM_PMAX = 5  # ... and takes checksums


class Member(Struct):
    """What is known about one; changed by `Members.change` only."""

    node: Node
    incarnation: int
    changed_s: float  # since when it has this state
    suspicion: Suspicion | None = None  # if it is suspect
    _row: PushedNode | None = None  # as it stands in full exchanges, once it was asked for

    @property
    def name(self) -> str:
        """Its name in the pool."""
        return self.node.name

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.node.address

    @property
    def state(self) -> NodeState:
        """How it is."""
        return self.node.state

    @property
    def is_gone(self) -> bool:
        """Dead, or left."""
        return self.node.state >= NodeState.DEAD

    def row(self) -> PushedNode:
        """What is told of it in a full exchange. All are told each time, and few have changed."""
        if self._row is None:
            self._row = PushedNode(
                name=self.name,
                address=self.address,
                meta=self.node.meta,
                incarnation=self.incarnation,
                state=self.state,
                vsn=self.node.vsn,
            )
        return self._row

    def change(self, node: Node, incarnation: int) -> None:
        """It is so; see `Members.change`."""
        self.node = node
        self.incarnation = incarnation
        self._row = None

    def understands(self, version: int) -> bool:
        """Whether its newest version of memberlist's protocol is this one or newer."""
        return self.node.vsn[1] >= version


class Members:
    """All that are listed; `own` is this one. `dice(n)` gives 0 to n - 1."""

    def __init__(self, own: Member, dice: Callable[[int], int]) -> None:
        self.own = own
        self.present = 0 if own.is_gone else 1  # alive or suspect
        self._dice = dice
        self._by_name = {own.name: own}
        self._ring = [own]
        self._next = 0

    def __len__(self) -> int:
        return len(self._ring)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._ring)

    def get(self, name: str) -> Member | None:
        """The member of this name."""
        return self._by_name.get(name)

    def complete(self, address: Address) -> Address:
        """The address; without a port, ours is meant."""
        return address if address.port else Address(address.ip, self.own.address.port)

    @property
    def is_alone(self) -> bool:
        """Whether nobody else is listed."""
        return len(self._ring) == 1

    @property
    def others_present(self) -> int:
        """How many others are alive or suspect."""
        return self.present - (not self.own.is_gone)

    def add(self, member: Member) -> None:
        """List a new one. At a random place: appended, it would be the last to be probed."""
        assert member.name not in self._by_name
        self._by_name[member.name] = member
        place = self._dice(len(self._ring) + 1)
        self._ring.append(member)
        self._ring[place], self._ring[-1] = self._ring[-1], self._ring[place]
        self.present += not member.is_gone

    def change(self, member: Member, node: Node, incarnation: int, now_s: float) -> None:
        """There is news of it."""
        self.present += member.is_gone - (node.state >= NodeState.DEAD)
        if node.state != member.state:
            member.changed_s = now_s
        if node.state is not NodeState.SUSPECT:
            member.suspicion = None
        member.change(node, incarnation)

    def change_state(
        self, member: Member, state: NodeState, incarnation: int, now_s: float
    ) -> None:
        """Its state is another, all else as it was."""
        self.change(member, replace(member.node, state=state), incarnation, now_s)

    def next_to_probe(self, forget_after_s: float, now_s: float) -> Member | None:
        """The next of the others that is alive or suspect; None if there is none.

        At the end of a turn, who is gone for longer than `forget_after_s` is forgotten.
        """
        member = self._rest_of_turn()
        if member is None:
            self._end_turn(forget_after_s, now_s)
            member = self._rest_of_turn()
        return member

    def _rest_of_turn(self) -> Member | None:
        while self._next < len(self._ring):
            member = self._ring[self._next]
            self._next += 1
            if not member.is_gone and member is not self.own:
                return member
        return None

    def _end_turn(self, forget_after_s: float, now_s: float) -> None:
        self._next = 0
        kept = [
            member
            for member in self._ring
            if not member.is_gone
            or member is self.own
            or now_s - member.changed_s <= forget_after_s
        ]
        if len(kept) < len(self._ring):
            self._ring = kept
            self._by_name = {member.name: member for member in kept}
        for last in range(len(kept) - 1, 0, -1):
            place = self._dice(last + 1)
            self._ring[last], self._ring[place] = self._ring[place], self._ring[last]

    def pick(self, count: int, wanted: Callable[[Member], bool]) -> list[Member]:
        """Some others that are wanted, at random; fewer only if there are no more of them."""
        found: list[Member] = []
        ring, size = self._ring, len(self._ring)
        moved: dict[int, int] = {}  # a shuffle that goes only as far as it must
        for place in range(size):
            if len(found) == count:
                break
            drawn = place + self._dice(size - place)
            member = ring[moved.get(drawn, drawn)]
            moved[drawn] = moved.get(place, place)
            if member is not self.own and wanted(member):
                found.append(member)
        return found
