"""Everything at once for minutes: is there an election, is a heartbeat late, what does p99 become?

Three servers of one side: nine reads of all kinds to one write by wrk, 2,000 blocking queries that
ask again whenever they are told, one listing of 10,000 keys a second.
"""

import random
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bench import fixtures, wrk
from bench.crowd import source
from bench.failure import WrongAnswerError
from bench.fixtures import KEY_FOLDER
from bench.http1 import Wire, opened, parsed, request
from bench.machine import Placement
from bench.options import Options
from bench.probes import Contact, term
from bench.promises import Promise
from bench.results import Figure, Figures, new_path, save
from bench.samples import Lanes, Step, expect
from bench.servers import Cluster, Side, running
from bench.table import markdown
from server_tests.differential.target import pause

SERVERS = 3
CONNECTIONS = 32
WATCHERS = 2000
WATCHED_KEYS = 200
LISTINGS_S = 1.0
SETTLE_S = 5.0  # for the watchers' first questions, which come all at once
INSTANCES = (10, 100)
WAIT = "60s"
_POLL_S = 0.2
_READ_BYTES = 1 << 18
Say = Callable[[str], None]

ELECTIONS = "elections"
LATE = "latest heartbeat, beyond its time"
TOLD = "watchers told, a second"
PER_S = "requests a second"
P50, P99 = "p50", "p99"
LISTED = "longest listing of 10,000 keys"
PROMISES = {
    ELECTIONS: Promise("", at_most=1),
    LATE: Promise("ms", at_most=100),
    PER_S: Promise("/s"),
    P50: Promise("ms"),
    P99: Promise("ms"),
    TOLD: Promise("/s"),
    LISTED: Promise("ms"),
}


class Watchers:
    """Connections that always wait for a change of their key, in a thread of their own."""

    def __init__(self, address: str) -> None:
        self.told = 0
        self._address = address
        self._over = threading.Event()
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._paths: dict[int, str] = {}
        self._indexes: dict[int, int] = {}
        self._data: dict[int, bytearray] = {}
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        for at in range(WATCHERS):
            connection = opened(self._address, source=source(at))
            number = connection.fileno()
            self._sockets[number] = connection
            self._paths[number] = f"/v1/kv/{fixtures.key(at % WATCHED_KEYS)}"
            self._indexes[number] = 0
            self._data[number] = bytearray()
            self._poll.register(number, select.EPOLLIN)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for connection in self._sockets.values():
            connection.close()
        self._poll.close()
        if kind is None and self._failure is not None:
            raise WrongAnswerError(f"a watcher: {self._failure}") from self._failure

    def _run(self) -> None:
        try:
            for number in self._sockets:
                self._ask(number)
            while not self._over.is_set():
                for number, _ in self._poll.poll(_POLL_S, WATCHERS):
                    self._take(number)
        except (OSError, WrongAnswerError) as failure:
            self._failure = failure

    def _ask(self, number: int) -> None:
        query = f"?index={self._indexes[number]}&wait={WAIT}" if self._indexes[number] else ""
        self._sockets[number].sendall(request("GET", self._paths[number] + query))

    def _take(self, number: int) -> None:
        piece = self._sockets[number].recv(_READ_BYTES)
        if not piece:
            raise WrongAnswerError(f"{self._address} hung up")
        self._data[number] += piece
        whole = parsed(self._data[number])
        if whole is None:
            return
        self._data[number].clear()
        answer = whole[0]
        path, before = self._paths[number], self._indexes[number]
        expect(answer.status == 200, answer, path)
        expect(answer.index >= before, answer, f"{path}: {answer.index} after {before}")
        self.told += answer.index > before > 0
        self._indexes[number] = answer.index
        self._ask(number)


def measure(options: Options, placement: Placement, settings: dict[str, str], say: Say) -> Path:
    """The file of the results. Raises BenchError."""
    path = new_path(options.results, "mixed")
    found = Figures(settings={**settings, "load": f"mixed, for {options.mixed_seconds} s"})
    for side in (Side.OURS, Side.CONSUL):
        say(f"{side}: {SERVERS} servers, mixed load for {options.mixed_seconds} s")
        with running(
            (side,), SERVERS, network=options.network, folder=options.folder, placement=placement
        ) as clusters:
            for name, amount in _measured(clusters[side], options, placement).items():
                found.figures.append(Figure(name=name, side=side, servers=SERVERS, value=amount))
                say(f"{side:<11}{name}: {amount:,.2f} {PROMISES[name].unit}")
        save(path, found)
    return path


def _measured(cluster: Cluster, options: Options, placement: Placement) -> dict[str, float]:
    stock = fixtures.prepare(cluster, INSTANCES, keys=True, sessions=True)
    leader = cluster.leader
    listing = _Listing(leader.address)
    with ExitStack() as stack:
        watchers = stack.enter_context(Watchers(leader.address))
        pause(SETTLE_S)
        contact = stack.enter_context(Contact(cluster))
        stack.enter_context(Lanes(LISTINGS_S, [listing.step]))
        term_before, told_before, began_s = term(leader), watchers.told, time.monotonic()
        counted = wrk.run(
            wrk.command(
                leader.address,
                ["mixed", f"/v1/kv/{KEY_FOLDER}/%05d", str(fixtures.KEYS), stock.sessions[0]],
                connections=CONNECTIONS,
                threads=1,
                seconds=options.mixed_seconds,
                seed=random.Random(0).randrange(1 << 30),
            ),
            placement,
        )
        elections = term(cluster.leader) - term_before
        told, took_s = watchers.told - told_before, time.monotonic() - began_s
    return {
        ELECTIONS: elections,
        LATE: contact.late_ms,
        PER_S: counted.per_s,
        P50: counted.p50_us / 1000,
        P99: counted.p99_us / 1000,
        TOLD: told / took_s,
        LISTED: listing.longest_ms,
    }


class _Listing:
    def __init__(self, address: str) -> None:
        self.longest_ms = 0.0
        self._wire = Wire(address)
        self.step: Step = self._step

    def _step(self) -> int:
        began_s = time.monotonic()
        answer = self._wire.ask("GET", f"/v1/kv/{KEY_FOLDER}/?recurse")
        self.longest_ms = max(self.longest_ms, (time.monotonic() - began_s) * 1000)
        expect(answer.status == 200 and len(answer.json()) == fixtures.KEYS, answer, "a listing")
        return 1


def table(figures: Sequence[Figure]) -> str:
    """Both sides, and what must not happen."""
    rows = []
    for name, promise in PROMISES.items():
        found = {one.side: one.value for one in figures if one.name == name}
        ours, real = found.get(Side.OURS), found.get(Side.CONSUL)
        if ours is None:
            continue
        met = "yes" if promise.is_met(ours, None) else "**no**"
        goal = "none" if name == ELECTIONS else promise.text
        rows.append(
            (
                name,
                "-" if real is None else f"{real:,.2f} {promise.unit}".strip(),
                f"**{f'{ours:,.2f} {promise.unit}'.strip()}**",
                goal,
                "-" if goal == "-" else met,
            )
        )
    return markdown(("what", "Consul", "ours", "goal", "met"), rows) + (
        f"\n{SERVERS} servers; {CONNECTIONS} connections as fast as they are answered, nine reads "
        f"of all kinds to one write; {WATCHERS:,} watchers of {WATCHED_KEYS} keys; one listing of "
        f"{fixtures.KEYS:,} keys a second. A heartbeat is late beyond the time after which that "
        "side's leader speaks at the latest: 100 ms for ours, 1 s for Consul at its default.\n"
    )
