"""Servers, their disks and a network as values: the driver's part, played step by step.

Nothing happens by itself. A disk keeps what was synced and forgets the rest in a crash; the
network keeps every request and reply until it is delivered, dropped or reported as lost.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from proconsul.raft.effects import Effects, Event, Persist, ReadAnswer
from proconsul.raft.entry import Entry
from proconsul.raft.invariants import Watch
from proconsul.raft.messages import (
    AppendEntries,
    Configuration,
    EntryKind,
    HardState,
    Index,
    InstallSnapshot,
    Lost,
    Peer,
    PreVote,
    Reply,
    Request,
    RequestVote,
    Server,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    TimeoutNow,
    Token,
)
from proconsul.raft.node import Node, Settings, Stored

# Nobody waits for entries here: who is in front has tests of its own (test_front.py).
SETTINGS = Settings(
    heartbeat_ticks=2, election_ticks=10, lease_ticks=6, young_entries_max=4, held_entries_max=0
)

NO_TOKEN = Token(0)

State = tuple[bytes, ...]


def peer(name: str) -> Peer:
    """The server of a name."""
    return Peer(ServerId(name), ServerAddress(f"{name}:8300"))


def members(*names: str) -> Configuration:
    """All of them as voters."""
    return Configuration(tuple(Server(peer(name).id, peer(name).address) for name in names))


@dataclass
class Disk:
    """What outlives a crash, and what is still on its way there."""

    hard_state: HardState = field(default_factory=HardState)
    snapshot: SnapshotMeta = field(default_factory=SnapshotMeta)
    body: State = ()
    entries: list[Entry] = field(default_factory=list)
    waiting: deque[Persist] = field(default_factory=deque)

    def sync(self, writes_max: int) -> Persist | None:
        """Write so much of what waits; the last write of it."""
        last = None
        while self.waiting and writes_max:
            writes_max -= 1
            last = self.waiting.popleft()
            if last.hard_state is not None:
                self.hard_state = last.hard_state
            if last.reset_to is not None:
                self.entries.clear()
            cut = last.truncate_from
            if cut is not None:
                self.entries = [entry for entry in self.entries if entry.index < cut]
            self.entries += last.entries
        return last

    def read(self, first: Index, last: Index, bytes_max: int) -> Sequence[Entry]:
        """Two entries at most, so that reading in pieces is tried."""
        found = [entry for entry in self.entries if first <= entry.index <= last]
        assert found[0].index == first, "read what is stable"
        return found[:2]


class Machine:
    """One server: a node, its disk, and the state that its log makes."""

    def __init__(
        self, name: str, die: Callable[[int], int], watch: Watch, settings: Settings
    ) -> None:
        self.name = name
        self._settings = settings
        self.disk = Disk()
        self.state: State = ()
        self.answers: list[ReadAnswer] = []
        self.events: list[Event] = []
        self.life = 1
        self._die = die
        self._watch = watch
        self.node = self._boot()

    def _boot(self) -> Node:
        disk = self.disk
        self.state = disk.body
        self._watch.restarted(ServerId(self.name), disk.snapshot.index)
        stored = Stored(
            hard_state=disk.hard_state,
            snapshot=disk.snapshot,
            entries=list(disk.entries),
            applied=disk.snapshot.index,
        )
        node = Node(peer(self.name), self._settings, self._die, disk.read, stored)
        node.start()
        return node

    def crash(self) -> None:
        """Lose what was not synced, and start again."""
        self.disk.waiting.clear()
        self.life += 1
        self.node = self._boot()

    def sync(self, writes_max: int = 1000) -> bool:
        """Have the disk do what waits, or some of it; whether anything did."""
        last = self.disk.sync(writes_max)
        if last is not None:
            self.node.persisted(last.number)
        return last is not None

    def apply(self, effects: Effects) -> None:
        """Do what an Effects says about the state."""
        self.answers += effects.reads
        self.events += effects.events
        for entry in effects.apply:
            if entry.kind is EntryKind.COMMAND:
                self.state += (entry.data,)
        if effects.apply:
            self._watch.applied(ServerId(self.name), effects.apply)
            self.node.applied(effects.apply[-1].index)

    def install(self, effects: Effects, body: State) -> None:
        """Put a received snapshot in place."""
        assert effects.install is not None
        self.disk.snapshot = effects.install.snapshot
        self.disk.body = self.state = body
        self._watch.restarted(ServerId(self.name), effects.install.snapshot.index)
        self.node.installed(effects.install)

    def compact(self, keep: int) -> None:
        """Take a snapshot of the state, and keep so many entries in front of it."""
        meta = self.node.snapshot_meta(self.node.applied_index)
        keep_from = Index(max(1, meta.index + 1 - keep))
        self.disk.snapshot, self.disk.body = meta, self.state
        self.disk.entries = [one for one in self.disk.entries if one.index >= keep_from]
        self.node.compacted(meta, keep_from)


@dataclass(frozen=True)
class Parcel:
    """Something on its way. `body` is the state that travels with an InstallSnapshot."""

    source: str
    target: str
    message: Request | Reply
    answers: Token = NO_TOKEN  # of a reply: the token that the one who asked knows
    life: int = 0  # of the one who asked: after a crash nobody waits for the reply
    body: State = ()


class World:
    """Some servers and the network between them."""

    def __init__(
        self, names: Sequence[str], die: Callable[[int], int], settings: Settings = SETTINGS
    ) -> None:
        self.watch = Watch()
        self.machines = {name: Machine(name, die, self.watch, settings) for name in names}
        self.network: list[Parcel] = []
        self._questions: dict[Token, Parcel] = {}  # by the token that the receiver was given
        self._last_token = 0

    def __getitem__(self, name: str) -> Node:
        return self.machines[name].node

    @property
    def nodes(self) -> list[Node]:
        """All of them."""
        return [machine.node for machine in self.machines.values()]

    def take(self, name: str) -> Effects:
        """Take a node's effects: writes wait for `sync`, messages for `deliver`."""
        machine = self.machines[name]
        effects = machine.node.take()
        if effects.persist is not None:
            machine.disk.waiting.append(effects.persist)
        for send in effects.send:
            body = machine.disk.body if isinstance(send.request, InstallSnapshot) else ()
            parcel = Parcel(name, send.to.id, send.request, life=machine.life, body=body)
            self.network.append(parcel)
        for reply in effects.replies:
            question = self._questions.pop(reply.token, None)
            if question is not None:
                token, life = question.message.token, question.life
                self.network.append(Parcel(name, question.source, reply, token, life))
        if effects.install is not None:
            machine.install(effects, self._questions[effects.install.token].body)
        machine.apply(effects)
        self.watch.look(self.nodes)
        return effects

    def deliver(self, parcel: Parcel) -> None:
        """One of the network's parcels arrives."""
        self.network.remove(parcel)
        self._last_token += 1
        message = parcel.message
        machine = self.machines[parcel.target]
        match message:
            case AppendEntries() | RequestVote() | PreVote() | InstallSnapshot() | TimeoutNow():
                token = Token(self._last_token)
                self._questions[token] = parcel
                machine.node.step(msgspec.structs.replace(message, token=token))
            case _:
                if machine.life == parcel.life:
                    machine.node.step(msgspec.structs.replace(message, token=parcel.answers))
        self.watch.look(self.nodes)

    def serve(self, name: str) -> None:
        """A server takes what is on its way to it, and answers once that is on its disk."""
        for parcel in [one for one in self.network if one.target == name]:
            self.deliver(parcel)
        self.take(name)
        self.machines[name].sync()
        self.take(name)

    def restore(self, name: str, beyond: int = 0) -> None:
        """A leader's state becomes a user's snapshot, which nobody else has."""
        machine = self.machines[name]
        meta = self[name].begin_restore(Index(beyond))
        machine.disk.snapshot = meta
        machine.disk.body = machine.state = (b"restored",)
        self.watch.restarted(peer(name).id, meta.index)
        self[name].end_restore(meta)

    def lose(self, parcel: Parcel) -> None:
        """A parcel is gone, and the one who asked hears that no reply will come."""
        self.network.remove(parcel)
        if parcel.answers:
            self._tell_lost(parcel.target, parcel.life, parcel.answers)
        else:
            self._tell_lost(parcel.source, parcel.life, parcel.message.token)

    def _tell_lost(self, asker: str, life: int, token: Token) -> None:
        if self.machines[asker].life == life:
            self.machines[asker].node.step(Lost(token=token))

    def crash(self, name: str) -> None:
        """A server dies and starts again; whoever waits for its reply hears that none comes."""
        self.machines[name].crash()
        for token, asked in list(self._questions.items()):
            if asked.target == name:
                del self._questions[token]
                self._tell_lost(asked.source, asked.life, asked.message.token)

    def settle(self) -> Iterator[tuple[str, Effects]]:
        """Let everything that is under way happen, and say what did."""
        for _ in range(1000):
            busy = False
            for name, machine in self.machines.items():
                effects = self.take(name)
                if effects:
                    busy = True
                    yield name, effects
                busy |= machine.sync()
            for parcel in list(self.network):
                busy = True
                self.deliver(parcel)
            if not busy:
                return
        raise AssertionError("it never gets quiet")

    def run(self) -> None:
        """Settle without looking."""
        for _ in self.settle():
            pass

    def elect(self, name: str) -> None:
        """Let time pass at everybody, and at this one first, until it leads."""
        for other in self.machines.values():
            if other.name != name:
                for _ in range(SETTINGS.election_ticks):
                    other.node.tick()
        for _ in range(8 * SETTINGS.election_ticks):
            if self[name].is_leader:
                return
            self[name].tick()
            self.run()
        raise AssertionError(f"{name} was not elected")


def middle(sides: int) -> int:
    """A die that always gives the middle: timeouts are 15 ticks."""
    return sides // 2


def started(*names: str, settings: Settings = SETTINGS) -> World:
    """A cluster of these that was just bootstrapped: nobody leads, unless one is alone."""
    world = World(names, middle, settings)
    for node in world.nodes:
        node.bootstrap(members(*names))
    world.run()
    return world
