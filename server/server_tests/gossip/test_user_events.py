"""See gossip/user_events.py."""

from dataclasses import dataclass, field

from proconsul.gossip.effects import Effect, Log
from proconsul.gossip.journal import Journal
from proconsul.gossip.lamport import LTIME_MAX, Clock
from proconsul.gossip.serf_messages import EventRow, EventSlot, UserEvent
from proconsul.gossip.user_events import ROW_BYTES, SLOT_BYTES_MAX, SLOT_EVENTS_MAX, UserEvents


def event(ltime: int, name: str = "e", payload: bytes = b"") -> UserEvent:
    return UserEvent(ltime=ltime, name=name, payload=payload, coalesce=False)


@dataclass
class Desk:
    """The events of a member."""

    slots: int = 8
    min_ltime: int = 1
    clock: Clock = field(default_factory=Clock)
    heard: list[UserEvent] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events = UserEvents(
            slots=self.slots,
            min_ltime=self.min_ltime,
            clock=self.clock,
            heard=self.heard.append,
            journal=Journal(self.effects, "serf"),
        )


def test_an_event_is_heard_once() -> None:
    desk = Desk()
    assert desk.events.take(event(3))
    assert not desk.events.take(event(3))
    assert desk.heard == [event(3)]
    assert desk.clock.time == 4


def test_events_of_one_time_differ_by_name_or_payload() -> None:
    desk = Desk()
    for name, payload in (("a", b""), ("b", b""), ("b", b"1")):
        assert desk.events.take(event(3, name, payload))
        assert not desk.events.take(event(3, name, payload))
    assert len(desk.heard) == 3


def test_what_is_older_than_the_ring_is_not_heard() -> None:
    desk = Desk()
    desk.events.take(event(20))  # the clock is at 21
    assert not desk.events.take(event(12))
    assert desk.events.take(event(13))
    assert [found.ltime for found in desk.heard] == [20, 13]


def test_a_slot_that_is_used_again_forgets_what_was_in_it() -> None:
    desk = Desk()
    desk.events.take(event(1))
    desk.events.take(event(9))
    assert desk.events.ring()[1] == EventSlot(ltime=9, events=(EventRow(name="e", payload=b""),))
    assert not desk.events.take(event(1)), "too old"


def test_what_is_below_the_minimum_time_is_not_heard() -> None:
    desk = Desk(min_ltime=5)
    assert not desk.events.take(event(4))
    assert desk.events.take(event(5))
    desk.events.ignore_before(9)
    desk.events.ignore_before(7)
    assert not desk.events.take(event(8))
    assert desk.clock.time == 9, "but its time is noted"
    assert desk.events.take(event(9))


def test_the_ring_of_another_is_heard_as_far_as_it_is_new() -> None:
    one, other = Desk(), Desk()
    one.events.take(event(1, "both"))
    other.events.take(event(1, "both"))
    one.events.take(event(2, "new", b"x"))
    ring = one.events.ring()
    assert len(ring) == one.slots
    assert sum(slot is not None for slot in ring) == 2
    other.events.merge(ring)
    assert [found.name for found in other.heard] == ["both", "new"]


def test_at_the_end_of_time_events_are_still_heard() -> None:
    desk = Desk()
    assert desk.events.take(event(LTIME_MAX))
    assert not desk.events.take(event(LTIME_MAX))


def test_a_slot_takes_so_many_events_and_no_more() -> None:
    desk = Desk()
    for number in range(SLOT_EVENTS_MAX):
        assert desk.events.take(event(3, str(number)))
    for number in range(3):
        assert not desk.events.take(event(3, f"more {number}")), "not to be told to others either"
    assert len(desk.heard) == SLOT_EVENTS_MAX
    assert sum(isinstance(effect, Log) for effect in desk.effects) == 1, "one line is enough"
    assert desk.events.take(event(4))


def test_and_so_many_bytes() -> None:
    desk = Desk()
    half = SLOT_BYTES_MAX // 2 - ROW_BYTES - len("e")
    assert desk.events.take(event(3, "a", bytes(half)))
    assert not desk.events.take(event(3, "b", bytes(half + 1)))
    assert desk.events.take(event(3, "b", bytes(half)))
    assert not desk.events.take(event(3, "c"))
