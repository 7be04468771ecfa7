"""Counters, gauges and samples as values; api/metrics.py shows them.

Consul's own names and its ten-second intervals (go-metrics): a sample keeps count, sum, minimum,
maximum and the sum of squares of one interval. Time is given by the caller of `roll`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import mul

INTERVAL_S = 10.0
QUANTILE_WINDOW_S = 10.0
FRESH_MAX = 1024  # values of one sample that wait to be reckoned up
RECENT_VALUES_MAX = 1024  # of one sample: of more values in a window, the newest count


@dataclass(slots=True)
class Aggregate:
    """What was added to one metric, in one interval or since the start."""

    count: int = 0
    sum: float = 0.0
    sum_squares: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Take a value, or the same one several times."""
        self.take(value, value, times, value * times, value * value * times)

    def take(self, low: float, high: float, count: int, total: float, squares: float) -> None:
        """Take `count` values that were reckoned up already."""
        if not self.count or low < self.minimum:
            self.minimum = low
        if not self.count or high > self.maximum:
            self.maximum = high
        self.count += count
        self.sum += total
        self.sum_squares += squares

    @property
    def mean(self) -> float:
        """Average of the values, 0 if there are none."""
        return self.sum / self.count if self.count else 0.0

    @property
    def deviation(self) -> float:
        """Sample standard deviation, 0 for fewer than two values."""
        if self.count < 2:
            return 0.0
        square = (self.count * self.sum_squares - self.sum**2) / (self.count * (self.count - 1))
        return float(max(square, 0.0) ** 0.5)


Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]


@dataclass(slots=True)
class Interval:
    """All metrics of ten seconds; `start_s` is wall time in unix seconds."""

    start_s: float
    gauges: dict[Key, float] = field(default_factory=dict)
    counters: dict[Key, Aggregate] = field(default_factory=dict)
    samples: dict[Key, Aggregate] = field(default_factory=dict)


@dataclass(slots=True)
class Summary:
    """One sample since the start, and its newest values."""

    total: Aggregate = field(default_factory=Aggregate)
    _recent: deque[tuple[float, list[float]]] = field(default_factory=deque)  # of one time each
    _recent_count: int = 0

    def add_recent(self, at_s: float, values: list[float]) -> None:
        """Values of that time; the oldest make way, whole rows of one time."""
        self._recent.append((at_s, values))
        self._recent_count += len(values)
        while self._recent_count - len(self._recent[0][1]) >= RECENT_VALUES_MAX:
            self._recent_count -= len(self._recent.popleft()[1])

    def quantiles(self, ranks: tuple[float, ...], now_s: float) -> list[float]:
        """The values at those ranks (0 to 1) in the last ten seconds; NaN without any."""
        newest = [v for at_s, row in self._recent if at_s >= now_s - QUANTILE_WINDOW_S for v in row]
        values = sorted(newest[-RECENT_VALUES_MAX:])
        if not values:
            return [float("nan")] * len(ranks)
        return [values[min(int(rank * len(values)), len(values) - 1)] for rank in ranks]


class Sampler:
    """Adds to one sample: for who does it in each request."""

    __slots__ = ("_reckon", "key", "values")

    def __init__(self, key: Key, reckon: "Callable[[Sampler], None]") -> None:
        """`reckon` is called when many values wait."""
        self.key = key
        self._reckon = reckon
        self.values: list[float] = []  # not reckoned up yet

    def add(self, value: float) -> None:
        """Take a value; timings are in milliseconds."""
        # Reckoned up together: each by itself would be a tenth of what a write takes.
        self.values.append(value)
        if len(self.values) >= FRESH_MAX:
            self._reckon(self)

    def add_all(self, values: list[float]) -> None:
        """Take several."""
        self.values.extend(values)
        if len(self.values) >= FRESH_MAX:
            self._reckon(self)


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything since the start, as Prometheus wants it."""

    gauges: dict[Key, float]
    counters: dict[Key, float]
    samples: dict[Key, Summary]
    now_s: float  # the time of the latest `roll`


class Telemetry:
    """Where every part of the program counts.

    Metric names are without the prefix ("kvs.apply"); gauges last until they are set again.
    """

    def __init__(self) -> None:
        self.blocking_queries = 0  # waiting right now
        # Who counts by himself and adds it here from time to time; called before anything is read.
        self.sources: list[Callable[[], None]] = []
        self._now_s = 0.0
        self._current = Interval(0.0)
        self._last: Interval | None = None
        self._counts: dict[Key, float] = {}
        self._summaries: dict[Key, Summary] = {}
        self._samplers: dict[Key, Sampler] = {}
        self._unlabelled: dict[str, Sampler] = {}  # of them, those without labels
        self._ones: dict[Key, int] = {}  # how often counters were raised by 1, not reckoned up yet

    def declare(self, name: str) -> None:
        """Let a counter be there as 0: one that is missing until it first counts breaks alerts."""
        self._counts.setdefault((name, ()), 0.0)

    def count(self, name: str, value: float = 1.0, labels: Labels = (), times: int = 1) -> None:
        """Add to a counter, once or several times."""
        key = (name, labels)
        if value == 1.0:
            self._ones[key] = self._ones.get(key, 0) + times
        else:
            self._add(key, value, times)

    def _add(self, key: Key, value: float, times: int) -> None:
        counters = self._current.counters
        aggregate = counters.get(key)
        if aggregate is None:
            aggregate = counters[key] = Aggregate()
        aggregate.add(value, times)
        self._counts[key] = self._counts.get(key, 0.0) + value * times

    def sample(self, name: str, value: float, labels: Labels = (), times: int = 1) -> None:
        """Add to a sample, once or several times; timings are in milliseconds."""
        if times > 1:
            # A hundred thousand equal ones, one by one, would hold the loop for milliseconds.
            aggregate, summary = self._sampled((name, labels))
            aggregate.add(value, times)
            summary.total.add(value, times)
            summary.add_recent(self._now_s, [value] * min(times, RECENT_VALUES_MAX))
            return
        sampler = None if labels else self._unlabelled.get(name)
        (sampler or self.sampler(name, labels)).add(value)

    def sampler(self, name: str, labels: Labels = ()) -> Sampler:
        """What adds to that sample. Keep it only for names that are not a client's."""
        key = (name, labels)
        sampler = self._samplers.get(key)
        if sampler is None:
            sampler = self._samplers[key] = Sampler(key, self._reckon)
            if not labels:
                self._unlabelled[name] = sampler
        return sampler

    def _reckon(self, sampler: Sampler) -> None:
        values, sampler.values = sampler.values, []
        aggregate, summary = self._sampled(sampler.key)
        low, high, count, total = min(values), max(values), len(values), sum(values)
        squares = sum(map(mul, values, values))
        aggregate.take(low, high, count, total, squares)
        summary.total.take(low, high, count, total, squares)
        summary.add_recent(self._now_s, values)

    def _sampled(self, key: Key) -> tuple[Aggregate, Summary]:
        """Of this interval, and of all."""
        aggregate = self._current.samples.get(key)
        if aggregate is None:
            aggregate = self._current.samples[key] = Aggregate()
        summary = self._summaries.get(key)
        if summary is None:
            summary = self._summaries[key] = Summary()
        return aggregate, summary

    def gauge(self, name: str, value: float, labels: Labels = ()) -> None:
        """Set a gauge."""
        self._current.gauges[name, labels] = value

    def drop_gauge(self, name: str, labels: Labels = ()) -> None:
        """Show a gauge no longer: what it told is no longer known here."""
        self._current.gauges.pop((name, labels), None)

    def roll(self, unix_s: float) -> None:
        """Tell the time, about once a second; begins a new interval if the current one is over."""
        self._gather()  # what was counted until now is of the interval that may end
        self._now_s = unix_s
        start_s = unix_s - unix_s % INTERVAL_S
        if start_s == self._current.start_s:
            return
        if self._current.start_s:
            self._last = self._current
            self._current = Interval(start_s, gauges=dict(self._current.gauges))
        else:
            self._current.start_s = start_s

    def newest(self) -> Interval:
        """The newest interval that is whole, or the first one while it is not."""
        self._gather()
        return self._last or self._current

    def totals(self) -> Totals:
        """All since the start."""
        self._gather()
        return Totals(dict(self._current.gauges), self._counts, self._summaries, self._now_s)

    def _gather(self) -> None:
        for source in self.sources:
            source()
        ones, self._ones = self._ones, {}
        for key, times in ones.items():
            self._add(key, 1.0, times)
        # A list: the collector may run amid this, and be the first to tell of a pause.
        for sampler in list(self._samplers.values()):
            if sampler.values:
                self._reckon(sampler)
