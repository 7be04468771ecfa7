"""How cost grows: with keys, with instances of a service, with watchers, with the size of values.

Both sides hold the same all the time and are asked in turn. What counts is CPU time, because it
tells how work grows even where the machine has other things to do.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import fixtures, wrk
from bench.crowd import ROUNDS, Crowd, prepare_key
from bench.failure import BenchError
from bench.fixtures import registration, service, value
from bench.http1 import Wire
from bench.machine import Placement
from bench.options import Options
from bench.results import Growth, Point, new_path, save
from bench.servers import Cluster, Side, running
from bench.table import markdown
from server_tests.differential.target import pause

CPU, P50, P99, RSS = "CPU, us a request", "p50, us", "p99, us", "RSS, MiB"
LAST, CPU_ROUND = "last told, ms", "CPU of all, ms"
MEASURES = (CPU, P50, P99, RSS, LAST, CPU_ROUND)
FLAT, LINEAR = 0.0, 1.0
TOLERANCE = 0.15  # of an exponent, before it is said to be too large
REST_S = 2.0
SLOW_FROM, SLOW_S = 10_000, 10  # an answer of so many may take a second
GROUP = 100  # keys of one prefix
ASKED_AGAIN = 100  # different requests
FOLDER = "bench/grown"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is asked at each size; `exponent`: its cost may grow as n to the power of that."""

    name: str
    connections: int
    exponent: float
    load: Callable[[int], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One thing that grows; `grow` makes the things from a number to another."""

    name: str
    sizes: tuple[int, ...]
    operations: tuple[Operation, ...]
    grow: Callable[[Wire, int, int], None]
    are_counts: bool = True  # and not bytes: then --largest is about them


def grown_key(number: int) -> str:
    """100 of them have a prefix in common."""
    group, member = divmod(number, GROUP)
    return f"{FOLDER}/{group:05d}/{member:02d}"


def _grow_keys(wire: Wire, begin: int, end: int) -> None:
    fixtures.write_keys(
        wire, ((grown_key(number), value(number, 0)) for number in range(begin, end))
    )


def _grow_instances(wire: Wire, begin: int, end: int) -> None:
    # The service's name must not depend on its size.
    for number in range(begin, end):
        fixtures.put(wire, "/v1/catalog/register", registration(0, number))


def _grow_value(wire: Wire, begin: int, end: int) -> None:
    for number in range(BIG_KEYS):
        fixtures.put(wire, f"/v1/kv/bench/big/{number}", value(number, 0, end))


def _again(of_group: str, size: int) -> list[str]:
    """The same requests again and again, as many at each size: answers that are kept count."""
    stride = size // GROUP // ASKED_AGAIN
    return ["get", f"/v1/kv/{FOLDER}/%05d/{of_group}", str(ASKED_AGAIN), str(stride)]


def _first(of_group: str, size: int) -> list[str]:
    """Requests that nobody has made before: none of their answers is kept."""
    return ["fresh", f"/v1/kv/{FOLDER}/%05d/{of_group}", str(size // GROUP)]


BIG_KEYS = 16
SERVICE = service(0)
KEYS = Series(
    name="keys",
    sizes=(10_000, 100_000, 1_000_000),
    grow=_grow_keys,
    operations=(
        Operation(
            name="GET of a key",
            connections=64,
            exponent=FLAT,
            load=lambda size: _again("42", size),
        ),
        Operation(
            name="GET of a key, for the first time",
            connections=64,
            exponent=FLAT,
            load=lambda size: _first("42?nth=%d", size),
        ),
        Operation(
            name="PUT of a key",
            connections=64,
            exponent=FLAT,
            load=lambda size: ["put", f"{FOLDER}/new", str(size), "64"],
        ),
        Operation(
            name="list of 100 keys",
            connections=16,
            exponent=FLAT,
            load=lambda size: _again("?recurse", size),
        ),
        Operation(
            name="list of 100 keys, for the first time",
            connections=16,
            exponent=FLAT,
            load=lambda size: _first("?recurse&nth=%d", size),
        ),
    ),
)
INSTANCES = Series(
    name="instances",
    sizes=(100, 1_000, 10_000),
    grow=_grow_instances,
    operations=(
        Operation(
            name="health of a service",
            connections=4,
            exponent=LINEAR,
            load=lambda size: ["get", f"/v1/health/service/{SERVICE}?passing", "1"],
        ),
        Operation(
            name="a check of a service changes",
            connections=16,
            exponent=FLAT,
            load=lambda size: ["flip", SERVICE, str(size)],
        ),
        Operation(
            name="list of all services",
            connections=16,
            exponent=LINEAR,
            load=lambda size: ["get", "/v1/catalog/services", "1"],
        ),
    ),
)
VALUES = Series(
    name="bytes of a value",
    are_counts=False,
    sizes=(1024, 65_536, 524_288),
    grow=_grow_value,
    operations=(
        Operation(
            name="GET of a large value",
            connections=4,
            exponent=LINEAR,
            load=lambda size: ["get", "/v1/kv/bench/big/%d", str(BIG_KEYS)],
        ),
        Operation(
            name="PUT of a large value",
            connections=4,
            exponent=LINEAR,
            load=lambda size: ["put", "bench/big", str(BIG_KEYS), str(size)],
        ),
    ),
)
SERIES = (KEYS, INSTANCES, VALUES)
WATCHERS = "a write is told to all watchers"
WATCHER_SIZES = (100, 1_000, 10_000)
EXPONENTS = {
    **{one.name: one.exponent for series in SERIES for one in series.operations},
    **{series.name: LINEAR for series in SERIES},
    WATCHERS: LINEAR,
}


def measure(options: Options, placement: Placement, settings: dict[str, str], say: Say) -> Path:
    """The file of the results. Raises BenchError."""
    path = new_path(options.results, "growth")
    found = Growth(settings=settings)

    def keep(point: Point) -> None:
        found.points.append(point)
        save(path, found)
        if point.measure in (CPU, RSS, CPU_ROUND):
            say(
                f"{point.side:<11}{point.operation}, {point.at:,}: "
                f"{point.value:,.0f} ({point.measure})"
            )

    for series in SERIES:
        sizes = [size for size in series.sizes if size <= options.largest or not series.are_counts]
        _measure_series(series, sizes, options, placement, keep)
    sizes = [size for size in WATCHER_SIZES if size <= options.largest]
    _measure_watchers(sizes, options, placement, keep)
    return path


Keep = Callable[[Point], None]


def _measure_series(
    series: Series, sizes: Sequence[int], options: Options, placement: Placement, keep: Keep
) -> None:
    with running(
        tuple(Side), 1, network=options.network, folder=options.folder, placement=placement
    ) as clusters:
        before = 0
        for size in sizes:
            for side, cluster in clusters.items():
                with Wire(cluster.leader.address) as wire:
                    series.grow(wire, before, size)
                pause(REST_S)
                rss_mib = cluster.usage().rss_bytes / 2**20
                keep(Point(operation=series.name, measure=RSS, side=side, at=size, value=rss_mib))
            before = size
            for number in range(options.pairs):
                for side in sorted(clusters, reverse=bool(number % 2)):
                    for operation in series.operations:
                        _one(clusters[side], operation, size, options, placement, keep)


def _one(
    cluster: Cluster,
    operation: Operation,
    size: int,
    options: Options,
    placement: Placement,
    keep: Keep,
) -> None:
    slow = operation.exponent > FLAT and size >= SLOW_FROM
    used = cluster.usage()
    try:
        counted = wrk.run(
            wrk.command(
                cluster.leader.address,
                operation.load(size),
                connections=operation.connections,
                threads=1,
                seconds=max(options.seconds, SLOW_S) if slow else options.seconds,
                seed=size,
            ),
            placement,
        )
    except BenchError as error:
        raise type(error)(f"{operation.name} at {size} on {cluster.side}: {error}") from error
    cpu_us = (cluster.usage().cpu_s - used.cpu_s) * 1e6 / counted.requests
    for measure, value_us in ((CPU, cpu_us), (P50, counted.p50_us), (P99, counted.p99_us)):
        keep(
            Point(
                operation=operation.name,
                measure=measure,
                side=cluster.side,
                at=size,
                value=value_us,
            )
        )


def _measure_watchers(
    sizes: Sequence[int], options: Options, placement: Placement, keep: Keep
) -> None:
    key = "bench/watched"
    for size in sizes:
        with running(
            tuple(Side), 1, network=options.network, folder=options.folder, placement=placement
        ) as clusters:
            for cluster in clusters.values():
                address = cluster.leader.address
                prepare_key(address, key)
                with Crowd(address, key, size) as crowd:
                    crowd.wait()
                    crowd.tell(address, b"to warm up")
                    # CPU time is counted in hundredths of a second, a round takes one or two.
                    before_s = cluster.usage().cpu_s
                    found = []
                    for number in range(ROUNDS):
                        crowd.wait()
                        told = crowd.tell(address, f"round {number}".encode())
                        found.append((LAST, max(told.answers_s) * 1000))
                    after = cluster.usage()
                    found.append((CPU_ROUND, (after.cpu_s - before_s) * 1000 / ROUNDS))
                    found.append((RSS, after.rss_bytes / 2**20))
                    for measure, amount in found:
                        keep(
                            Point(
                                operation=WATCHERS,
                                measure=measure,
                                side=cluster.side,
                                at=size,
                                value=amount,
                            )
                        )


# ------------------------------------------------------------ the table

Curve = dict[int, float]  # size: median


def curves(points: Sequence[Point]) -> dict[tuple[str, str], dict[str, Curve]]:
    """By operation and measure, then by side."""
    values: dict[tuple[str, str], dict[str, dict[int, list[float]]]] = {}
    for one in points:
        sides = values.setdefault((one.operation, one.measure), {})
        sides.setdefault(one.side, {}).setdefault(one.at, []).append(one.value)
    return {
        key: {
            side: {at: statistics.median(found) for at, found in sorted(by_size.items())}
            for side, by_size in sides.items()
        }
        for key, sides in values.items()
    }


def exponent(curve: Curve) -> float | None:
    """x of cost ~ n^x, between the two largest sizes; None: there are no two."""
    if len(curve) < 2:
        return None
    (small, cheap), (large, dear) = sorted(curve.items())[-2:]
    if cheap <= 0 or dear <= 0:
        return None
    return math.log(dear / cheap) / math.log(large / small)


def table(points: Sequence[Point]) -> str:
    """Each operation at each size, and how its CPU time and memory grow."""
    head = ("what", "measure", "at: Consul / ours", "Consul grows as", "ours grows as", "as it may")
    rows = []
    for (operation, measure), sides in curves(points).items():
        real, ours = sides.get(Side.CONSUL, {}), sides.get(Side.OURS, {})
        grows = exponent(ours)
        allowed = EXPONENTS.get(operation, LINEAR)
        judged = measure in (CPU, RSS, CPU_ROUND) and grows is not None
        rows.append(
            (
                operation,
                measure,
                "; ".join(
                    f"{at:,}: {_number(real.get(at))} / {_number(ours.get(at))}"
                    for at in sorted(real.keys() | ours.keys())
                ),
                _power(exponent(real)),
                _power(grows),
                ("yes" if (grows or 0.0) <= allowed + TOLERANCE else "**no**") if judged else "-",
            )
        )
    return markdown(head, rows) + (
        "\nOne server; medians. Growth is between the two largest sizes: n^0 is no growth, n^1 is "
        "linear. It may be linear where the answer itself grows, and must be flat elsewhere.\n"
    )


def _number(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def _power(value_of: float | None) -> str:
    return "-" if value_of is None else f"n^{value_of:.2f}"
