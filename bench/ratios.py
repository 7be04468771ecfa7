"""From runs to one line of the table: ratios of the runs of one pair, medians of the rest."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.results import Measured
from bench.rows import BY_NAME, ROWS, Row
from bench.servers import Side

LOAD_FULL_CORES = 0.9  # of wrk: from here on it may be the bottleneck
MORE_THAN_A_CORE = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSide:
    """Medians of one side's runs; latencies and CPU time in microseconds."""

    per_s: float
    p50_us: float
    p99_us: float
    cpu_us: float
    flushes_s: float | None
    rss_bytes: float
    server_cores: float
    load_cores: float
    beats_s: float
    sampled_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row in one mood, with as many servers."""

    row: Row
    busy: bool
    servers: int
    ratios: tuple[float, ...]  # ours to Consul's, one a pair
    consul: OneSide
    ours: OneSide

    @property
    def ratio(self) -> float:
        """The median of the pairs."""
        return statistics.median(self.ratios)

    @property
    def goal(self) -> float:
        """That the ratio has to reach."""
        return self.row.goals[self.servers]

    @property
    def is_fast_enough(self) -> bool:
        """Whether the ratio is reached."""
        return self.ratio >= self.goal

    @property
    def p99_ratio(self) -> float:
        """Our p99 to Consul's."""
        return self.ours.p99_us / max(self.consul.p99_us, 1.0)

    @property
    def is_even_enough(self) -> bool:
        """Whether our p99 is where it has to be: reads below Consul's, writes near it."""
        if self.row.workload.reads:
            return self.p99_ratio < self.row.p99_max
        return self.p99_ratio <= self.row.p99_max

    @property
    def load_is_full(self) -> bool:
        """Whether wrk may have kept us from being faster."""
        return self.ours.load_cores > LOAD_FULL_CORES

    @property
    def lost_to_cores(self) -> bool:
        """Whether Consul wins, and runs on more than one core."""
        return self.ratio < 1 and self.consul.server_cores > MORE_THAN_A_CORE

    @property
    def is_met(self) -> bool:
        """Both."""
        return self.is_fast_enough and self.is_even_enough


def lines(measured: Iterable[Measured]) -> list[Line]:
    """In the table's order, quiet before busy; of pairs that have both sides."""
    runs: dict[tuple[int, str, bool], list[Measured]] = {}
    for one in measured:
        runs.setdefault((one.servers, one.row, one.busy), []).append(one)
    order = {row.name: at for at, row in enumerate(ROWS)}
    made = []
    for servers, name, busy in sorted(runs, key=lambda it: (it[0], order[it[1]], it[2])):
        line = _line(BY_NAME[name], busy, servers, runs[servers, name, busy])
        if line is not None:
            made.append(line)
    return made


def _line(row: Row, busy: bool, servers: int, runs: list[Measured]) -> Line | None:
    real = {one.pair: one for one in runs if one.side == Side.CONSUL}
    ours = {one.pair: one for one in runs if one.side == Side.OURS}
    pairs = sorted(real.keys() & ours.keys())
    if not pairs:
        return None
    return Line(
        row=row,
        busy=busy,
        servers=servers,
        ratios=tuple(ours[pair].per_s / real[pair].per_s for pair in pairs),
        consul=_one_side([real[pair] for pair in pairs]),
        ours=_one_side([ours[pair] for pair in pairs]),
    )


def _one_side(runs: list[Measured]) -> OneSide:
    def median(of: Callable[[Measured], float]) -> float:
        return statistics.median(of(one) for one in runs)

    flushes_s = [one.flushes_s for one in runs if one.flushes_s is not None]
    return OneSide(
        per_s=median(lambda one: one.per_s),
        p50_us=median(lambda one: one.p50_us),
        p99_us=median(lambda one: one.p99_us),
        cpu_us=median(lambda one: one.cpu_us),
        flushes_s=statistics.median(flushes_s) if flushes_s else None,
        rss_bytes=median(lambda one: one.rss_bytes),
        server_cores=median(lambda one: one.server_cores),
        load_cores=median(lambda one: one.load_cores),
        beats_s=median(lambda one: one.beats_s),
        sampled_share=median(lambda one: one.sampled / one.requests),
    )
