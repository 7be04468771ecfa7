"""Owns the raft node: gathers what happens in one turn of the loop, does the effects in order.

Proposals and messages of one turn become one write. Everything here runs on the event loop but
the log's writer (runtime/log_writer.py) and the writing of snapshots. After a failure that the
process may not survive (`Hooks.fatal`) nothing is taken, written or applied any more.
"""

import asyncio
import random
import time
from collections.abc import Awaitable
from functools import partial
from typing import Any

from proconsul.errors import DiskFullError, NoLeaderError, ProconsulError, RpcError
from proconsul.fsm.commands import CommandError
from proconsul.raft.effects import (
    AbandonedSnapshotError,
    ConfigurationChanged,
    Effects,
    Install,
    LeaderChanged,
    RefusedError,
    Role,
    RoleChanged,
    Send,
    TransferEnded,
    WriteNumber,
)
from proconsul.raft.lease import Lease, duration_s
from proconsul.raft.membership import Change
from proconsul.raft.messages import (
    AppendEntries,
    Configuration,
    EntryKind,
    Index,
    Input,
    InstallReply,
    InstallSnapshot,
    Peer,
    Reply,
    Server,
    ServerId,
    SnapshotMeta,
)
from proconsul.raft.node import Node, Settings, Stored
from proconsul.runtime.applying import Applying, StateWaitsError
from proconsul.runtime.clock import lasting_s
from proconsul.runtime.giving_way import give_way
from proconsul.runtime.log_entries import raft_hard_state, read_entries, stored_entries
from proconsul.runtime.log_thread import Compaction, Hearers
from proconsul.runtime.log_writer import LogWriter
from proconsul.runtime.logs import logger
from proconsul.runtime.pending import (
    LeadershipLostError,
    PendingReads,
    PendingTransfers,
    PendingWrites,
    Waiter,
    WriteWaitsError,
    wait_until_restored,
)
from proconsul.runtime.proposals import Proposals
from proconsul.runtime.raft_ports import Carrier, Hooks, Installer, LogSink
from proconsul.runtime.state_machine import ReplicatedState
from proconsul.runtime.wal_files import WalFiles

# Fine enough that servers which lose their leader together seldom stand in the same tick.
TICK_S = 0.02

log = logger("raft")


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
        """`log_path` is for messages; `snapshot` is what the state began with."""
        self._loop, self._hooks = asyncio.get_running_loop(), hooks
        self._writes, self._reads = PendingWrites(), PendingReads()
        self._applying = Applying(replicated, self._schedule)
        self._turn_scheduled = self._turning = self._log_full = False
        self._log_path = log_path
        self._stopped = self._is_installing = False
        self._tick_timer: asyncio.TimerHandle | None = None
        self._carrier: Carrier | None = None
        self._installer: Installer | None = None
        self.lease = Lease(duration_s(settings, TICK_S))
        self._contact_s: float | None = None  # when the leader was heard last
        self._transfers = PendingTransfers()
        self.me = me
        self.writer: LogSink = LogWriter(
            wal,
            self._loop,
            Hearers(self._persisted, self._disk_full, self.fail),
            lambda: self.node.is_only_voter,
        )
        self.node = Node(
            me=me,
            settings=settings,
            die=random.Random().randrange,
            read_log=partial(read_entries, wal),
            stored=Stored(
                hard_state=raft_hard_state(wal.hard_state),
                snapshot=snapshot,
                entries=stored_entries(wal),
                applied=Index(replicated.applied_index),
            ),
        )
        self._proposals = Proposals(self.node, self._writes, self._refuse_when_full, self._schedule)

    # ---------------------------------------------------------------- life

    def connect(self, carrier: Carrier, installer: Installer) -> None:
        """Say who carries messages and who installs snapshots, before `start`."""
        self._carrier = carrier
        self._installer = installer

    def start(self) -> None:
        """Begin: a single voter stands for election at once."""
        members = self.node.configuration.servers
        if members and self.me.id not in {server.id for server in members}:
            log.error(
                "this server cannot lead: its ID %s is none of the cluster's (%s); was its "
                "node-id file lost?",
                self.me.id,
                ", ".join(server.id for server in members),
            )
        self.writer.start()
        self.node.start()
        self._tick_timer = self._loop.call_later(TICK_S, self._tick)
        self._turn()

    def bootstrap(self, configuration: Configuration) -> None:
        """Found a cluster in an empty log, and stand. Raises RefusedError in any other."""
        self.node.bootstrap(configuration, stand=True)
        self._schedule()

    def stop(self) -> None:
        """Write what is queued, then end; what is not answered by then fails.

        Blocks, so call it in another thread than the loop's, which must go on meanwhile.
        """
        self._loop.call_soon_threadsafe(self._take_the_last)
        self.writer.stop()
        # Behind what the writer has told the loop: what became durable is still answered.
        self._loop.call_soon_threadsafe(self._end)

    def _take_the_last(self) -> None:
        self._proposals.release()
        self._turn()

    def fail(self, failure: BaseException) -> None:
        """Something happened after which this server must not go on: end, and say so."""
        if self._stopped:
            return
        if not isinstance(failure, (ProconsulError, CommandError, AbandonedSnapshotError)):
            log.error("an error in the server itself", exc_info=failure)
        self._end()
        self._hooks.fatal(failure)

    def _end(self) -> None:
        self._stopped = True
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        self._proposals.are_taken.set()
        self._proposals.release()
        self._applying.forget_foreseen()  # on this thread, whose lock on the state it holds
        self._writes.fail(LeadershipLostError)
        self._reads.fail()
        self._transfers.ended(TransferEnded(False, "the server ends"))

    def _tick(self) -> None:
        if self._stopped:
            return
        self._tick_timer = self._loop.call_later(TICK_S, self._tick)
        self._proposals.ticked()
        self.node.tick()
        self._schedule()

    # ---------------------------------------------------------------- asking

    def propose(self, data: bytes) -> Awaitable[Any]:
        """Commit and apply one command: the FSM's value.

        Raises RpcError with the FSM's words if it refused; NoLeaderError, DiskFullError,
        StateWaitsError, at once or not: nothing was taken; LeadershipLostError, WriteWaitsError:
        unknown.
        """
        return self._proposals.propose(data)

    def offer(self, data: bytes, waiter: Waiter) -> bool:
        """`propose`, for who waits in another way; False: not now (runtime/proposals.py)."""
        return self._proposals.offer(data, waiter)

    async def barrier(self) -> None:
        """All that is committed now is applied when this returns."""
        await wait_until_restored(self._proposals.are_taken)
        await self._proposals.append(EntryKind.BARRIER, b"", b"")

    async def change(self, change: Change) -> None:
        """Change the members: durable and applied when this returns. Raises RefusedError."""
        await self._proposals.change(change)

    def _refuse_when_full(self) -> None:
        if self._stopped:
            raise NoLeaderError
        if self._log_full:
            raise DiskFullError(self._log_path)
        if self._applying.full is not None:
            raise StateWaitsError(self._applying.full, taken=False)

    def confirm_leadership(self) -> asyncio.Future[None]:
        """Done when a majority says that this node leads, and what it committed is applied.

        Raises NoLeaderError, at once or with the future.
        """
        if self._stopped:
            raise NoLeaderError
        try:
            done = self._reads.add(self.node.read())
        except RefusedError as refused:
            raise NoLeaderError from refused
        if self._turning or not self.node.is_only_voter:
            self._schedule()  # all that ask in this turn of the loop share a round
        else:
            self._turn()
        return done

    def tell_commit(self) -> None:
        """Have the followers hear of what is committed now, not with the next tick."""
        self.node.tell_commit()
        self._schedule()

    def may_read_by_lease(self) -> bool:
        """Whether what is applied now may be read without asking the others (default mode)."""
        if self._stopped or not self.node.may_hold_a_lease:
            return False
        return self.node.is_only_voter or self.lease.holds(lasting_s())

    @property
    def contact_age_s(self) -> float | None:
        """How long ago the leader was heard; 0 for the leader itself, None for never."""
        if self.node.is_leader:
            return 0.0
        return None if self._contact_s is None else lasting_s() - self._contact_s

    async def transfer(self, target: ServerId | None = None) -> None:
        """Hand leadership over, to the voter that is furthest if none is named.

        Returns when this server no longer leads. Raises RpcError with the reason if it cannot
        begin, or the other server did not take over within an election timeout.
        """
        self._proposals.release()
        try:
            self.node.transfer(target)
        except RefusedError as refused:
            raise RpcError(f"failed to transfer leadership: {refused}") from refused
        ended = self._transfers.add()
        self._schedule()
        how = await ended
        if self.node.is_leader:
            raise RpcError(f"failed to transfer leadership: {how.why}")

    def compact(self, snapshot: SnapshotMeta, keep_from: Index) -> None:
        """The snapshot is durable: the log gives up what is in front of `keep_from`."""
        self.node.compacted(snapshot, keep_from)
        self.writer.compact(Compaction(keep_from - 1, snapshot.index, snapshot.term))

    # ---------------------------------------------------------------- a user's snapshot

    async def begin_restore(self, lower_bound: Index, patience_s: float) -> SnapshotMeta:
        """Hold new writes back and finish those that were taken; where the snapshot goes.

        End with `end_restore` or `abort_restore`. Raises RpcError.
        """
        self._proposals.are_taken.clear()
        self._proposals.release()
        try:
            async with asyncio.timeout(patience_s):
                await self._proposals.append(EntryKind.BARRIER, b"", b"")
            return self.node.begin_restore(lower_bound)
        except BaseException as failure:
            self._proposals.are_taken.set()
            if isinstance(failure, RefusedError):
                raise RpcError(str(failure)) from failure
            if isinstance(failure, TimeoutError):
                raise RpcError(
                    f"the writes in front of it were not done after {patience_s:g} s"
                ) from None
            raise

    def end_restore(self, snapshot: SnapshotMeta) -> None:
        """The state is the snapshot's, which is durable: the log goes on behind it.

        Raises RpcError, and has the process end, if leadership was lost meanwhile.
        """
        try:
            self.node.end_restore(snapshot)
        except RefusedError as refused:
            failure = RpcError(f"{refused}: start the server again to go on from what is on disk")
            self.fail(failure)
            raise failure from refused
        self._proposals.are_taken.set()
        self._schedule()

    def abort_restore(self) -> None:
        """The state is what it was; writes go on."""
        self.node.abort_restore()
        self._proposals.are_taken.set()

    # ---------------------------------------------------------------- the other servers

    def deliver(self, message: Input) -> None:
        """A message came in. Neither blocks nor raises; what follows from it is done soon."""
        if self._stopped:
            return
        try:
            self.node.step(message)
        except Exception as failure:
            self.fail(failure)
            return
        if isinstance(message, (AppendEntries, InstallSnapshot)):
            if message.term == self.node.term:
                self._contact_s = lasting_s()
        else:
            self.lease.confirmed(self.node.confirmed_round)
        self._schedule()

    def installed(self, install: Install) -> None:
        """The snapshot is durable and the state is its own."""
        self._is_installing = False
        if self._stopped:
            return
        self._applying.forget()  # what waited to be applied is in the snapshot
        self._writes.fail(LeadershipLostError)
        self.node.installed(install)
        self._schedule()

    def install_failed(self, install: Install) -> None:
        """It was no good; the state is what it was."""
        self._is_installing = False
        if self._stopped:
            return
        self.node.install_failed(install)
        self._schedule()

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
            self._do_all()
            if self._can_apply:
                self._apply_slice()
                self._do_all()
            if self._can_apply:
                self._schedule()  # clients first
        except Exception as failure:
            self.fail(failure)
        finally:
            self._turning = False

    @property
    def _can_apply(self) -> bool:
        return self._applying.can_go_on and not self._is_installing

    def _do_all(self) -> None:
        while effects := self.node.take():
            self._do(effects)
        if self.node.is_leader:
            self._proposals.went()

    def _do(self, effects: Effects) -> None:
        if effects.persist is not None:
            self.writer.write(effects.persist)
        # Before anything leaves: a lease counts from the question, not from its answer.
        self.lease.asked(self.node.round, lasting_s())
        if effects.send or effects.replies:
            self._carry(effects.send, effects.replies)
        if effects.install is not None:
            self._install(effects.install)
        if effects.apply:
            self._applying.add(effects.apply)
        for answer in effects.reads:
            self._reads.answered(answer)
        for event in effects.events:
            self._event(event)
        if effects.persist is not None and self.node.decides_alone(effects.persist.entries):
            self._applying.foresee(effects.persist.entries)  # while the disk is at work

    def _carry(self, sends: tuple[Send, ...], replies: tuple[Reply, ...]) -> None:
        assert self._carrier is not None, "`connect` comes before `start`"
        for send in sends:
            self._carrier.send(send)
        for reply in replies:
            if isinstance(reply, InstallReply) and self._installer is not None:
                self._installer.drop(reply.token)
            self._carrier.reply(reply)

    def _install(self, install: Install) -> None:
        assert self._installer is not None, "`connect` comes before `start`"
        self._is_installing = True
        self._installer.install(install)

    def _event(self, event: object) -> None:
        match event:
            case RoleChanged(role=role, term=term, why=why):
                self.lease.end()
                self._hooks.log("INFO", f"entering {role.value} state: term={term} ({why})")
                if role is not Role.LEADER:
                    self._proposals.release()
                    self._applying.forget_foreseen()
                    # What is committed is answered when it is applied, whoever leads by then.
                    self._writes.fail(LeadershipLostError, beyond=self.node.commit_index)
                    self._reads.fail()
                self._hooks.role(role)
                self._hooks.leadership(role is Role.LEADER)
            case LeaderChanged(leader=leader):
                name = (leader.id or leader.address) if leader else "nobody"
                self._hooks.log("INFO", f"new leader elected: {name}")
                if leader is not None:
                    self._hooks.leader()
            case ConfigurationChanged(index=index):
                self._hooks.log("INFO", f"updating configuration: index={index}")
            case TransferEnded(told=told, why=why):
                self._hooks.log("INFO", f"leadership transfer ended: told={told} ({why})")
                self._transfers.ended(event)
            case _:
                self._hooks.log("DEBUG", str(event))

    def _apply_slice(self) -> None:
        had_room = self._applying.full is None
        done = self._applying.apply_slice()
        if done is None:
            full = self._applying.full
            assert full is not None, "a slice is only put off for want of room"
            self._writes.fail(lambda: StateWaitsError(full, taken=True))
            if had_room:
                self._give_way()
            return
        last, applied = done
        self.node.applied(last.index)
        took_ms = self._writes.applied(applied.results, time.perf_counter())
        if took_ms:
            self._hooks.written(took_ms)
        self._proposals.applied(last.index)
        if applied.events:
            self._hooks.events(applied.events)

    # ---------------------------------------------------------------- the log

    def _persisted(self, number: WriteNumber) -> None:
        if self._stopped:
            return
        try:
            self.node.persisted(number)
        except Exception as failure:
            self.fail(failure)
        if not self.node.has_only_to_wait:
            self._turn()

    def _disk_full(self, full: bool) -> None:
        self._log_full = full
        if not full:
            self._hooks.log("INFO", "there is room for the log again: writes go on")
            return
        # Only the clients are told; nothing may be taken out of the log.
        self._writes.fail(lambda: WriteWaitsError(self._log_path))
        self._hooks.log(
            "ERROR",
            f"no space left for the log under {self._log_path}: writes are refused until there is",
        )
        self._give_way()

    def _give_way(self) -> None:
        give_way(self.node, self._hooks.log)
        self._schedule()

    def servers(self) -> tuple[Server, ...]:
        """The members of the latest configuration."""
        return self.node.configuration.servers
