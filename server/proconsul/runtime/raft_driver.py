"""Owns the raft node: gathers what happens in one turn of the loop, does the effects in order.

Proposals of one turn become one write. Everything here runs on the event loop but the log's
writer (runtime/log_writer.py) and the writing of snapshots.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proconsul.errors import DiskFullError, NoLeaderError, RpcError
from proconsul.fsm import chunking
from proconsul.fsm.apply import FsmError
from proconsul.raft.effects import (
    ConfigurationChanged,
    Effects,
    LeaderChanged,
    RefusedError,
    Role,
    RoleChanged,
    WriteNumber,
)
from proconsul.raft.messages import (
    Configuration,
    Entry,
    EntryKind,
    Index,
    Peer,
    ReadId,
    Server,
    SnapshotMeta,
)
from proconsul.raft.node import Node, Settings, Stored
from proconsul.runtime.lmdb_engine import StateFullError
from proconsul.runtime.log_writer import LogWriter, entry_of, raft_hard_state
from proconsul.runtime.state_machine import BATCH_LENGTH_MAX, ReplicatedState
from proconsul.runtime.wal_files import WalFiles

TICK_S = 0.1
APPLY_RETRY_S = 0.25
QUIET_POLL_S = 0.002


class LeadershipLostError(RpcError):
    """The write may or may not have been committed: its leader lost its place meanwhile."""

    def __init__(self) -> None:
        super().__init__("leadership lost while committing log")


class WriteWaitsError(RpcError):
    """The disk became full under a write that was in the log's queue already."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"no space left for the log under {path}: the write is not acknowledged; it waits in "
            "line and may still be applied when there is room"
        )


@dataclass(slots=True)
class _Proposal:
    """A write that waits for its result."""

    index: Index
    term: int
    done: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom the driver tells, on the loop."""

    leadership: Callable[[bool], None]  # won or lost
    events: Callable[[list[object]], None]  # of the store, after each commit
    log: Callable[[str, str], None]  # level, line
    fatal: Callable[[BaseException], None]  # the process must end


class RaftDriver:
    """One raft node in its world."""

    def __init__(
        self,
        me: Peer,
        settings: Settings,
        wal: WalFiles,
        log_path: str,
        replicated: ReplicatedState,
        snapshot: SnapshotMeta,
        hooks: Hooks,
    ) -> None:
        """`log_path` names the log's folder in messages; `snapshot` is what the state began with."""
        self._loop = asyncio.get_running_loop()
        self._wal = wal
        self._replicated = replicated
        self._hooks = hooks
        self._proposals: deque[_Proposal] = deque()
        self._reads: dict[ReadId, asyncio.Future[None]] = {}
        self._unapplied: deque[Entry] = deque()
        self._apply_blocked = False
        self._turn_scheduled = False
        self._turning = False
        self._log_full = False
        self._log_path = log_path
        self._stopped = False
        self.me = me
        self.writer = LogWriter(wal, self._loop, self._persisted, self._disk_full, hooks.fatal)
        first = max(wal.first_index, 1)
        self.node = Node(
            me=me,
            settings=settings,
            die=random.Random().randrange,
            read_log=self._read_log,
            stored=Stored(
                hard_state=raft_hard_state(wal.hard_state),
                snapshot=snapshot,
                entries=self._stored_entries(first),
                applied=Index(replicated.applied_index),
            ),
        )

    # ---------------------------------------------------------------- life

    def start(self) -> None:
        """Begin: a single voter stands for election at once."""
        self.writer.start()
        self.node.start()
        self._tick_timer = self._loop.call_later(TICK_S, self._tick)
        self._turn()

    def bootstrap(self, configuration: Configuration) -> None:
        """Found a cluster in an empty log. Raises RefusedError in any other."""
        self.node.bootstrap(configuration)
        self._schedule()

    def stop(self) -> None:
        """Write what is queued, then end; open proposals fail."""
        self._stopped = True
        self._tick_timer.cancel()
        self.writer.stop()
        self._fail_proposals(LeadershipLostError())

    def _tick(self) -> None:
        if self._stopped:
            return
        self._tick_timer = self._loop.call_later(TICK_S, self._tick)
        self.node.tick()
        self._schedule()

    # ---------------------------------------------------------------- asking

    async def propose(self, data: bytes) -> Any:
        """Commit and apply one command: the FSM's value.

        Raises RpcError with the FSM's words if it refused; NoLeaderError, DiskFullError: nothing
        was taken; LeadershipLostError: unknown.
        """
        if chunking.needs_cutting(data):
            value = await self._propose_chunks(data)
        else:
            value = await self._append(EntryKind.COMMAND, data, b"")
        if isinstance(value, FsmError):
            raise RpcError(value.text)
        return value

    async def _propose_chunks(self, data: bytes) -> Any:
        pieces = chunking.cut(data, random.getrandbits(63))
        waiting = [
            self._append(EntryKind.COMMAND, piece.data, piece.extensions) for piece in pieces
        ]
        value = None
        for one in waiting:
            value = await one
        return value

    async def barrier(self) -> None:
        """All that is committed now is applied when this returns."""
        await self._append(EntryKind.BARRIER, b"", b"")

    def _append(self, kind: EntryKind, data: bytes, extensions: bytes) -> asyncio.Future[Any]:
        if self._log_full:
            raise DiskFullError(self._log_path)
        if self._stopped:
            raise NoLeaderError
        try:
            index = self.node.propose(kind, data, extensions)
        except RefusedError as refused:
            if self.node.is_leader:
                raise RpcError(str(refused)) from refused
            raise NoLeaderError from refused
        done: asyncio.Future[Any] = self._loop.create_future()
        self._proposals.append(_Proposal(index, self.node.term, done))
        self._schedule()
        return done

    async def confirm_leadership(self) -> None:
        """A majority says that this node leads, and what it committed before is applied."""
        try:
            read = self.node.read()
        except RefusedError as refused:
            raise NoLeaderError from refused
        done: asyncio.Future[None] = self._loop.create_future()
        self._reads[read] = done
        if self._turning:
            self._schedule()
        else:
            self._turn()
        await done

    async def quiet(self) -> None:
        """Everything that was proposed is applied; the caller keeps new proposals away."""
        while self._unapplied or self.node.applied_index < self.node.last_index:
            await asyncio.sleep(QUIET_POLL_S)

    def wake(self) -> None:
        """The node was told something by somebody else."""
        self._schedule()

    def compact(self, snapshot: SnapshotMeta, keep_from: Index) -> None:
        """The snapshot is durable: the log gives up what is in front of `keep_from`."""
        self.node.compacted(snapshot, keep_from)
        self.writer.then(lambda: self._wal.compact(keep_from - 1, snapshot.index, snapshot.term))

    # ---------------------------------------------------------------- turning

    def _schedule(self) -> None:
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_scheduled = False
        if self._stopped:
            return
        self._turning = True
        try:
            while effects := self.node.take():
                self._do(effects)
        except BaseException as failure:
            self._hooks.fatal(failure)
            raise
        finally:
            self._turning = False

    def _do(self, effects: Effects) -> None:
        if effects.persist is not None:
            self.writer.write(effects.persist)
        # Sends, replies and installs come with the other servers (raft transport).
        assert not effects.send, "a single voter has nobody to write to"
        if effects.apply:
            self._unapplied.extend(effects.apply)
            self._apply()
        for answer in effects.reads:
            done = self._reads.pop(answer.read, None)
            if done is None or done.done():
                continue
            if answer.index is None:
                done.set_exception(NoLeaderError())
            else:
                done.set_result(None)
        for event in effects.events:
            self._event(event)

    def _event(self, event: object) -> None:
        match event:
            case RoleChanged(role=role, term=term, why=why):
                self._hooks.log("INFO", f"entering {role.value} state: term={term} ({why})")
                if role is not Role.LEADER:
                    self._fail_proposals(LeadershipLostError())
                self._hooks.leadership(role is Role.LEADER)
            case LeaderChanged(leader=leader):
                name = leader.id if leader else "nobody"
                self._hooks.log("INFO", f"new leader elected: {name}")
            case ConfigurationChanged(index=index):
                self._hooks.log("INFO", f"updating configuration: index={index}")
            case _:
                self._hooks.log("DEBUG", str(event))

    def _persisted(self, number: WriteNumber) -> None:
        if self._stopped:
            return
        self.node.persisted(number)
        self._turn()

    def _disk_full(self, full: bool) -> None:
        self._log_full = full
        if full:
            self._fail_waiting_writes()
        line = (
            f"no space left for the log under {self._log_path}: writes are refused until there is"
            if full
            else "there is room for the log again: writes go on"
        )
        self._hooks.log("ERROR" if full else "INFO", line)

    def _fail_waiting_writes(self) -> None:
        """Tell the clients; the entries stay in line, for nothing may be taken out of the log."""
        for proposal in self._proposals:
            if not proposal.done.done():
                proposal.done.set_exception(WriteWaitsError(self._log_path))

    # ---------------------------------------------------------------- applying

    def _apply(self) -> None:
        if self._apply_blocked:
            return
        while self._unapplied:
            batch = [
                self._unapplied[at] for at in range(min(len(self._unapplied), BATCH_LENGTH_MAX))
            ]
            try:
                applied = self._replicated.apply(batch)
            except StateFullError as full:
                self._apply_blocked = True
                self._hooks.log("ERROR", f"cannot apply what is committed, will retry: {full}")
                self._loop.call_later(APPLY_RETRY_S, self._retry_apply)
                return
            for _ in batch:
                self._unapplied.popleft()
            self.node.applied(batch[-1].index)
            self._answer(applied.results)
            if applied.events:
                self._hooks.events(applied.events)

    def _retry_apply(self) -> None:
        self._apply_blocked = False
        if self._stopped:
            return
        self._apply()
        self._schedule()

    def _answer(self, results: list[tuple[int, int, Any]]) -> None:
        for index, term, value in results:
            while self._proposals and self._proposals[0].index <= index:
                proposal = self._proposals.popleft()
                if proposal.done.done():
                    continue
                if proposal.index == index and proposal.term == term:
                    proposal.done.set_result(value)
                else:
                    proposal.done.set_exception(LeadershipLostError())

    def _fail_proposals(self, failure: Exception) -> None:
        proposals, self._proposals = self._proposals, deque()
        for proposal in proposals:
            if not proposal.done.done():
                proposal.done.set_exception(failure)
        reads, self._reads = self._reads, {}
        for done in reads.values():
            if not done.done():
                done.set_exception(NoLeaderError())

    # ---------------------------------------------------------------- the log, read

    def _read_log(self, first: Index, last: Index, bytes_max: int) -> list[Entry]:
        return [entry_of(record) for record in self._wal.read(first, last, bytes_max)]

    def _stored_entries(self, first: int) -> list[Entry]:
        entries: list[Entry] = []
        at = first
        while at <= self._wal.last_index:
            records = self._wal.read(at, self._wal.last_index, 64 << 20)
            entries.extend(entry_of(record) for record in records)
            at = records[-1].index + 1
        return entries

    # ---------------------------------------------------------------- what others want to know

    def servers(self) -> tuple[Server, ...]:
        """The members of the latest configuration."""
        return self.node.configuration.servers
