"""Counting in intervals of ten seconds."""

import gc
import itertools

import pytest

from proconsul.telemetry import FRESH_MAX, RECENT_VALUES_MAX, Aggregate, Telemetry


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


def test_many_values_sum_up_as_each_by_itself_would() -> None:
    values = [float(number * 7919 % 104729) for number in range(3 * FRESH_MAX + 5)]
    telemetry, wanted = Telemetry(), Aggregate()
    telemetry.roll(100.0)
    for value in values:
        telemetry.sample("s", value)
        wanted.add(value)
    assert telemetry.newest().samples["s", ()] == wanted
    assert telemetry.totals().samples["s", ()].total == wanted


def test_a_value_is_of_the_interval_in_which_it_came() -> None:
    telemetry = Telemetry()
    telemetry.roll(100.0)
    telemetry.sample("s", 1.0)
    telemetry.roll(110.0)
    telemetry.sample("s", 2.0)
    assert telemetry.newest().samples["s", ()].maximum == 1.0
    telemetry.roll(120.0)
    assert telemetry.newest().samples["s", ()].minimum == 2.0
    assert telemetry.totals().samples["s", ()].quantiles((0.0,), 120.0) == [2.0]


def test_a_declared_counter_is_there_as_zero_but_in_no_interval() -> None:
    telemetry = Telemetry()
    telemetry.count("a")
    telemetry.declare("a")
    telemetry.declare("b")
    assert telemetry.totals().counters == {("a", ()): 1.0, ("b", ()): 0.0}
    assert list(telemetry.newest().counters) == [("a", ())]


def test_a_value_that_came_very_often_costs_no_more_than_one() -> None:
    telemetry = Telemetry()
    telemetry.roll(20.0)
    often = 10**12  # a list of them would fit nowhere
    telemetry.sample("kvs.get", 2.0, times=often)
    telemetry.sample("kvs.get", 4.0)
    aggregate = telemetry.newest().samples["kvs.get", ()]
    assert (aggregate.count, aggregate.minimum, aggregate.maximum) == (often + 1, 2.0, 4.0)
    assert aggregate.sum == 2.0 * often + 4.0
    summary = telemetry.totals().samples["kvs.get", ()]
    assert summary.total.count == often + 1
    assert summary.quantiles((0.5, 1.0), 20.0) == [2.0, 4.0]


def test_the_collector_may_sample_something_new_amid_the_reckoning() -> None:
    telemetry = Telemetry()
    names = itertools.count()

    def tell(phase: str, info: dict[str, int]) -> None:
        telemetry.sample(f"pause{next(names)}", 1.0)

    for number in range(100):
        telemetry.sample(f"s{number}", 1.0)
    threshold = gc.get_threshold()
    gc.callbacks.append(tell)
    try:
        gc.set_threshold(1)
        telemetry.roll(100.0)
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(tell)
    assert next(names), "it ran"
    telemetry.roll(200.0)
    assert telemetry.totals().samples["pause0", ()].total.count == 1
