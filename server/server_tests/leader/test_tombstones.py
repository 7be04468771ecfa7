"""When graves are due."""

from proconsul.leader.tombstones import GRANULARITY_S, TTL_S, TombstoneTimes


def test_a_grave_is_due_after_its_time_and_told_once() -> None:
    times = TombstoneTimes()
    times.hint(7, 10.0)
    assert times.due(10.0 + TTL_S) == 0
    assert times.due(10.0 + TTL_S + GRANULARITY_S) == 7
    assert times.due(1e9) == 0


def test_graves_of_one_half_minute_go_together_up_to_the_newest() -> None:
    times = TombstoneTimes()
    times.hint(9, 31.0)
    times.hint(7, 32.0)
    times.hint(8, 95.0)
    assert times.due(31.0 + TTL_S + GRANULARITY_S) == 9
    assert times.due(1e9) == 8


def test_a_server_that_leads_no_more_forgets_them() -> None:
    times = TombstoneTimes()
    times.hint(7, 10.0)
    times.clear()
    assert times.due(1e9) == 0
