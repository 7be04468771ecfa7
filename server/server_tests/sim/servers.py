"""One simulated server: a raft node, its store, its state machine, and the driver between them.

The driver does what runtime/raft_driver.py does: it gathers what came in for a turn, takes the
node's effects and does them in their order; writes are grouped, one group at a time, and take
time, as do snapshots, installing, and (at times) applying.
"""

from collections import deque
from collections.abc import Callable, Sequence

from proconsul.errors import DiskFullError
from proconsul.raft.effects import (
    Effects,
    Install,
    Persist,
    RefusedError,
    Role,
    RoleChanged,
    Send,
    WriteNumber,
)
from proconsul.raft.entry import Entry
from proconsul.raft.lease import Lease, duration_s
from proconsul.raft.messages import (
    AppendEntries,
    Configuration,
    EntryKind,
    Index,
    Input,
    InstallSnapshot,
    LeaderGone,
    Peer,
    ReadId,
    Reply,
    RequestVote,
    ServerId,
    SnapshotMeta,
    Term,
    Token,
    VoteReply,
)
from proconsul.raft.node import Node, Stored
from server_tests.sim.clock import Clock
from server_tests.sim.history import Kind, Operation, Outcome
from server_tests.sim.kv import Body, Kv
from server_tests.sim.stores import DeadDiskError, Store, keep_snapshot
from server_tests.sim.surroundings import Surroundings

Answer = Callable[[Outcome, str], None]  # outcome, what was met

FULL_DISK_RETRY_US = 20_000


class SimServer:
    """See the module. `hear` is how the network reaches it."""

    def __init__(self, server_id: str, address: str, store: Store, around: Surroundings) -> None:
        self.id = ServerId(server_id)
        self.address = address
        self.store = store
        self.is_up = False
        self.is_lost = False  # its disk is damaged: it never comes back
        self.is_rotten = False  # damaged, and perhaps nobody has noticed yet
        self.is_paused = False
        self.life = 0
        self.tick_lag = 1.0  # how much later than they should its ticks come
        self.clock = Clock(around.agenda)
        self.sync_factor = 1
        self.applies_slowly = False
        self.fails_install = False
        self.founding: Configuration | None = None  # what it founds if it finds nothing
        self._around = around
        self._retained: Kv | None = None  # the state as the process left it
        self._reset_volatile()

    def _reset_volatile(self) -> None:
        self._inbox: deque[tuple[Input | Callable[[], None], Body | None]] = deque()
        self._turn_due = False
        self._lease = Lease(duration_s(self._around.settings, self._around.pace.tick_us))
        self._waiting: list[Persist] = []
        self._in_flight: list[Persist] = []
        self._to_apply: deque[Sequence[Entry]] = deque()
        self._applying = False
        self._bodies: dict[Token, Body] = {}
        self._candidates: dict[Token, ServerId] = {}
        self._writes: dict[Index, tuple[Term, Answer]] = {}
        self._reads: dict[ReadId, tuple[str, Answer]] = {}
        self._snapshotting = False

    # ---------------------------------------------------------------- life

    def start(self) -> None:
        """Recover from the disk and begin; it may find that it cannot."""
        assert not self.is_up
        around = self._around
        self.life += 1
        self._reset_volatile()
        try:
            (meta, body), entries = self.store.open()
        except DeadDiskError as dead:
            self.is_lost = True
            around.trace(f"{self.id} cannot start: {dead}")
            around.count("disk lost")
            return
        last_index = entries[-1].index if entries else meta.index
        kept, self._retained = self._retained, None
        if kept is not None and meta.index <= kept.index <= last_index:
            self.kv = kept
        else:
            self.kv = Kv(meta.index, body)
        self.node = Node(
            me=Peer(self.id, self.address),  # type: ignore[arg-type]
            settings=around.settings,
            die=around.die.randrange,
            read_log=self.store.read,
            stored=Stored(
                hard_state=self.store.hard_state,
                snapshot=meta,
                entries=entries,
                applied=self.kv.index,
            ),
        )
        self.is_up = True
        self.is_paused = False
        around.trace(f"{self.id} starts at term {self.node.term}, log up to {last_index}")
        around.watch.started(self.node, entries)
        self.node.start()
        if self.founding is not None and not (self.node.last_index or self.node.term):
            self.node.bootstrap(self.founding)  # again, when it was lost before it was durable
        self._schedule_turn()
        self._schedule_tick()

    def stop(self, *, power_lost: bool) -> None:
        """The process is gone: killed, or with the power."""
        assert self.is_up
        self.is_up = False
        self._retained = None if power_lost else self.kv
        self.store.end([*self._in_flight, *self._waiting], power_lost=power_lost)
        self._around.network.gone(self, silently=power_lost)
        self._reset_volatile()

    def pause(self) -> None:
        """Stop thinking; what comes in waits."""
        self.is_paused = True

    def resume(self) -> None:
        """Go on, with all that came in meanwhile."""
        self.is_paused = False
        if self.is_up and self._inbox:
            self._schedule_turn()

    # ---------------------------------------------------------------- what comes in

    def hear(self, message: Input, body: Body | None = None) -> None:
        """Something for the next turn."""
        if self.is_up:
            self._inbox.append((message, body))
            self._schedule_turn()

    def hear_call(self, call: Callable[[], None]) -> None:
        """The same, of our own."""
        if self.is_up:
            self._inbox.append((call, None))
            self._schedule_turn()

    def _later(self, delay_us: int, do: Callable[[], None]) -> None:
        """If the process still lives then."""
        life = self.life

        def happen() -> None:
            if self.is_up and self.life == life:
                do()

        self._around.agenda.after(delay_us, happen)

    def _schedule_tick(self) -> None:
        lasting_us = self._around.pace.tick_us * self.clock.rate * self.tick_lag
        self._later(int(lasting_us), lambda: self.hear_call(self._tick))

    def _tick(self) -> None:
        self._schedule_tick()  # only now: a timer of a paused process fires once
        self.node.tick()

    def _schedule_turn(self) -> None:
        if not self._turn_due and not self.is_paused:
            self._turn_due = True
            self._later(self._around.die.randrange(self._around.pace.turn_us), self._turn)

    # ---------------------------------------------------------------- a turn

    def _turn(self) -> None:
        self._turn_due = False
        if self.is_paused:
            return
        inbox, self._inbox = self._inbox, deque()
        try:
            for message, body in inbox:
                self._step(message, body)
            while effects := self.node.take():
                self._do(effects)
        except DeadDiskError as dead:
            self._around.trace(f"{self.id} ends: {dead}")
            self.stop(power_lost=False)
            return
        self._around.watch.look(self.node)

    def _step(self, message: Input | Callable[[], None], body: Body | None) -> None:
        if callable(message):
            message()
            return
        if isinstance(message, RequestVote):
            self._candidates[message.token] = message.candidate.id
        elif isinstance(message, InstallSnapshot) and body is not None:
            self._bodies[message.token] = body
        elif isinstance(message, LeaderGone):
            self._around.count("told that the leader is gone")
        self.node.step(message)
        if not isinstance(message, (AppendEntries, InstallSnapshot)):
            self._renew_lease()

    def _renew_lease(self) -> None:
        self._lease.confirmed(self.node.confirmed_round)

    def _do(self, effects: Effects) -> None:
        around = self._around
        if effects.persist is not None:
            around.watch.appended(self.node, effects.persist.entries)
            self._waiting.append(effects.persist)
            if not self._in_flight:
                self._begin_sync()
        self._lease.asked(self.node.round, self.clock.now_us())
        for send in effects.send:
            self._send(send)
        for reply in effects.replies:
            self._reply(reply)
        if effects.install is not None:
            self._begin_install(effects.install)
        if effects.apply:
            self._to_apply.append(effects.apply)
            self._apply_waiting()
        for answer in effects.reads:
            key, tell = self._reads.pop(answer.read)
            tell(Outcome.REFUSED if answer.index is None else Outcome.DONE, self.kv.get(key))
        for event in effects.events:
            around.trace(f"{self.id}: {event}")
            if isinstance(event, RoleChanged):
                self._role_changed(event)

    def _send(self, send: Send) -> None:
        around = self._around
        request = send.request
        body = None
        if isinstance(request, RequestVote):
            around.watch.voted(self.id, request.term, self.id)
        elif isinstance(request, InstallSnapshot):
            around.count("snapshot sent")
            body = self._body_of(request.snapshot)
        around.network.ask(self, send.to.id, request, body)

    def _reply(self, reply: Reply) -> None:
        around = self._around
        if isinstance(reply, VoteReply):
            candidate = self._candidates.pop(reply.token, None)
            if reply.granted and candidate is not None:
                around.watch.voted(self.id, reply.term, candidate)
        around.network.answer(reply)

    def _role_changed(self, event: RoleChanged) -> None:
        self._lease.end()
        if event.role is Role.LEADER:
            self._around.count("elected")
            self._around.watch.elected(self.node, event.term)
            self._around.watch.sole(self.node, event.term, self._around.lease_holders())
            # In a while, for the turn is not over.
            self._around.agenda.after(0, lambda: self._around.elected(self.id))
            return
        writes, self._writes = self._writes, {}
        for _, tell in writes.values():
            tell(Outcome.UNKNOWN, "")

    def _body_of(self, snapshot: SnapshotMeta) -> Body:
        for meta, body in self.store.snapshots:
            if meta.index == snapshot.index:
                assert meta == snapshot, "one snapshot an index"
                return body
        raise AssertionError(f"{self.id} has no snapshot of {snapshot.index}")

    # ---------------------------------------------------------------- the disk

    def _begin_sync(self) -> None:
        self._in_flight, self._waiting = self._waiting, []
        die, pace = self._around.die, self._around.pace
        delay_us = int(pace.sync_us * self.sync_factor * (0.5 + die.random()))
        self._later(delay_us, self._end_sync)

    def _end_sync(self) -> None:
        try:
            self.store.write(self._in_flight)
        except DiskFullError:
            self._around.count("write found no room")
            self._later(FULL_DISK_RETRY_US, self._end_sync)
            return
        except DeadDiskError as dead:
            self._around.count("sync failed")
            self._around.trace(f"{self.id} ends: {dead}")
            self._in_flight, self._waiting = [], []
            self.stop(power_lost=False)
            return
        number = self._in_flight[-1].number
        self._in_flight = []
        self.hear_call(lambda: self._persisted(number))
        if self._waiting:
            self._begin_sync()

    def _persisted(self, number: WriteNumber) -> None:
        self.node.persisted(number)

    # ---------------------------------------------------------------- the state

    def _apply_waiting(self) -> None:
        if self._applying or not self._to_apply:
            return
        pace = self._around.pace
        if pace.apply_us and self.applies_slowly:
            self._applying = True
            self._later(pace.apply_us, lambda: self.hear_call(self._apply_slowly))
            return
        while self._to_apply:
            self._apply_batch()

    def _apply_slowly(self) -> None:
        self._applying = False
        if self._to_apply:
            self._apply_batch()
        self._apply_waiting()

    def _apply_batch(self) -> None:
        watch = self._around.watch
        batch = self._to_apply.popleft()
        for entry in batch:
            met = self.kv.apply(entry)
            watch.applied(self.id, entry, self.kv.chain)
            waiting = self._writes.pop(entry.index, None)
            if waiting is not None:
                term, tell = waiting
                tell(Outcome.DONE if term == entry.term else Outcome.UNKNOWN, met)
        self.node.applied(batch[-1].index)

    def _begin_install(self, install: Install) -> None:
        assert not self._to_apply or self._applying, "nothing is applied meanwhile"
        body = self._bodies.pop(install.token)
        delay_us = self._around.die.randrange(1, self._around.pace.snapshot_us)
        self._later(delay_us, lambda: self.hear_call(lambda: self._end_install(install, body)))

    def _end_install(self, install: Install, body: Body) -> None:
        around = self._around
        if self.fails_install:
            self.fails_install = False
            around.count("install failed")
            self.node.install_failed(install)
            return
        around.count("snapshot installed")
        keep_snapshot(self.store, (install.snapshot, body))
        self._to_apply.clear()
        self.kv = Kv(install.snapshot.index, body)
        around.watch.installed(install.snapshot, self.kv.chain)
        self.node.installed(install)

    def take_snapshot(self, keep: int) -> bool:
        """Begin a snapshot of what is applied; afterwards the log keeps so many entries of it."""
        node = self.node
        index = node.applied_index
        if self._snapshotting or node.installing is not None or index <= node.snapshot.index:
            return False
        if self.kv.index != index:
            return False
        self._snapshotting = True
        meta, body = node.snapshot_meta(index), self.kv.body()

        def finish() -> None:
            self._snapshotting = False
            if meta.index <= node.snapshot.index:
                return  # one that was received is newer
            keep_snapshot(self.store, (meta, body))
            keep_from = Index(max(1, meta.index + 1 - keep))
            node.compacted(meta, keep_from)
            self.store.compact(meta, keep_from)

        delay_us = self._around.die.randrange(1, self._around.pace.snapshot_us)
        self._later(delay_us, lambda: self.hear_call(finish))
        return True

    # ---------------------------------------------------------------- clients

    def serve(self, operation: Operation, tell: Answer) -> None:
        """A client's operation."""
        try:
            if operation.in_default_mode and self.node.is_leader:
                may = self.may_read_by_lease()
                self._around.count("read by lease" if may else "read without a lease")
                if may:
                    tell(Outcome.DONE, self.kv.get(operation.key))
                    return
            if operation.kind is Kind.GET:
                self._reads[self.node.read()] = (operation.key, tell)
                return
            text = f"{operation.kind.value} {operation.key} "
            if operation.kind is Kind.CAS:
                text += f"{operation.expected} "
            index = self.node.propose(EntryKind.COMMAND, (text + operation.value).encode())
        except RefusedError:
            tell(Outcome.REFUSED, "")
        else:
            self._writes[index] = (self.node.term, tell)

    def may_read_by_lease(self) -> bool:
        """Whether it would answer a read in the default mode without asking the others."""
        if not (self.is_up and self.node.may_hold_a_lease):
            return False
        return self.node.is_only_voter or self._lease.holds(self.clock.now_us())

    def ask(self, do: Callable[[Node], object]) -> bool:
        """Have the node do something; False if it refuses."""
        try:
            do(self.node)
        except RefusedError:
            return False
        self._schedule_turn()
        return True
