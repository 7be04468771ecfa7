"""1,000 blocking queries on one key: how long after a write the last of them is told."""

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.crowd import ROUNDS, Crowd, prepare_key
from bench.machine import Placement
from bench.options import Options
from bench.results import Watched, Watchers, new_path, save
from bench.servers import Cluster, Side, running
from bench.table import markdown, ratio, size
from server_tests.differential.target import pause

WATCHERS = 1000
LAST_RATIO_MAX = 0.5  # of Consul's time
BYTES_EACH_MAX = 4096
KEY = "bench/watched"
REST_S = 2.0
Say = Callable[[str], None]


def measure(options: Options, placement: Placement, settings: dict[str, str], say: Say) -> Path:
    """The file of the results. Raises BenchError."""
    path = new_path(options.results, "watchers")
    found = Watchers(settings=settings)
    for servers in options.servers:
        say(f"{servers} server(s): {WATCHERS} watchers of one key, {ROUNDS} rounds")
        with (
            running(
                (Side.CONSUL, Side.OURS),
                servers,
                network=options.network,
                folder=options.folder,
                placement=placement,
            ) as clusters,
            ExitStack() as stack,
        ):
            crowds = {}
            for side, cluster in clusters.items():
                crowds[side], each = _crowd(cluster, stack)
                found.bytes_each[f"{side}-{servers}"] = each
            for number in range(ROUNDS):
                for side in sorted(crowds, reverse=bool(number % 2)):
                    found.rounds.append(_round(clusters[side], crowds[side], number))
                    say(f"{side:<11} last told after {found.rounds[-1].last_ms:>7.2f} ms")
                save(path, found)
    return path


def _crowd(cluster: Cluster, stack: ExitStack) -> tuple[Crowd, float]:
    leader = cluster.leader.address
    prepare_key(leader, KEY)
    pause(REST_S)
    before_bytes = cluster.usage().rss_bytes
    crowd = stack.enter_context(Crowd(leader, KEY, WATCHERS))
    crowd.wait()
    each = (cluster.usage().rss_bytes - before_bytes) / WATCHERS
    crowd.tell(leader, b"warm")  # the first answers make what later ones find made
    return crowd, each


def _round(cluster: Cluster, crowd: Crowd, number: int) -> Watched:
    crowd.wait()
    used = cluster.usage()
    told = crowd.tell(cluster.leader.address, f"round {number}".encode())
    cpu_s = cluster.usage().cpu_s - used.cpu_s
    return Watched(
        servers=len(cluster.servers),
        round=number,
        side=cluster.side,
        watchers=len(told.answers_s),
        acknowledged_ms=told.acknowledged_s * 1000,
        first_ms=min(told.answers_s) * 1000,
        median_ms=statistics.median(told.answers_s) * 1000,
        last_ms=max(told.answers_s) * 1000,
        cpu_ms=cpu_s * 1000,
    )


def table(found: Watchers) -> str:
    """Medians of the rounds, and the goals."""
    head = (
        *("servers", "last told: ratio", "goal", "met", "last", "median", "first"),
        *("acknowledged", "CPU", "memory a watcher", "goal", "met"),
    )
    rows = [
        _cells(servers, rounds, found.bytes_each)
        for servers in sorted({one.servers for one in found.rounds})
        if all(rounds := [_of(found, side, servers) for side in (Side.CONSUL, Side.OURS)])
    ]
    return markdown(head, rows) + (
        f"\n{WATCHERS:,} blocking queries on one key, then one write. Consul / ours, medians of "
        "the rounds, from the moment the write is sent. Memory: of all servers of a side.\n"
    )


def _of(found: Watchers, side: Side, servers: int) -> list[Watched]:
    return [one for one in found.rounds if one.side == side and one.servers == servers]


def _cells(servers: int, rounds: list[list[Watched]], each: dict[str, float]) -> list[str]:
    def both(of: Callable[[Watched], float]) -> str:
        real, ours = (statistics.median(map(of, one)) for one in rounds)
        return f"{real:.2f} / {ours:.2f} ms"

    real_ms, our_ms = (statistics.median(one.last_ms for one in side) for side in rounds)
    part = our_ms / real_ms
    real_bytes, our_bytes = (each[f"{side}-{servers}"] for side in (Side.CONSUL, Side.OURS))
    return [
        str(servers),
        f"**{ratio(part)}**",
        f"{LAST_RATIO_MAX:g}x",
        "yes" if part <= LAST_RATIO_MAX else "**no**",
        both(lambda one: one.last_ms),
        both(lambda one: one.median_ms),
        both(lambda one: one.first_ms),
        both(lambda one: one.acknowledged_ms),
        both(lambda one: one.cpu_ms),
        f"{size(real_bytes)} / {size(our_bytes)}",
        f"under {size(BYTES_EACH_MAX)}",
        "yes" if our_bytes < BYTES_EACH_MAX else "**no**",
    ]
