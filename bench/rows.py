"""The table of what is measured, and the goals: ratios of requests a second to a real Consul's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bench import workloads
from bench.failure import BenchError
from bench.workloads import Workload

P99_OF_WRITES_MAX = 1.2  # of Consul's: there the disk decides; reads must be better
BEATS_S = 50  # changes a second to what is read, in a busy row


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; `goals` and `aims` by number of servers."""

    name: str
    title: str
    workload: Workload
    connections: int
    goals: Mapping[int, float]
    aims: Mapping[int, float] = field(default_factory=dict)
    through_follower: bool = False
    # A lock needs one thread a connection: wrk's threads share nothing, their connections do.
    thread_each: bool = False

    @property
    def p99_max(self) -> float:
        """Of Consul's p99, that ours must stay below."""
        return 1.0 if self.workload.reads else P99_OF_WRITES_MAX

    @property
    def moods(self) -> tuple[bool, ...]:
        """Whether what it reads is changed meanwhile: reads are measured both ways."""
        return (False, True) if self.workload.reads else (False,)


def _both(ratio: float) -> dict[int, float]:
    return {1: ratio, 3: ratio}


ROWS = (
    Row(
        name="get",
        title="KV GET, default",
        workload=workloads.KeyReads(),
        connections=64,
        goals=_both(2.0),
    ),
    Row(
        name="get-stale",
        title="KV GET, stale",
        workload=workloads.KeyReads("stale"),
        connections=64,
        goals=_both(2.0),
    ),
    Row(
        name="get-consistent",
        title="KV GET, consistent",
        workload=workloads.KeyReads("consistent"),
        connections=64,
        goals=_both(2.0),
    ),
    Row(
        name="get-follower",
        title="KV GET, default, through a follower",
        workload=workloads.KeyReads(),
        connections=64,
        goals={3: 1.0},
        aims={3: 1.5},
        through_follower=True,
    ),
    Row(
        name="health-10",
        title="health of 10 instances",
        workload=workloads.HealthReads(10),
        connections=16,
        goals=_both(8.0),
    ),
    Row(
        name="health-100",
        title="health of 100 instances",
        workload=workloads.HealthReads(100),
        connections=16,
        goals=_both(20.0),
    ),
    Row(
        name="health-1000",
        title="health of 1,000 instances",
        workload=workloads.HealthReads(1000),
        connections=16,
        goals=_both(25.0),
    ),
    Row(
        name="put-64-1",
        title="KV PUT, 64 B",
        workload=workloads.KeyWrites(64),
        connections=1,
        goals={1: 1.6, 3: 2.5},
    ),
    Row(
        name="put-64-64",
        title="KV PUT, 64 B",
        workload=workloads.KeyWrites(64),
        connections=64,
        goals={1: 3.0, 3: 4.0},
    ),
    Row(
        name="put-64-256",
        title="KV PUT, 64 B",
        workload=workloads.KeyWrites(64),
        connections=256,
        goals={1: 4.0, 3: 5.0},
    ),
    Row(
        name="put-1k-64",
        title="KV PUT, 1 KiB",
        workload=workloads.KeyWrites(1024),
        connections=64,
        goals={1: 3.0, 3: 4.0},
    ),
    Row(
        name="lock",
        title="lock, acquire or release",
        workload=workloads.Locks(),
        connections=64,
        goals={1: 2.0, 3: 3.0},
        aims={1: 3.0},
        thread_each=True,
    ),
    Row(
        name="session",
        title="session create",
        workload=workloads.Sessions(),
        connections=64,
        goals={1: 2.0, 3: 3.0},
        aims={1: 3.0},
    ),
    Row(
        name="register",
        title="catalog register",
        workload=workloads.Registrations(),
        connections=64,
        goals={1: 2.0, 3: 3.0},
        aims={1: 3.0},
    ),
)
BY_NAME = {row.name: row for row in ROWS}
GROUPS = {
    "rows": ROWS,
    "reads": tuple(row for row in ROWS if row.workload.reads),
    "writes": tuple(row for row in ROWS if not row.workload.reads),
}


def chosen(words: Iterable[str], others: Iterable[str] = ()) -> tuple[Row, ...]:
    """Rows by name or group, in the table's order. Raises BenchError: there is no such.

    `others` are words that its text names, too.
    """
    wanted: set[str] = set()
    for word in words:
        if word in GROUPS:
            wanted.update(row.name for row in GROUPS[word])
        elif word in BY_NAME:
            wanted.add(word)
        else:
            there = ", ".join([*GROUPS, *BY_NAME, *others])
            raise BenchError(f"there is no workload {word!r}: choose of {there}")
    return tuple(row for row in ROWS if row.name in wanted)
