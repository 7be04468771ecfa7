"""See gossip/chores.py."""

from dataclasses import dataclass, field

from proconsul.gossip.address import Address
from proconsul.gossip.chores import Chores
from proconsul.gossip.delegate import Node
from proconsul.gossip.effects import Effect, MemberStatus, Remember
from proconsul.gossip.joining import Joins
from proconsul.gossip.journal import Journal
from proconsul.gossip.lamport import Clock
from proconsul.gossip.member_table import MemberTable, pool_member
from proconsul.gossip.messages import NodeState
from proconsul.gossip.settings import SerfSettings
from proconsul.gossip.snapshot import Kept, Ledger
from server_tests.gossip.bench import US, VSN, at

BEGIN_S = 1000.0


@dataclass
class Desk:
    """One that does its chores."""

    dialed: list[str] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        journal = Journal(self.effects, "serf")
        own = Node(name="us", address=US, meta=b"", vsn=VSN, state=NodeState.ALIVE)
        self.clock = Clock()
        self.table = MemberTable(
            own=pool_member(own, {}, MemberStatus.ALIVE, BEGIN_S),
            settings=SerfSettings(),
            rows_max=100,
            changed=lambda change, member, now_s: None,
            journal=journal,
        )
        joins = Joins(
            dial=self._dial,
            joined=lambda now_s: None,
            effects=self.effects,
            journal=journal,
            dice=lambda sides: 0,
        )
        self.chores = Chores(
            settings=SerfSettings(),
            table=self.table,
            joins=joins,
            ledger=Ledger(Kept(), self.effects, lambda: self.clock.time, rejoins=False),
            dice=lambda sides: 0,
            now_s=BEGIN_S,
        )

    def _dial(self, address: Address, name: str, now_s: float) -> int:
        self.dialed.append(name)
        return 1

    def add(self, name: str) -> None:
        node = Node(name=name, address=at(2), meta=b"", vsn=VSN, state=NodeState.ALIVE)
        self.table.joined(node, {}, BEGIN_S)

    def remembered(self) -> list[str]:
        return [effect.line for effect in self.effects if isinstance(effect, Remember)]


def test_a_failed_member_is_tried_every_thirty_seconds() -> None:
    desk = Desk()
    desk.add("x")
    desk.table.gone("x", BEGIN_S)
    for second in range(1, 91):
        desk.chores.tick(BEGIN_S + second)
    assert desk.dialed == ["x"] * 3


def test_who_is_gone_for_long_is_reaped_every_fifteen_seconds() -> None:
    desk = Desk()
    desk.add("x")
    desk.table.gone("x", BEGIN_S)
    over_s = BEGIN_S + 72 * 3600
    desk.chores.tick(over_s)
    assert "x" in desk.table
    desk.chores.tick(over_s + 14)
    assert "x" in desk.table
    desk.chores.tick(over_s + 15)
    assert "x" not in desk.table


def test_the_clock_is_noted_at_most_twice_a_second_and_only_if_it_is_another() -> None:
    desk = Desk()
    assert desk.chores.next_s == BEGIN_S + 15
    desk.clock.witness(5)
    assert desk.chores.next_s == BEGIN_S + 0.5
    desk.chores.tick(BEGIN_S + 0.4)
    assert desk.remembered() == []
    desk.chores.tick(BEGIN_S + 0.5)
    desk.clock.witness(6)
    desk.chores.tick(BEGIN_S + 0.9)
    desk.chores.tick(BEGIN_S + 1.0)
    assert desk.remembered() == ["clock: 5", "clock: 6"]
    assert desk.chores.next_s == BEGIN_S + 15


def test_what_is_to_be_pruned_is_pruned_in_time() -> None:
    desk = Desk()
    desk.add("x")
    desk.table.leave_intent("x", 5, prune=True, now_s=BEGIN_S)
    desk.table.gone("x", BEGIN_S)
    assert desk.chores.next_s == BEGIN_S + 8
    desk.chores.tick(BEGIN_S + 8)
    assert "x" not in desk.table
    assert desk.chores.next_s == BEGIN_S + 15
