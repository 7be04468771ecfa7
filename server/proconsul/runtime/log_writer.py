"""The thread that makes the log durable: as many writes as are waiting under one fdatasync.

The event loop queues what the raft node wants written; the thread takes all that is there,
writes it as one group, syncs once, and tells the loop the number of the last write. While the
disk is full it keeps the group and tries again: nothing that was queued is dropped or reordered.
A failed sync ends the process (design decision 6): what is on the disk is unknown then.
"""

import asyncio
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from proconsul.errors import DiskFullError
from proconsul.raft.effects import Persist, WriteNumber
from proconsul.raft.messages import (
    Entry,
    EntryKind,
    HardState,
    Index,
    Peer,
    ServerAddress,
    ServerId,
    Term,
)
from proconsul.runtime.wal_files import WalFiles
from proconsul.wal.record import HardState as WalHardState
from proconsul.wal.record import LogRecord
from proconsul.wire import msgpack

FULL_DISK_RETRY_S = 0.25
SPARE_RETRY_S = 1.0
TOOK_MAX = 1024  # durations that wait to be asked for, of which more would say no more
GROUP_BYTES_MAX = 4 * 1024 * 1024  # about that many in one write, so that answers do not wait long
START_READ_BYTES = 4 * 1024 * 1024
_BODY_HEAD = struct.Struct(">BI")  # kind, length of the extensions

T = TypeVar("T")


def record_of(entry: Entry) -> LogRecord:
    """An entry as the log keeps it."""
    head = _BODY_HEAD.pack(entry.kind, len(entry.extensions))
    return LogRecord(entry.term, entry.index, head + entry.extensions + entry.data)


def entry_of(record: LogRecord) -> Entry:
    """The entry that was kept."""
    kind, extension_bytes = _BODY_HEAD.unpack_from(record.body)
    start = _BODY_HEAD.size
    return Entry(
        Index(record.index),
        Term(record.term),
        EntryKind(kind),
        bytes(record.body[start + extension_bytes :]),
        bytes(record.body[start : start + extension_bytes]),
    )


def read_entries(wal: WalFiles, first: Index, last: Index, bytes_max: int) -> list[Entry]:
    """Entries that are on disk, as many as `bytes_max` allows, one at least."""
    return [entry_of(record) for record in wal.read(first, last, bytes_max)]


def stored_entries(wal: WalFiles) -> Iterator[Entry]:
    """All that the log holds, piece by piece."""
    at = max(wal.first_index, 1)
    while at <= wal.last_index:
        for record in wal.read(at, wal.last_index, START_READ_BYTES):
            yield entry_of(record)
            at = record.index + 1


def wal_hard_state(state: HardState) -> WalHardState:
    """Term and vote as the log keeps them."""
    vote = b"" if state.vote is None else msgpack.pack([state.vote.id, state.vote.address])
    return WalHardState(state.term, vote)


def raft_hard_state(state: WalHardState) -> HardState:
    """The same, back."""
    if not state.vote:
        return HardState(Term(state.term), None)
    server_id, address = msgpack.unpack(state.vote)
    return HardState(Term(state.term), Peer(ServerId(server_id), ServerAddress(address)))


@dataclass(frozen=True, slots=True)
class Compaction:
    """A snapshot is durable: the entries up to `up_to_index` may leave the log."""

    up_to_index: int
    snapshot_index: int
    snapshot_term: int


class _Word(Enum):
    """What else than a write the loop tells the thread."""

    COMPACT = auto()
    STOP = auto()


class _StoppedError(Exception):
    """The server ends while there is no room for what is queued; nobody was promised it."""


class LogWriter:
    """Owns the log's writing side; reading is the event loop's (`WalFiles.read`)."""

    def __init__(
        self,
        wal: WalFiles,
        loop: asyncio.AbstractEventLoop,
        persisted: Callable[[WriteNumber], None],
        disk_full: Callable[[bool], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        """`persisted`, `disk_full` and `broken` are called on the loop."""
        self._wal = wal
        self._loop = loop
        self._persisted = persisted
        self._disk_full = disk_full
        self._broken = broken
        self._queue: SimpleQueue[Persist | _Word] = SimpleQueue()
        self._compactions: deque[Compaction] = deque(maxlen=1)  # the newest does for all
        self._stopping = threading.Event()
        self._spare: threading.Thread | None = None
        self._spare_not_before_s = 0.0
        self._busy_since_s: float | None = None  # by time.monotonic
        self._took_s: deque[float] = deque(maxlen=TOOK_MAX)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()
        self._prepare_spare()

    def write(self, persist: Persist) -> None:
        """Queue a write."""
        self._queue.put(persist)

    def compact(self, compaction: Compaction) -> None:
        """Let go of entries once the log holds the snapshot's; a full disk does not delay it."""
        self._compactions.append(compaction)
        self._queue.put(_Word.COMPACT)

    @property
    def busy_s(self) -> float:
        """For how long the disk has not answered; 0 while nothing is asked of it."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def appends_s(self) -> list[float]:
        """How long each append of entries took, sync included, since this was asked last."""
        taken = []
        with suppress(IndexError):
            while True:
                taken.append(self._took_s.popleft())
        return taken

    def stop(self) -> None:
        """Write what is queued, as far as there is room, then end; blocks until then."""
        self._stopping.set()
        self._queue.put(_Word.STOP)
        if self._thread.ident is not None:
            self._thread.join()
        if self._spare is not None:
            self._spare.join()

    # ---------------------------------------------------------------- in the thread

    def _run(self) -> None:
        try:
            while self._write_waiting():
                pass
        except _StoppedError:
            pass
        except BaseException as failure:
            self._tell(self._broken, failure)

    def _tell(self, hear: Callable[[T], None], what: T) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(hear, what)

    def _write_waiting(self) -> bool:
        """Take all that waits, up to a limit, and write it; False at the end."""
        group: list[Persist] = []
        group_bytes = 0
        go_on = True
        while go_on and group_bytes < GROUP_BYTES_MAX:
            item = self._queue.get()
            if isinstance(item, Persist):
                group.append(item)
                group_bytes += sum(len(entry.data) for entry in item.entries)
            else:
                go_on = item is not _Word.STOP
            if self._queue.empty():
                break
        if group:
            self._write_group(group)
        if self._wal.wants_spare:
            self._prepare_spare()
        self._compact()
        return go_on

    def _write_group(self, group: Sequence[Persist]) -> None:
        """One append for runs of plain writes; a truncation or reset stands by itself."""
        records: list[LogRecord] = []
        hard_state: WalHardState | None = None
        for persist in group:
            if persist.reset_to is not None or persist.truncate_from is not None:
                self._append(records, hard_state)
                records, hard_state = [], None
                self._cut(persist)
            if persist.hard_state is not None:
                hard_state = wal_hard_state(persist.hard_state)
            records.extend(record_of(entry) for entry in persist.entries)
        self._append(records, hard_state)
        self._tell(self._persisted, group[-1].number)

    def _cut(self, persist: Persist) -> None:
        if persist.reset_to is not None:
            index, term = persist.reset_to.index, persist.reset_to.term
            self._until_room(lambda: self._wal.reset(index, term))
        if persist.truncate_from is not None:
            first = persist.truncate_from
            self._until_room(lambda: self._wal.truncate_suffix(first))

    def _append(self, records: list[LogRecord], hard_state: WalHardState | None) -> None:
        """Term and vote go with the first entries, all or nothing.

        A first start that had its term and not its entry could never found its cluster.
        """
        for piece in _pieces(records):
            began_s = time.monotonic()
            self._until_room(partial(self._wal.append, piece, hard_state))
            self._took_s.append(time.monotonic() - began_s)
            hard_state = None
        if hard_state is not None:
            self._until_room(partial(self._wal.append, [], hard_state))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        self._busy_since_s = time.monotonic()
        try:
            yield
        finally:
            self._busy_since_s = None

    def _until_room(self, write: Callable[[], None]) -> None:
        full = False
        while True:
            try:
                with self._asking():
                    write()
            except DiskFullError:
                if self._stopping.is_set():
                    raise _StoppedError from None
                if not full:
                    full = True
                    self._tell(self._disk_full, True)
                self._compact()  # a snapshot may be what makes room
                self._stopping.wait(FULL_DISK_RETRY_S)
            else:
                if full:
                    self._tell(self._disk_full, False)
                return

    def _compact(self) -> None:
        if not self._compactions:
            return
        wanted = self._compactions[0]
        if wanted.snapshot_index > self._wal.last_index:
            return  # its snapshot is one that the log is yet to be reset to
        if wanted.snapshot_index >= self._wal.snapshot_index:
            try:
                with self._asking():
                    self._wal.compact(
                        wanted.up_to_index, wanted.snapshot_index, wanted.snapshot_term
                    )
            except DiskFullError:
                return  # again when there is room
        with suppress(ValueError, IndexError):  # a newer one took its place meanwhile
            self._compactions.remove(wanted)

    # ---------------------------------------------------------------- in another thread

    def _prepare_spare(self) -> None:
        """Make the next segment in a thread of its own: it takes as long as writing one."""
        if self._spare is not None and self._spare.is_alive():
            return
        if time.monotonic() < self._spare_not_before_s:
            return
        self._spare_not_before_s = time.monotonic() + SPARE_RETRY_S
        self._spare = threading.Thread(target=self._make_spare, name="log-spare", daemon=True)
        self._spare.start()

    def _make_spare(self) -> None:
        try:
            if self._wal.prepare_spare():
                self._spare_not_before_s = 0.0
        except BaseException as failure:
            self._tell(self._broken, failure)


def _pieces(records: list[LogRecord]) -> Iterator[list[LogRecord]]:
    """As many at a time as one write of the log should hold."""
    piece: list[LogRecord] = []
    left_bytes = GROUP_BYTES_MAX
    for record in records:
        left_bytes -= len(record.body)
        if piece and left_bytes < 0:
            yield piece
            piece, left_bytes = [], GROUP_BYTES_MAX - len(record.body)
        piece.append(record)
    if piece:
        yield piece
