"""Counting in intervals of ten seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.telemetry import HELD_MAX, RECENT_VALUES_MAX, Telemetry


def test_an_interval_begins_empty_but_gauges_stay() -> None:
    telemetry = Telemetry()
    telemetry.roll(100.0)
    telemetry.count("a")
    telemetry.gauge("g", 7)
    telemetry.roll(109.9)
    assert telemetry.newest().counters  # still the first one
    telemetry.roll(110.0)
    telemetry.roll(120.0)
    assert telemetry.newest().start_s == 110.0
    assert telemetry.newest().counters == {}
    assert telemetry.newest().gauges == {("g", ()): 7}


def test_what_was_counted_before_the_first_tick_is_not_lost() -> None:
    telemetry = Telemetry()
    telemetry.count("a")
    telemetry.roll(100.0)
    telemetry.roll(110.0)
    assert telemetry.newest().counters["a", ()].count == 1
    assert telemetry.totals().counters == {("a", ()): 1.0}


def test_the_deviation_is_that_of_a_sample() -> None:
    telemetry = Telemetry()
    for value in (2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0):
        telemetry.sample("s", value)
    aggregate = telemetry.newest().samples["s", ()]
    assert aggregate.mean == 5.0
    assert aggregate.deviation == pytest.approx(2.138, abs=0.001)
    assert (aggregate.minimum, aggregate.maximum) == (2.0, 9.0)


def test_a_busy_sample_keeps_only_its_newest_values() -> None:
    telemetry = Telemetry()
    telemetry.roll(100.0)
    for value in range(RECENT_VALUES_MAX * 2):
        telemetry.sample("s", value)
    summary = telemetry.totals().samples["s", ()]
    assert summary.total.count == RECENT_VALUES_MAX * 2
    assert summary.quantiles((0.0,), 100.0) == [RECENT_VALUES_MAX]


def test_a_declared_counter_is_there_as_zero_but_in_no_interval() -> None:
    telemetry = Telemetry()
    telemetry.count("a")
    telemetry.declare("a")
    telemetry.declare("b")
    assert telemetry.totals().counters == {("a", ()): 1.0, ("b", ()): 0.0}
    assert list(telemetry.newest().counters) == [("a", ())]


@given(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=3 * HELD_MAX),
    st.sets(st.integers(0, 3 * HELD_MAX)),
)
def test_values_count_the_same_one_by_one_and_many_at_once(
    values: list[int], looked_at: set[int]
) -> None:
    telemetry = Telemetry()
    telemetry.roll(100.0)
    for position, value in enumerate(values):
        telemetry.sample("a", value)
        telemetry.count("a", value)
        if position in looked_at:
            telemetry.totals()
    of_interval = telemetry.newest().samples["a", ()]
    summary = telemetry.totals().samples["a", ()]
    assert summary.total == of_interval == telemetry.newest().counters["a", ()]
    assert (of_interval.minimum, of_interval.maximum) == (min(values), max(values))
    assert (of_interval.count, of_interval.sum) == (len(values), sum(values))
    assert of_interval.sum_squares == sum(value * value for value in values)
    assert telemetry.totals().counters["a", ()] == sum(values)
    assert [value for _, value in summary.recent] == values
