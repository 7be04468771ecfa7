"""See gossip/joining.py."""

from dataclasses import dataclass, field

from proconsul.gossip.address import Address
from proconsul.gossip.effects import Effect, JoinEnded, Log
from proconsul.gossip.joining import Joins, JoinTarget
from proconsul.gossip.journal import Journal
from server_tests.gossip.bench import at

NOW_S = 1000.0


@dataclass
class Desk:
    """The network around joins: the test says how each exchange ends."""

    dialed: list[tuple[Address, str]] = field(default_factory=list)
    told: int = 0
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.joins = Joins(
            dial=self._dial,
            joined=self._joined,
            effects=self.effects,
            journal=Journal(self.effects, "serf"),
            dice=lambda sides: 0,
        )

    def _dial(self, address: Address, name: str, now_s: float) -> int:
        self.dialed.append((address, name))
        return 100 + len(self.dialed)

    def _joined(self, now_s: float) -> None:
        self.told += 1

    def ends(self, exchange: int, failure: str | None = None) -> None:
        self.joins.ended(exchange, failure, NOW_S)

    def ended(self) -> list[JoinEnded]:
        return [effect for effect in self.effects if isinstance(effect, JoinEnded)]

    def lines(self) -> list[str]:
        return [effect.text for effect in self.effects if isinstance(effect, Log)]


def targets(*numbers: int) -> list[JoinTarget]:
    return [JoinTarget(at(number), f"n{number}", f"host{number}") for number in numbers]


def test_all_are_tried_one_after_the_other() -> None:
    desk = Desk()
    desk.joins.join(7, targets(1, 2, 3), NOW_S)
    assert desk.dialed == [(at(1), "n1")]
    assert desk.joins.ignores_events
    desk.ends(101)
    desk.ends(102, "connection refused")
    assert desk.told == 0
    desk.ends(103)
    assert [address for address, _ in desk.dialed] == [at(1), at(2), at(3)]
    assert desk.ended() == [JoinEnded(7, 2, ("Failed to join 10.0.0.2: connection refused",))]
    assert desk.told == 1
    assert not desk.joins.ignores_events


def test_if_nobody_answers_nobody_is_told() -> None:
    desk = Desk()
    desk.joins.join(7, targets(1), NOW_S)
    desk.ends(101, "i/o timeout")
    assert desk.ended() == [JoinEnded(7, 0, ("Failed to join 10.0.0.1: i/o timeout",))]
    assert desk.told == 0


def test_joins_go_on_beside_each_other() -> None:
    desk = Desk()
    desk.joins.join(7, targets(1), NOW_S)
    desk.joins.join(8, targets(2), NOW_S)
    desk.ends(102)
    assert desk.joins.ignores_events
    desk.ends(101)
    assert [ended.token for ended in desk.ended()] == [8, 7]
    assert not desk.joins.ignores_events


def test_a_rejoin_ends_with_the_first_that_answers_and_hears_old_events() -> None:
    desk = Desk()
    desk.joins.rejoin({f"n{number}": at(number) for number in range(3)}, NOW_S)
    assert not desk.joins.ignores_events
    first = desk.dialed[0]
    desk.ends(101, "i/o timeout")
    desk.ends(102)
    assert len(desk.dialed) == 2
    assert desk.dialed[1] != first
    assert desk.ended() == []
    assert desk.told == 0
    assert desk.lines()[-1] == f"serf: Re-joined to previously known node: {desk.dialed[1][1]}"


def test_a_rejoin_may_reach_nobody() -> None:
    desk = Desk()
    desk.joins.rejoin({"a": at(1)}, NOW_S)
    desk.ends(101, "i/o timeout")
    assert desk.lines()[-1] == "serf: Failed to re-join any previously known node"
    desk = Desk()
    desk.joins.rejoin({}, NOW_S)
    assert desk.lines() == []


def test_a_rejoin_begins_anywhere() -> None:
    """Or all that were restarted would ask the same one."""
    desk = Desk()
    desk.joins.rejoin({f"n{number}": at(number) for number in range(4)}, NOW_S)
    assert desk.dialed != [(at(0), "n0")]


def test_how_a_reconnect_ends_concerns_nobody() -> None:
    desk = Desk()
    desk.joins.reconnect("a", at(1), NOW_S)
    desk.ends(101)
    desk.ends(999)
    assert desk.dialed == [(at(1), "a")]
    assert (desk.told, desk.ended()) == (0, [])
