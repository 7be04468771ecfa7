"""The thread that makes the log durable: as many writes as are waiting under one fdatasync.

The event loop queues what the raft node wants written; the thread takes all that is there,
writes it as one group, syncs once, and tells the loop the number of the last write. While the
disk is full it keeps the group and tries again: nothing that was queued is dropped or reordered.
A failed sync ends the process (design decision 6): what is on the disk is unknown then.
"""

import asyncio
import struct
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

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
_BODY_HEAD = struct.Struct(">BI")  # kind, length of the extensions


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
        self._queue: SimpleQueue[Persist | Callable[[], None] | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._spare: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()
        self._prepare_spare()

    def write(self, persist: Persist) -> None:
        """Queue a write."""
        self._queue.put(persist)

    def then(self, action: Callable[[], None]) -> None:
        """Do something with the log in its own thread, after what is queued (compaction)."""
        self._queue.put(action)

    def stop(self) -> None:
        """Write what is queued, then end; blocks until then."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join()
        if self._spare is not None:
            self._spare.join()

    def _run(self) -> None:
        try:
            while self._write_waiting():
                pass
        except BaseException as failure:
            self._loop.call_soon_threadsafe(self._broken, failure)

    def _write_waiting(self) -> bool:
        """Take all that waits and write it; False at the end."""
        first = self._queue.get()
        group: list[Persist] = []
        after: list[Callable[[], None]] = []
        go_on = self._sort_in(first, group, after)
        while go_on and not after and not self._queue.empty():
            go_on = self._sort_in(self._queue.get(), group, after)
        if group:
            self._write_group(group)
        if self._wal.wants_spare:
            self._prepare_spare()
        for action in after:
            action()
        return go_on

    def _prepare_spare(self) -> None:
        """Make the next segment in a thread of its own: it takes as long as writing one."""
        if self._spare is None or not self._spare.is_alive():
            self._spare = threading.Thread(
                target=self._wal.prepare_spare, name="log-spare", daemon=True
            )
            self._spare.start()

    @staticmethod
    def _sort_in(
        item: Persist | Callable[[], None] | None,
        group: list[Persist],
        after: list[Callable[[], None]],
    ) -> bool:
        if item is None:
            return False
        if isinstance(item, Persist):
            group.append(item)
        else:
            after.append(item)
        return True

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
        self._loop.call_soon_threadsafe(self._persisted, group[-1].number)

    def _cut(self, persist: Persist) -> None:
        if persist.reset_to is not None:
            index, term = persist.reset_to.index, persist.reset_to.term
            self._until_room(lambda: self._wal.reset(index, term))
        if persist.truncate_from is not None:
            first = persist.truncate_from
            self._until_room(lambda: self._wal.truncate_suffix(first))

    def _append(self, records: list[LogRecord], hard_state: WalHardState | None) -> None:
        if hard_state is not None and records:
            # A vote is small and finds room where entries do not; and it stands before them.
            self._until_room(lambda: self._wal.append([], hard_state))
            hard_state = None
        if records or hard_state is not None:
            self._until_room(lambda: self._wal.append(records, hard_state))

    def _until_room(self, write: Callable[[], None]) -> None:
        full = False
        while True:
            try:
                write()
            except DiskFullError:
                if self._stopping.is_set():
                    raise
                if not full:
                    full = True
                    self._loop.call_soon_threadsafe(self._disk_full, True)
                self._stopping.wait(FULL_DISK_RETRY_S)
            else:
                if full:
                    self._loop.call_soon_threadsafe(self._disk_full, False)
                return
