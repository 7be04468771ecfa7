"""Counters, gauges and timings as values; runtime exposes them.

Consul's own names and its ten-second intervals (go-metrics): a sample keeps count, sum, minimum,
maximum and the sum of squares of one interval. Time is given by the caller.
"""

from dataclasses import dataclass, field

INTERVAL_S = 10.0


@dataclass(slots=True)
class Aggregate:
    """What was added to one metric in one interval."""

    count: int = 0
    sum: float = 0.0
    sum_squares: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0

    def add(self, value: float) -> None:
        """Take one value."""
        if not self.count or value < self.minimum:
            self.minimum = value
        if not self.count or value > self.maximum:
            self.maximum = value
        self.count += 1
        self.sum += value
        self.sum_squares += value * value

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
        return max(square, 0.0) ** 0.5


Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]


@dataclass(slots=True)
class Interval:
    """All metrics of ten seconds; `start_s` is wall time in unix seconds."""

    start_s: float
    gauges: dict[Key, float] = field(default_factory=dict)
    counters: dict[Key, Aggregate] = field(default_factory=dict)
    samples: dict[Key, Aggregate] = field(default_factory=dict)


class Telemetry:
    """Where every part of the program counts.

    Metric names are without the prefix ("kvs.apply"); gauges last until they are set again.
    """

    def __init__(self) -> None:
        self.blocking_queries = 0  # waiting right now
        self._current = Interval(0.0)
        self._last: Interval | None = None
        self._totals: dict[Key, Aggregate] = {}
        self._sample_totals: dict[Key, Aggregate] = {}

    def count(self, name: str, value: float = 1.0, labels: Labels = ()) -> None:
        """Add to a counter."""
        key = (name, labels)
        for table in (self._current.counters, self._totals):
            aggregate = table.get(key)
            if aggregate is None:
                aggregate = table[key] = Aggregate()
            aggregate.add(value)

    def sample(self, name: str, value: float, labels: Labels = ()) -> None:
        """Add to a sample; timings are in milliseconds."""
        key = (name, labels)
        for table in (self._current.samples, self._sample_totals):
            aggregate = table.get(key)
            if aggregate is None:
                aggregate = table[key] = Aggregate()
            aggregate.add(value)

    def gauge(self, name: str, value: float, labels: Labels = ()) -> None:
        """Set a gauge."""
        self._current.gauges[name, labels] = value

    def roll(self, unix_s: float) -> None:
        """Begin a new interval if the current one is over."""
        start_s = unix_s - unix_s % INTERVAL_S
        if start_s == self._current.start_s:
            return
        if self._current.start_s:
            self._last = self._current
        self._current = Interval(start_s, gauges=dict(self._current.gauges))

    def newest(self) -> Interval:
        """The newest interval that is whole, or the first one while it is not."""
        return self._last or self._current

    def totals(self) -> tuple[dict[Key, float], dict[Key, Aggregate], dict[Key, Aggregate]]:
        """(gauges, counters, samples) since the start, for Prometheus."""
        return dict(self._current.gauges), self._totals, self._sample_totals
