"""Applies committed entries to the state, and saves and restores it as a whole.

One engine transaction takes a batch of entries, applied index included. When the engine has no
room the batch is undone and tried again later: what is committed is never skipped, and nobody is
answered before it is applied (design decision 4).

What is about to be committed may be foreseen: applied in a transaction that stays open, which
nobody sees and `apply` of the same entries ends. Any other use of the state undoes it.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import lmdb

from proconsul.errors import ProconsulError
from proconsul.fsm import snapshot
from proconsul.fsm.apply import HalfRefusedError, apply
from proconsul.fsm.commands import CommandError
from proconsul.raft.entry import Entry
from proconsul.raft.messages import EntryKind
from proconsul.runtime.logs import logger
from proconsul.runtime.pending import PendingEntries
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.engine import StateEngine, StateFullError
from proconsul.store.state import State
from proconsul.store.transaction import ReadTransaction, WriteTransaction

_COMMAND: Final = EntryKind.COMMAND  # asked for each entry

log = logger("fsm")


class GivenUpError(ProconsulError):
    """Work on a snapshot was broken off: nobody wants it any more, or the server ends."""

    def __init__(self) -> None:
        super().__init__("broken off: the server ends, or the client has gone")


class StateBrokenError(ProconsulError):
    """The state can be written no more. The process must end; the log has everything."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f"the state could not be written ({cause}). The server must stop now, and builds the "
            "state anew from snapshot and log when it is started again; look for disk errors "
            "before that."
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """What the commands of the log mean, and how the state is written down and read back."""

    apply: Callable[[WriteTransaction, bytes, bytes | None, int], object]  # fsm.apply.apply
    write: Callable[[ReadTransaction], Iterator[bytes]]  # fsm.snapshot.write
    restore: Callable[[WriteTransaction, Iterable[bytes]], object]  # fsm.snapshot.restore


CONSUL = Machine(apply, snapshot.write, snapshot.restore)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch gave: the FSM's value for each entry, and events for the outside."""

    results: list[tuple[int, int, Any]] = field(default_factory=list)  # index, term, value
    events: list[object] = field(default_factory=list)


class _Batch:
    """Entries that are applied in a transaction which has not ended."""

    def __init__(self, entries: Sequence[Entry], writing: AbstractContextManager[Any]) -> None:
        self.writing = writing
        self.txn: WriteTransaction = writing.__enter__()
        self.applied = Applied()
        self._first, self.last, self._count = entries[0], entries[-1], len(entries)

    def is_of(self, entries: Sequence[Entry]) -> bool:
        """Whether it is of these very entries, which follow each other."""
        same_ends = entries[0] is self._first and entries[-1] is self.last
        return same_ends and len(entries) == self._count


class _UndoneError(Exception):
    """Ends a transaction of which nothing is to be kept."""


class HeldState:
    """The state as it was at one moment, to be read in another thread."""

    def __init__(self, records: Iterator[bytes]) -> None:
        self._records = records
        self.give_up = threading.Event()

    def chunks(self) -> Iterator[bytes]:
        """The records of a snapshot. Raises GivenUpError soon after `give_up` was set."""
        return _until(self._records, self.give_up)


class NewState:
    """A state in the making, that nobody sees; another thread may fill it."""

    def __init__(
        self,
        txn: WriteTransaction,
        machine: Machine,
        applied_index: int,
        commit: Callable[[], None],
    ) -> None:
        """`applied_index` is the last entry that is to be in it; `commit` ends the transaction."""
        self._txn = txn
        self._machine = machine
        self._applied_index = applied_index
        self._commit = commit
        self.give_up = threading.Event()
        self.is_settled = False

    def fill(self, chunks: Iterable[bytes]) -> None:
        """Read a snapshot into it. Raises SnapshotError, StateFullError, GivenUpError."""
        self._machine.restore(self._txn, _until(chunks, self.give_up))

    def apply(self, entries: Sequence[Entry]) -> None:
        """Go on behind what was filled in. Raises CommandError, StateFullError."""
        for entry in entries:
            _apply_to(self._machine, self._txn, entry)

    def change(self, change: Callable[[WriteTransaction], None]) -> None:
        """Have something in it that is in no snapshot and no entry."""
        change(self._txn)

    def chunks(self) -> Iterator[bytes]:
        """The records of a snapshot of what it holds by now. Raises GivenUpError."""
        self._txn.write_late()
        return _until(self._machine.write(self._txn), self.give_up)

    def settle(self) -> None:
        """All is in it: commit it, on this thread, so that the loop need not wait for that.

        Nothing more can be written to it or read of it. Raises StateFullError.
        """
        self.mark_applied()
        self._txn.write_late()
        self._commit()
        self.is_settled = True

    def mark_applied(self) -> None:
        """Note which entries it holds."""
        self._txn.set_applied(self._applied_index)

    @property
    def events(self) -> list[object]:
        """Of what it holds: its sessions with their TTLs."""
        return self._txn.events


def _until(chunks: Iterable[bytes], give_up: threading.Event) -> Iterator[bytes]:
    for chunk in chunks:
        if give_up.is_set():
            raise GivenUpError
        yield chunk


def _apply_to(machine: Machine, txn: WriteTransaction, entry: Entry) -> Any:
    """The FSM's value; None for what is no command."""
    txn.index = entry.index
    if entry.kind is not _COMMAND:
        return None
    try:
        return machine.apply(txn, entry.data, entry.extensions or None, entry.term)
    except CommandError as failure:
        raise CommandError(
            f"entry {entry.index} of the log cannot be applied: {failure}"
        ) from failure


class ReplicatedState:
    """The state, and those who wait for its changes."""

    def __init__(self, engine: StateEngine, machine: Machine = CONSUL) -> None:
        self._engine = engine
        self._machine = machine
        self._is_broken = False
        self._foreseen: _Batch | None = None
        self.state = State(engine)
        self.waiting = WaitingRoom(self.state.watchers)
        self.awaited = PendingEntries()

    @property
    def applied_index(self) -> int:
        """The last entry that the state contains."""
        return self.state.applied_index()

    def apply(self, entries: Sequence[Entry]) -> Applied:
        """Apply entries in one transaction; raises StateFullError with nothing changed.

        Raises CommandError for an entry that no server may go on from, StateBrokenError.
        """
        with self._telling_if_broken():
            return self._keep(self._begun(entries))

    def foresee(self, entries: Sequence[Entry]) -> None:
        """Do the most of `apply` before these entries are committed; nobody sees any of it.

        What fails here fails there, too, which says so. Raises StateBrokenError.
        """
        self.forget_foreseen()
        with self._telling_if_broken(), suppress(HalfRefusedError, StateFullError, CommandError):
            self._foreseen = self._begin(entries, may_start_over=True)

    def forget_foreseen(self) -> None:
        """Undo what was foreseen, if anything was."""
        foreseen, self._foreseen = self._foreseen, None
        if foreseen is not None:
            foreseen.writing.__exit__(_UndoneError, _UndoneError(), None)

    def write_down(self) -> None:
        """Have a restart find the state as it is. Raises StateFullError, StateBrokenError."""
        self.forget_foreseen()
        with self._telling_if_broken():
            self.state.write_down()

    @contextmanager
    def _telling_if_broken(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as failure:
            self._is_broken = True
            raise StateBrokenError(failure) from failure

    def _begun(self, entries: Sequence[Entry]) -> _Batch:
        """All of them applied, and not kept yet; they may have been foreseen."""
        foreseen = self._foreseen
        if foreseen is not None and foreseen.is_of(entries):
            self._foreseen = None
            return foreseen
        self.forget_foreseen()
        try:
            return self._begin(entries, may_start_over=True)
        except HalfRefusedError:
            # Few are: to be able to undo each one alone would cost all the others time.
            return self._begin(entries, may_start_over=False)

    def _begin(self, entries: Sequence[Entry], *, may_start_over: bool) -> _Batch:
        batch = _Batch(entries, self.state.write(entries[0].index))
        txn, results = batch.txn, batch.applied.results
        try:
            txn.may_start_over = may_start_over
            for entry in entries:
                value = _apply_to(self._machine, txn, entry)
                results.append((entry.index, entry.term, value))
            txn.set_applied(entries[-1].index)
        except BaseException:
            batch.writing.__exit__(*sys.exc_info())
            raise
        return batch

    def _keep(self, batch: _Batch) -> Applied:
        batch.writing.__exit__(None, None, None)
        batch.applied.events.extend(batch.txn.events)
        self.awaited.applied(batch.last.index)
        return batch.applied

    @contextmanager
    def held(self) -> Iterator[HeldState]:
        """The state as it is now; whoever reads it must have ended when the block does."""
        with self.state.snapshot() as view:
            yield HeldState(self._machine.write(view))

    @contextmanager
    def replacement(self, applied_index: int) -> Iterator[NewState]:
        """Make another state, which takes the place of this one when the block ends.

        When the block raises, this one stays. Everybody who waits is woken by the change.
        """
        self.forget_foreseen()
        with self.state.replace(applied_index) as txn:
            new = NewState(txn, self._machine, applied_index, self._engine.settle)
            yield new
            if not new.is_settled:
                new.mark_applied()
            self.forget_foreseen()  # of a leader's term that began and ended meanwhile
            self.waiting.state_replaced()
        self.awaited.applied(applied_index)

    def close(self) -> None:
        """Mark the stored state as whole, if it is, and let go of it."""
        if self._is_broken:
            return  # closing would call it whole; the process ends
        try:
            self.forget_foreseen()
            self._engine.close()
        except (OSError, lmdb.Error) as failure:
            log.error(
                "the state could not be closed cleanly, the next start may build it anew: %s",
                failure,
            )
