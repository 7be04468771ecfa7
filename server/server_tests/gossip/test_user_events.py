"""See gossip/user_events.py."""

from dataclasses import dataclass, field

import pytest

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
    assert list(other.events.merge(ring)) == []
    assert [found.name for found in other.heard] == ["both", "new"]


def test_a_full_ring_is_taken_in_by_slices() -> None:
    one, other = Desk(), Desk()
    for ltime in range(1, 8):
        for number in range(SLOT_EVENTS_MAX):
            one.events.take(event(ltime, str(number)))
    slices = len(list(other.events.merge(one.events.ring())))
    assert slices == 7 * SLOT_EVENTS_MAX // (2 * SLOT_EVENTS_MAX)
    assert len(other.heard) == 7 * SLOT_EVENTS_MAX


@pytest.mark.parametrize("forged", [LTIME_MAX, LTIME_MAX - 1, LTIME_MAX // 2])
def test_a_forged_time_does_not_end_the_events_of_a_pool(forged: int) -> None:
    desk = Desk(min_ltime=8, clock=Clock(7, begins_anew=True))
    desk.events.take(event(forged, "forged"))
    for number in range(3 * SLOT_EVENTS_MAX):
        assert desk.events.take(event(desk.clock.time, str(number)))
    assert len(desk.heard) == 3 * SLOT_EVENTS_MAX + 1


def test_a_clock_that_began_anew_does_not_begin_again_with_each_copy() -> None:
    desk = Desk(clock=Clock(begins_anew=True))
    desk.events.take(event(LTIME_MAX))
    desk.events.take(event(1))
    assert not desk.events.take(event(LTIME_MAX))
    assert desk.clock.time == 2


def test_who_had_a_forged_time_in_its_file_hears_events_again() -> None:
    desk = Desk(min_ltime=LTIME_MAX + 1, clock=Clock(LTIME_MAX, begins_anew=True))
    assert desk.events.take(event(1))


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
