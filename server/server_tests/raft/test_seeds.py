"""Random faults against the paper's promises: a seed replays its run.

Each run ticks, delivers in any order, loses, repeats, syncs by and by, crashes and compacts, with
proposals and reads in between; the harness's Watch looks after every step. Then all is healed,
and what was promised must be there.
"""

import random
from dataclasses import replace

import pytest

from proconsul.raft.effects import RefusedError
from proconsul.raft.membership import AddNonvoter, AddVoter, Change, RemoveServer
from proconsul.raft.messages import EntryKind, Index, ReadId
from proconsul.raft.node import Settings
from server_tests.raft.harness import World, members, peer

STEPS = 1000
SETTINGS = Settings(
    heartbeat_ticks=2,
    election_ticks=5,
    lease_ticks=60,
    entries_a_message_max=3,
    flights_max=3,
    apply_entries_max=4,
    young_entries_max=2,
    probe_pause_ticks_max=4,
)

FAULTS = {
    "tick": 14,
    "deliver": 90,
    "sync": 45,
    "propose": 12,
    "lose": 1,
    "repeat": 1,
    "crash": 0.6,
    "read": 14,
    "compact": 1,
    "member": 1,
    "transfer": 0.3,
    "partition": 0.6,
    "reunite": 0.3,
    "blackout": 0.1,
}


class Run:
    """One seed's run."""

    def __init__(self, seed: int) -> None:
        self.die = random.Random(seed)
        names = [f"s{number}" for number in range(1, 4 if seed % 3 else 6)]
        self.world = World(names, self.die.randrange, SETTINGS)
        self.names = names
        for name in names:
            self.world[name].bootstrap(members(*names))
            self.world.take(name)
            self.world.machines[name].sync()
        self.proposed = 0
        self.reads: dict[tuple[str, int, ReadId], Index] = {}
        self.answered = 0
        self.fired: dict[str, int] = {}
        self.cut_off: set[str] = set()

    def acknowledged(self) -> Index:
        """How far any leader can have told its clients."""
        return max(node.applied_index for node in self.world.nodes)

    def step(self) -> None:
        """Something happens to somebody."""
        what = self.die.choices(list(FAULTS), list(FAULTS.values()))[0]
        name = self.die.choice(self.names)
        leaders = [node.me.id for node in self.world.nodes if node.is_leader]
        if what in ("propose", "read", "member", "transfer") and leaders:
            name = self.die.choice(leaders)
        try:
            getattr(self, f"do_{what}")(name)
        except RefusedError:
            return
        self.fired[what] = self.fired.get(what, 0) + 1
        self.look(name)

    def look(self, name: str) -> None:
        """Take the effects; every read's index must reach what was acknowledged before it."""
        machine = self.world.machines[name]
        self.world.take(name)
        for answer in machine.answers:
            least = self.reads.pop((name, machine.life, answer.read))
            if answer.index is not None:
                assert answer.index >= least, "a read that misses an acknowledged write"
                assert machine.node.applied_index >= answer.index, "read before it is applied"
                self.answered += 1
        machine.answers.clear()

    def do_tick(self, name: str) -> None:
        for _ in range(self.die.randrange(1, 4)):
            self.world[name].tick()

    def do_deliver(self, name: str) -> None:
        for parcel in [one for one in self.world.network if one.target == name]:
            if (parcel.source in self.cut_off) != (name in self.cut_off):
                self.world.lose(parcel)
        mine = [parcel for parcel in self.world.network if parcel.target == name]
        for parcel in mine[: self.die.randrange(1, 6)]:
            self.world.deliver(parcel)
        if mine and self.die.randrange(3) == 0:
            late = [parcel for parcel in self.world.network if parcel.target == name]
            if late:
                self.world.deliver(self.die.choice(late))

    def do_sync(self, name: str) -> None:
        self.world.machines[name].sync(self.die.randrange(1, 4))

    def do_propose(self, name: str) -> None:
        for _ in range(self.die.randrange(1, 5)):
            self.proposed += 1
            self.world[name].propose(EntryKind.COMMAND, b"%d" % self.proposed)

    def do_read(self, name: str) -> None:
        read = self.world[name].read()
        self.reads[name, self.world.machines[name].life, read] = self.acknowledged()

    def do_lose(self, name: str) -> None:
        lost = [one for one in self.world.network if name in (one.source, one.target)]
        for parcel in lost:
            self.world.lose(parcel)

    def do_repeat(self, name: str) -> None:
        for parcel in [one for one in self.world.network if one.target == name and not one.answers]:
            self.world.network.append(replace(parcel, life=0))

    def do_crash(self, name: str) -> None:
        machine = self.world.machines[name]
        self.reads = {
            key: least for key, least in self.reads.items() if key[:2] != (name, machine.life)
        }
        self.world.crash(name)

    def do_blackout(self, name: str) -> None:
        for one in self.names:
            self.do_crash(one)

    def do_partition(self, name: str) -> None:
        self.cut_off = set(self.die.sample(self.names, self.die.randrange(1, len(self.names))))

    def do_reunite(self, name: str) -> None:
        self.cut_off = set()

    def do_compact(self, name: str) -> None:
        machine = self.world.machines[name]
        if machine.node.applied_index > machine.node.snapshot.index and not machine.node.installing:
            machine.compact(self.die.randrange(4))

    def do_member(self, name: str) -> None:
        one = peer(self.die.choice(self.names))
        changes: list[Change] = [
            AddVoter(one.id, one.address),
            AddNonvoter(one.id, one.address),
            RemoveServer(one.id),
        ]
        self.world[name].change(self.die.choice(changes))

    def do_transfer(self, name: str) -> None:
        self.world[name].transfer(None)

    def heal(self) -> None:
        """No more faults: it must come to rest with one leader and one state."""
        for _ in range(40):
            for name in self.names:
                self.world[name].tick()
            self.settle()
        for node in self.world.nodes:
            if node.is_leader:
                node.propose(EntryKind.BARRIER, b"")
        for _ in range(12):
            for name in self.names:
                self.world[name].tick()
            self.settle()

    def settle(self) -> None:
        for name, _ in self.world.settle():
            self.world.machines[name].answers.clear()


@pytest.mark.parametrize("block", range(8))
def test_what_was_promised_holds_under_random_faults(block: int) -> None:
    fired: dict[str, int] = {}
    answered = 0
    for seed in range(block * 5, block * 5 + 5):
        run = Run(seed)
        try:
            for _ in range(STEPS):
                run.step()
            run.heal()
            leaders = [node for node in run.world.nodes if node.is_leader]
            assert leaders, "a healed cluster elects a leader"
            leader = max(leaders, key=lambda node: node.term)
            state = run.world.machines[leader.me.id].state
            for server in leader.configuration.servers:
                assert run.world.machines[server.id].state == state
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}") from broken
        answered += run.answered
        for what, times in run.fired.items():
            fired[what] = fired.get(what, 0) + times
    assert answered, "no read was ever answered: nothing was tested about them"
    assert fired.keys() == FAULTS.keys(), "a fault that never fires tests nothing"
