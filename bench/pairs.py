"""Pair by pair: both sides fresh, given the same, compared, then loaded in turn, row by row.

Both clusters of a pair are there all the time, so that the two runs of a row are seconds apart;
the one that is not asked has next to nothing to do. Who goes first alternates.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from bench import answers, fixtures, wrk
from bench.failure import BenchError
from bench.fixtures import Stock
from bench.http1 import Wire
from bench.machine import Placement, Watch
from bench.options import Options
from bench.results import Measured
from bench.rows import BEATS_S, Row
from bench.samples import LANES, Lanes, Step
from bench.servers import Cluster, Side, running

WARM_S = 2  # slow machines have asked for each of 10,000 keys by then
SAMPLED_SHARE = 0.01
SAMPLERS = 16  # lanes: an answer under load may take long
SAMPLES_S = (1.0, 800.0)  # at least and at most
Keep = Callable[[Measured], None]
Say = Callable[[str], None]


def measure_rows(
    rows: Sequence[Row], options: Options, placement: Placement, keep: Keep, say: Say
) -> None:
    """All pairs of all sizes. Raises BenchError: something is not as it must be."""
    for servers in options.servers:
        chosen = [row for row in rows if servers in row.goals]
        for pair in range(options.pairs if chosen else 0):
            say(f"{servers} server(s), pair {pair + 1} of {options.pairs}: starting both sides")
            with running(
                (Side.CONSUL, Side.OURS),
                servers,
                network=options.network,
                folder=options.folder,
                placement=placement,
            ) as clusters:
                _Pair(pair, clusters, options, placement, say).measure(chosen, keep)


class _Pair:
    def __init__(
        self,
        pair: int,
        clusters: dict[Side, Cluster],
        options: Options,
        placement: Placement,
        say: Say,
    ) -> None:
        self._pair = pair
        self._clusters = clusters
        self._options = options
        self._placement = placement
        self._say = say
        self._watch = Watch(options.folder)
        self._stocks: dict[Side, Stock] = {}

    def measure(self, rows: Sequence[Row], keep: Keep) -> None:
        """Every row in every mood."""
        loads = [row.workload for row in rows]
        for side, cluster in self._clusters.items():
            self._stocks[side] = fixtures.prepare(
                cluster,
                sorted({load.instances for load in loads if load.instances}),
                keys=any(load.needs_keys for load in loads),
                sessions=any(load.needs_sessions for load in loads),
            )
        for row in rows:
            self._aim(row)
            real, ours = (
                answers.answered_by(row, self._stocks[side].asked.address)
                for side in (Side.CONSUL, Side.OURS)
            )
            answers.require_same(row, real, ours)
        for at, row in enumerate(rows):
            self._aim(row)
            for busy in row.moods:
                self._both(row, busy, at, keep)

    def _aim(self, row: Row) -> None:
        for side, cluster in self._clusters.items():
            stock = self._stocks[side]
            stock.leader = cluster.leader
            stock.asked = cluster.follower if row.through_follower else stock.leader

    def _both(self, row: Row, busy: bool, at: int, keep: Keep) -> None:
        order = [Side.CONSUL, Side.OURS]
        if (self._pair + at + busy) % 2:
            order.reverse()
        for place, side in enumerate(order):
            try:
                one = self._one(row, busy, side, place == 0)
            except BenchError as error:
                raise type(error)(f"{row.name} on {side}: {error}") from error
            keep(one)
            self._say(
                f"{row.name:<15}{'busy' if busy else '':<6}{side:<11}{one.per_s:>9,.0f}/s  "
                f"p99 {one.p99_us / 1000:>8.2f} ms  {one.cpu_us:>8,.0f} us of CPU a request  "
                f"{one.sampled} sampled"
            )

    def _one(self, row: Row, busy: bool, side: Side, first: bool) -> Measured:
        stock, cluster = self._stocks[side], self._clusters[side]
        with ExitStack() as stack:
            beats = self._beats(row, stock, stack) if busy else None
            rate_s = SAMPLED_SHARE * self._run(row, stock, WARM_S).per_s
            samples = self._samples(row, stock, rate_s, stack)
            used, before, beaten = cluster.usage(), self._watch.now(), beats.made if beats else 0
            sampled = samples.made
            counted = self._run(row, stock, self._options.seconds)
            after, used_after = self._watch.now(), cluster.usage()
            beaten, sampled = (beats.made if beats else 0) - beaten, samples.made - sampled
        took_s = after.at_s - before.at_s
        cpu_s = used_after.cpu_s - used.cpu_s
        others_s = (after.busy_s - before.busy_s) - cpu_s - counted.load_s
        flushed = (
            None
            if before.flushes is None or after.flushes is None
            else (after.flushes - before.flushes) / took_s
        )
        return Measured(
            row=row.name,
            busy=busy,
            servers=len(cluster.servers),
            pair=self._pair,
            side=side,
            first=first,
            requests=counted.requests,
            per_s=counted.per_s,
            p50_us=counted.p50_us,
            p99_us=counted.p99_us,
            cpu_us=cpu_s * 1e6 / (counted.requests + sampled),
            flushes_s=flushed,
            rss_bytes=used_after.rss_bytes,
            server_cores=cpu_s / took_s,
            load_cores=counted.load_s / took_s,
            other_cores=others_s / took_s,
            sampled=sampled,
            beats_s=beaten / took_s,
        )

    def _run(self, row: Row, stock: Stock, seconds: int) -> wrk.Counted:
        return wrk.run(
            wrk.command(
                stock.asked.address,
                row.workload.load(stock),
                connections=row.connections,
                threads=row.connections if row.thread_each else 1,
                seconds=seconds,
                seed=random.Random(f"{row.name} {self._pair}").randrange(1 << 30),
            ),
            self._placement,
        )

    def _beats(self, row: Row, stock: Stock, stack: ExitStack) -> Lanes:
        steps: list[Step] = []
        for lane in range(LANES):
            wire = stack.enter_context(Wire(stock.leader.address))
            steps.append(row.workload.beat(stock, wire, lane))
        return stack.enter_context(Lanes(BEATS_S, steps))

    def _samples(self, row: Row, stock: Stock, rate_s: float, stack: ExitStack) -> Lanes:
        least_s, most_s = SAMPLES_S
        rate_s = min(max(rate_s, least_s), most_s) / row.workload.requests_a_step
        steps: list[Step] = []
        for lane in range(SAMPLERS):
            wire = stack.enter_context(Wire(stock.asked.address))
            steps.append(row.workload.sampler(stock, wire, lane))
        return stack.enter_context(Lanes(rate_s, steps))
