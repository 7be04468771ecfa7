"""When sessions end."""

import pytest

from proconsul.endpoints.session_timers import SPARE_LENGTH, SessionTimers


def test_a_session_is_due_at_twice_its_ttl_and_named_once() -> None:
    timers = SessionTimers()
    timers.reset("a", "10s", 100.0)
    assert timers.due(119.9) == []
    assert timers.next_deadline_s() == 120.0
    assert timers.due(120.0) == ["a"]
    assert timers.due(1e9) == []
    assert not timers.has("a")


def test_a_renewal_begins_the_whole_time_again() -> None:
    timers = SessionTimers()
    timers.reset("a", "10s", 100.0)
    timers.reset("a", "10s", 119.0)
    assert timers.due(138.9) == []
    assert timers.due(139.0) == ["a"]


@pytest.mark.parametrize("ttl", ["", "0s", "0", "-5s", "a while", "9999999999999999h"])
def test_a_session_without_a_ttl_that_makes_sense_has_no_timer(ttl: str) -> None:
    timers = SessionTimers()
    timers.reset("a", ttl, 100.0)
    assert len(timers) == 0
    assert timers.due(1e12) == []


def test_one_that_is_gone_is_not_due_and_neither_is_any_without_leadership() -> None:
    timers = SessionTimers()
    timers.reset("a", "10s", 0.0)
    timers.reset("b", "10s", 0.0)
    timers.clear("a")
    assert timers.due(15.0) == []
    timers.clear_all()
    assert timers.due(1e9) == []


def test_many_renewals_do_not_pile_up() -> None:
    timers = SessionTimers()
    for second in range(100 * SPARE_LENGTH):
        timers.reset("a", "10s", float(second))
    assert len(timers._heap) <= SPARE_LENGTH + 2
    assert timers.due(100 * SPARE_LENGTH + 19.0) == ["a"]
