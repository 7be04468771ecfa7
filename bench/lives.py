"""Starts, restarts, snapshots and memory: what is measured once in a server's life."""

import http.client
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import fixtures
from bench.failure import BenchError, WrongAnswerError
from bench.http1 import Wire
from bench.machine import Placement
from bench.options import Options
from bench.probes import Contact, Lag
from bench.promises import Promise
from bench.results import Figure, Figures, new_path, save
from bench.servers import START_S_MAX, Cluster, Side, running
from bench.table import markdown
from server_tests.differential.target import PORT, pause

KEYS = 100_000
VALUE_BYTES = 64
ASK_S_MAX = 0.25  # a write that was asked too early is held back by the server: ask anew
ASK_AGAIN_S = 0.005
REST_S = 3.0
SNAPSHOTS = 3
CONTACT_S = 0.2  # that heartbeats are watched after a snapshot
MIB = 2**20
Say = Callable[[str], None]


COLD = "cold start to the first write"
RESTART = "restart with 100k keys to the first write"
RSS_START = "RSS at the start, each server"
RSS_KEYS = "RSS with 100k keys, each server"
RSS_RESTART = "RSS after the restart"
SNAPSHOT = "snapshot of 100k keys"
LAG = "longest wait of a small request during the snapshot"
LAG_BEFORE = "the same without a snapshot"
CONTACT = "heartbeat late during the snapshot"
PROMISES = {
    COLD: Promise("s", at_most=0.6),
    RESTART: Promise("s", at_most=1.0),
    RSS_START: Promise("MiB", at_most=60),
    RSS_KEYS: Promise("MiB", at_most=140),
    RSS_RESTART: Promise("MiB"),
    SNAPSHOT: Promise("s", of_consul_max=1.0),
    LAG: Promise("ms", at_most=10, worst=True),
    LAG_BEFORE: Promise("ms", worst=True),
    CONTACT: Promise("ms", at_most=100, worst=True),
}


def measure(options: Options, placement: Placement, settings: dict[str, str], say: Say) -> Path:
    """The file of the results. Raises BenchError."""
    path = new_path(options.results, "lives")
    found = Figures(settings=settings)

    def keep(figure: Figure) -> None:
        found.figures.append(figure)
        save(path, found)
        unit = PROMISES[figure.name].unit
        say(
            f"{figure.servers} server(s)  {figure.side:<11}{figure.name}: {figure.value:.3f} {unit}"
        )

    for servers in options.servers:
        for number in range(options.pairs):
            for side in sorted(Side, reverse=bool(number % 2)):
                _start(side, servers, options, placement, keep)
        for side in Side:
            _life(side, servers, options, placement, keep)
    return path


Keep = Callable[[Figure], None]


def _start(side: Side, size: int, options: Options, placement: Placement, keep: Keep) -> None:
    cluster = Cluster(
        side, size, network=options.network, folder=options.folder, placement=placement
    )
    try:
        began_s = time.monotonic()
        cluster.launch()
        took_s = until_a_write(cluster, began_s)
    finally:
        cluster.stop()
    keep(Figure(name=COLD, side=side, servers=size, value=took_s))


def until_a_write(cluster: Cluster, began_s: float) -> float:
    """Seconds from `began_s` to the first acknowledged write, asked of the first server."""
    server = cluster.servers[0]
    while time.monotonic() < began_s + START_S_MAX:
        with Wire(server.address, ASK_S_MAX) as wire:
            try:
                answer = wire.ask("PUT", "/v1/kv/first", b"1")
                if answer.status == 200 and answer.body.strip() == b"true":
                    return time.monotonic() - began_s
            except OSError:
                pass
        pause(ASK_AGAIN_S)
    raise BenchError(f"{server.side} took no write in {START_S_MAX:.0f} s")


def _life(side: Side, size: int, options: Options, placement: Placement, keep: Keep) -> None:
    def tell(name: str, value: float) -> None:
        keep(Figure(name=name, side=side, servers=size, value=value))

    with running(
        (side,), size, network=options.network, folder=options.folder, placement=placement
    ) as clusters:
        cluster = clusters[side]
        pause(REST_S)
        tell(RSS_START, cluster.usage().rss_bytes / size / MIB)
        with Wire(cluster.leader.address) as wire:
            fixtures.write_keys(
                wire,
                (
                    (f"bench/many/{number:06d}", fixtures.value(number, 0, VALUE_BYTES))
                    for number in range(KEYS)
                ),
            )
        pause(REST_S)
        tell(RSS_KEYS, cluster.usage().rss_bytes / size / MIB)
        for _ in range(SNAPSHOTS):
            _snapshot(cluster, tell)
        if size == 1:
            for _ in range(options.pairs):
                _restart(cluster, tell)


def _restart(cluster: Cluster, tell: Callable[[str, float], None]) -> None:
    server = cluster.servers[0]
    server.kill()
    began_s = time.monotonic()
    server.launch(cluster.placement)
    tell(RESTART, until_a_write(cluster, began_s))
    many = server.ask("GET", "/v1/kv/bench/many/?keys").json() or ()
    if len(many) != KEYS:
        raise WrongAnswerError(f"{server.side}: {len(many)} of {KEYS} keys outlived a kill -9")
    pause(REST_S)
    tell(RSS_RESTART, cluster.usage().rss_bytes / MIB)


def _snapshot(cluster: Cluster, tell: Callable[[str, float], None]) -> None:
    leader = cluster.leader.address
    with Lag(leader) as before:
        pause(1.0)
    tell(LAG_BEFORE, before.worst_ms)
    with ExitStack() as stack:
        contact = stack.enter_context(Contact(cluster)) if len(cluster.servers) > 1 else None
        lag = stack.enter_context(Lag(leader))
        began_s = time.monotonic()
        length = _fetched_bytes(leader)
        took_s = time.monotonic() - began_s
        pause(CONTACT_S)
    if length < KEYS:
        raise WrongAnswerError(f"{cluster.side}: a snapshot of {length} bytes holds no {KEYS} keys")
    tell(SNAPSHOT, took_s)
    tell(LAG, lag.worst_ms)
    if contact is not None:
        tell(CONTACT, contact.late_ms)


def _fetched_bytes(address: str) -> int:
    connection = http.client.HTTPConnection(address, PORT, timeout=START_S_MAX)
    try:
        connection.request("GET", "/v1/snapshot")
        reply = connection.getresponse()
        body = reply.read()
    finally:
        connection.close()
    if reply.status != 200:
        raise WrongAnswerError(f"{address}: a snapshot: {reply.status} {body[:300]!r}")
    return len(body)


def table(figures: Sequence[Figure]) -> str:
    """Medians (or the worst) of each side, and the promises."""
    head = ("servers", "what", "Consul", "ours (least to most)", "goal", "met")
    rows = []
    for servers in sorted({one.servers for one in figures}):
        for name, promise in PROMISES.items():
            real, ours = (
                [
                    one.value
                    for one in figures
                    if (one.name, one.side, one.servers) == (name, side, servers)
                ]
                for side in (Side.CONSUL, Side.OURS)
            )
            if ours:
                rows.append(_cells(servers, name, promise, real, ours))
    return markdown(head, rows) + (
        "\nMedians; of waits and heartbeats the worst of all rounds. The wait is that of a client "
        "beside the load, which is more than the event loop's lag alone. A restart follows a "
        "kill -9.\n"
    )


def _cells(
    servers: int, name: str, promise: Promise, real: Sequence[float], ours: Sequence[float]
) -> list[str]:
    value = promise.summary(ours)
    theirs = promise.summary(real) if real else None
    # The goals of time and memory are for one server; more of them share its core here.
    binding = servers == 1 or name in (SNAPSHOT, LAG, CONTACT)
    met = promise.is_met(value, theirs)
    return [
        str(servers),
        name,
        "-" if theirs is None else f"{theirs:,.2f} {promise.unit}",
        f"**{value:,.2f} {promise.unit}** ({min(ours):,.2f} to {max(ours):,.2f})",
        promise.text if binding else "-",
        ("yes" if met else "**no**") if binding and promise.text != "-" else "-",
    ]
