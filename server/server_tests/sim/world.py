"""A whole cluster, its clients and its misfortunes, from one seed.

A run has two parts. First faults come while clients ask; then all is healed, and the cluster must
come to rest: one leader, the same chain of commands at every member. At the end one order of all
operations must explain what every client saw. Whatever is broken raises `ViolationError`.
"""

import random
from collections import Counter
from dataclasses import dataclass
from zlib import crc32

from proconsul.raft.messages import Configuration, Server, ServerAddress, ServerId, Term
from proconsul.raft.node import Settings
from server_tests.sim.agenda import Agenda
from server_tests.sim.checkers import Watch
from server_tests.sim.clients import KEYS, Client
from server_tests.sim.clock import TRUE_RATES
from server_tests.sim.faults import MOODS, Faults
from server_tests.sim.history import Kind, Operation, Outcome, Verdict, judge
from server_tests.sim.kv import NOTHING
from server_tests.sim.network import Network
from server_tests.sim.servers import SimServer
from server_tests.sim.stage import has_majority
from server_tests.sim.stores import MemoryStore, Store, WalStore
from server_tests.sim.surroundings import Pace, Surroundings

TRACE_LINES_MAX = 4000
CLIENTS = 5
TICK_US = 10_000
WAL_EVERY = 5  # one seed in so many runs on the real log


class ViolationError(AssertionError):
    """The run of a seed broke a promise."""

    def __init__(self, seed: int, why: str, trace: list[str]) -> None:
        super().__init__(seed, why, trace)  # all of them, so that it can go between processes
        self.seed = seed
        self.why = why
        self.trace = trace

    def __str__(self) -> str:
        """Without the trace."""
        return f"seed {self.seed}: {self.why}"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run was."""

    seed: int
    steps: int
    counts: Counter[str]
    digest: int  # of all that happened: the same whenever the seed is run


class World:
    """One run."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.seed = seed
        self.die = die = random.Random(seed)
        self.agenda = Agenda()
        self.counts: Counter[str] = Counter()
        self.lines: list[str] = []
        self.tick_us = TICK_US
        self.is_calm = False
        self._traced = traced
        self.uses_wal = seed % WAL_EVERY == 0
        self.mood = die.choice(("any", *MOODS))
        leases = self.mood == "leases"
        self.has_true_clocks = leases or die.random() < 0.6
        self.settings = settings = self._draw_settings()
        typical_us = die.choice((200, 1_000) if leases else (200, 1_000, 4_000))
        patience_us = TICK_US * (60 if self.mood == "old leaders" else die.choice((3, 10, 30)))
        self.network = Network(self.agenda, die, typical_us, patience_us)
        self.watch = Watch()
        pace = Pace(
            tick_us=TICK_US,
            turn_us=die.choice((2, 300) if leases else (2, 300, 3_000)),
            sync_us=die.choice(
                (1_500, 6_000) if self.uses_wal and not leases else (100, 1_500, 6_000)
            ),
            apply_us=die.choice((1_000, 15_000)),
            snapshot_us=die.choice((1_000, 60_000)),
        )
        self.round_us = 2 * typical_us + pace.turn_us + pace.sync_us
        around = Surroundings(
            agenda=self.agenda,
            network=self.network,
            watch=self.watch,
            die=die,
            settings=settings,
            pace=pace,
            trace=self.trace,
            count=self.count,
            elected=lambda server: self.faults.elected(self.servers[server]),
            lease_holders=self._lease_holders,
        )
        founders, others = die.choice((3, 3, 3, 5, 5, 1, 2, 4)), die.choice((0, 1, 2))
        if self.mood == "restless members":
            founders, others = die.choice((1, 2, 3, 3)), 2
        if self.mood in ("short reigns", "leases"):
            founders, others = die.choice((3, 3, 5)), 0
        self.servers: dict[ServerId, SimServer] = {}
        for number in range(1, founders + others + 1):
            name = f"s{number}"
            server = SimServer(name, f"{name}:8300", self._make_store(), around)
            if self.has_true_clocks:
                server.clock.set_rate(die.choice(TRUE_RATES))
            self.servers[server.id] = server
            self.network.endpoints[server.id] = server
        self._founders = list(self.servers)[:founders]
        self.history: list[Operation] = []
        self.clients = [
            Client(
                number,
                self.servers,
                self.agenda,
                die,
                think_us=4_000 if leases else die.choice((10_000, 40_000)),
                typical_us=typical_us,
                patience_us=TICK_US * die.choice((4, 20)),
                reads_only=number == 0,
                lease_reads=die.choice((0.5, 0.9)) if self.has_true_clocks else 0.0,
                loyalty=0.98 if number % 2 == 0 else die.choice((0.2, 0.95)),
                history=self.history,
            )
            for number in range(CLIENTS)
        ]
        self.faults = Faults(self)

    def _draw_settings(self) -> Settings:
        die = self.die
        brief = self.mood == "short reigns"  # figure 8 of the paper needs small steps
        old, leases = self.mood == "old leaders", self.mood == "leases"
        election_ticks = die.choice((4, 4, 6) if old else (4, 6, 10))
        lease_ticks = 30 if old else die.choice((3, election_ticks, 4 * election_ticks))
        if leases:  # long ones, so that there is time to break them
            election_ticks, lease_ticks = 12, die.choice((6, 9, 12))
        return Settings(
            heartbeat_ticks=die.choice((1, 2)),
            election_ticks=election_ticks,
            lease_ticks=lease_ticks,
            entries_a_message_max=1 if brief else die.choice((1, 3, 64)),
            flights_max=1 if brief else die.choice((1, 4, 128)),
            apply_entries_max=die.choice((2, 1024)),
            apply_ahead_max=die.choice((2, 4096)),
            young_entries_max=die.choice((2, 10, 512)),
            held_entries_max=(0, 2, 128)[self.seed % 3],
            uncommitted_entries_max=die.choice((5, 16_384)),
            probe_pause_ticks_max=8,
        )

    def _make_store(self) -> Store:
        if self.uses_wal:
            return WalStore(self.die, self.die.choice((4096, 8192)))
        return MemoryStore(self.die)

    # ---------------------------------------------------------------- Stage

    def count(self, what: str) -> None:
        """One more of it."""
        self.counts[what] += 1

    def trace(self, line: str) -> None:
        """Note what happened, if anybody wants to read it."""
        if self._traced:
            self.lines.append(f"{self.agenda.now_us:>9} {line}")
            del self.lines[:-TRACE_LINES_MAX]

    def _lease_holders(self) -> list[tuple[Term, ServerId]]:
        if not self.has_true_clocks:
            return []
        reading = [one for one in self.servers.values() if one.may_read_by_lease()]
        return [(one.node.term, one.id) for one in reading]

    def may_lose(self, server: SimServer) -> bool:
        """Whether every majority that any log knows of can do without this server."""
        lost = {one.id for one in self.servers.values() if one.is_lost or one.is_rotten}
        return not lost and self._everybody_has_majority(lost | {server.id})

    def _everybody_has_majority(self, lost: set[ServerId]) -> bool:
        return all(
            has_majority(one.node.configuration, lost)
            for one in self.servers.values()
            if one.is_up and one.node.configuration.servers
        )

    # ---------------------------------------------------------------- the run

    def run(self) -> Result:
        """All of it. Raises ViolationError."""
        try:
            self._run()
        except AssertionError as broken:
            why = str(broken) or "an assertion of the core"
            raise ViolationError(self.seed, why, self.lines) from broken
        return Result(self.seed, self.agenda.steps, self._totals(), self._digest())

    def _run(self) -> None:
        configuration = Configuration(
            tuple(Server(name, ServerAddress(f"{name}:8300")) for name in self._founders)
        )
        for name in self._founders:
            self.servers[name].founding = configuration
        for server in self.servers.values():
            server.start()
        for client in self.clients:
            client.start()
        self.faults.start()
        self.agenda.run_until(TICK_US * self.die.choice((100, 200, 300)))
        self.is_calm = True
        self.faults.heal()
        for client in self.clients:
            client.is_done = True
        self._come_to_rest()
        self._judge_history()

    def _come_to_rest(self) -> None:
        for _ in range(100):
            self.agenda.run_until(self.agenda.now_us + 5 * TICK_US)
            if self._is_at_rest():
                self.count("came to rest")
                self._read_everything()
                return
        lost = {one.id for one in self.servers.values() if one.is_lost}
        if lost and not self._everybody_has_majority(lost):
            self.count("lost its majority")
            return
        standing = ", ".join(
            f"{one.id} {one.node.role.value} of term {one.node.term} at {one.node.last_index}/"
            f"{one.node.commit_index}/{one.kv.index}"
            for one in self.servers.values()
            if one.is_up
        )
        raise AssertionError(f"healed, and it never comes to rest: {standing}")

    def _read_everything(self) -> None:
        """A last client looks at all keys: what was acknowledged must still be there."""
        leader = next(one for one in self.servers.values() if one.is_up and one.node.is_leader)
        now = self.agenda.steps
        for key in KEYS:
            read = Operation(CLIENTS, Kind.GET, key, NOTHING, NOTHING, now, now + 1, Outcome.DONE)
            read.met = leader.kv.get(key)
            self.history.append(read)

    def _is_at_rest(self) -> bool:
        leading = [one for one in self.servers.values() if one.is_up and one.node.is_leader]
        if len(leading) != 1:
            return False
        leader = leading[0]
        members = [self.servers[one.id] for one in leader.node.configuration.servers]
        here = (leader.node.last_index, leader.kv.chain)
        return all((one.kv.index, one.kv.chain) == here for one in members if not one.is_lost)

    def _judge_history(self) -> None:
        judgement = judge(self.history)
        if judgement.verdict is Verdict.TOO_LONG:
            self.count("history too long to judge")
        if judgement.verdict is Verdict.NO:
            lines = [
                f"  client {one.client} {one.kind.value} {one.value} expected {one.expected!r} "
                f"met {one.met!r} {one.outcome.value} {one.invoked}..{one.returned}"
                for one in judgement.operations
            ]
            raise AssertionError(f"not linearizable: key {judgement.key}\n" + "\n".join(lines))

    def _totals(self) -> Counter[str]:
        counts = self.counts
        counts.update(self.network.counts)
        for operation in self.history:
            counts[f"operation {operation.outcome.value}"] += 1
        for server in self.servers.values():
            if isinstance(server.store, WalStore):
                counts["torn write"] += server.store.torn
        counts["seeds on the real log"] += self.uses_wal
        counts["committed"] += self.watch.commit_index
        return counts

    def _digest(self) -> int:
        happened = (
            self.agenda.steps,
            self.agenda.now_us,
            tuple(sorted(self.counts.items())),
            tuple((one.met, one.returned) for one in self.history),
        )
        return crc32(repr(happened).encode())


def run(seed: int) -> Result:
    """Run a seed; run it again with a trace when it breaks something."""
    try:
        return World(seed).run()
    except ViolationError:
        return World(seed, traced=True).run()
