"""See gossip/leaving.py."""

import math
from dataclasses import dataclass, field

from proconsul.gossip.effects import Effect, Log
from proconsul.gossip.journal import Journal
from proconsul.gossip.leaving import Leaving, Stage
from proconsul.gossip.settings import SerfSettings

BEGIN_S = 1000.0


@dataclass
class Desk:
    """The world around a leave."""

    is_intent_told: bool = False
    is_dead_told: bool = False
    is_alone: bool = False
    done: list[str] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.leaving = Leaving(
            self, SerfSettings(), lambda: self.done.append("ended"), Journal(self.effects, "serf")
        )

    def say_intent(self, now_s: float) -> None:
        self.done.append("intent")

    def say_dead(self, now_s: float) -> None:
        self.done.append("dead")

    def lines(self) -> list[str]:
        return [effect.text for effect in self.effects if isinstance(effect, Log)]


def test_it_goes_on_when_the_others_were_told() -> None:
    desk = Desk()
    leaving = desk.leaving
    assert leaving.next_s == math.inf
    leaving.step(BEGIN_S)
    assert desk.done == []
    leaving.begin(BEGIN_S)
    assert desk.done == ["intent"]
    desk.is_intent_told = True
    leaving.step(BEGIN_S + 1)
    assert desk.done == ["intent", "dead"]
    leaving.step(BEGIN_S + 1.5)
    desk.is_dead_told = True
    leaving.step(BEGIN_S + 2)
    assert leaving.next_s == BEGIN_S + 2 + 3
    leaving.step(BEGIN_S + 4.9)
    assert desk.done == ["intent", "dead"]
    leaving.step(BEGIN_S + 5)
    assert desk.done == ["intent", "dead", "ended"]
    assert leaving.stage is Stage.LEFT
    assert leaving.next_s == math.inf
    assert desk.lines() == []


def test_it_goes_on_when_it_has_waited_long_enough() -> None:
    desk = Desk()
    leaving = desk.leaving
    leaving.begin(BEGIN_S)
    assert leaving.next_s == BEGIN_S + 5
    leaving.step(BEGIN_S + 5)
    assert leaving.next_s == BEGIN_S + 10
    leaving.step(BEGIN_S + 10)
    leaving.step(BEGIN_S + 13)
    assert desk.done == ["intent", "dead", "ended"]
    assert desk.lines() == ["serf: timeout while waiting for graceful leave"] * 2


def test_who_is_alone_does_not_wait() -> None:
    desk = Desk(is_intent_told=True, is_dead_told=True, is_alone=True)
    desk.leaving.begin(BEGIN_S)
    assert desk.done == ["intent", "dead", "ended"]


def test_it_begins_once() -> None:
    desk = Desk()
    desk.leaving.begin(BEGIN_S)
    desk.leaving.begin(BEGIN_S)
    desk.is_intent_told = desk.is_dead_told = desk.is_alone = True
    desk.leaving.step(BEGIN_S)
    desk.leaving.begin(BEGIN_S)
    desk.leaving.step(BEGIN_S + 100)
    assert desk.done == ["intent", "dead", "ended"]
