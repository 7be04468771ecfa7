"""The thread that writes the log where it takes long: new segments, cuts, a full disk, big groups.

It takes all that is queued, writes it as one group and syncs once. While the disk is full it
keeps the group and tries again: nothing that was queued is dropped or reordered.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from msgspec import Struct

from proconsul.errors import DiskFullError
from proconsul.raft.effects import Persist, WriteNumber
from proconsul.runtime.disk_times import DiskTimes
from proconsul.runtime.log_entries import record_of, wal_hard_state
from proconsul.runtime.wal_files import WalFiles
from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import HardState

FULL_DISK_RETRY_S = 0.25
GROUP_BYTES_MAX = 4 * 1024 * 1024  # about that many in one write, so that answers do not wait long

T = TypeVar("T")


class Compaction(Struct, frozen=True):
    """A snapshot is durable: the entries up to `up_to_index` may leave the log."""

    up_to_index: int
    snapshot_index: int
    snapshot_term: int


class Hearers(Struct, frozen=True):
    """Who is told of the log; all are called on the loop."""

    persisted: Callable[[WriteNumber], None]
    disk_full: Callable[[bool], None]
    broken: Callable[[BaseException], None]


class _Word(Enum):
    """What else than a write the loop tells the thread."""

    COMPACT = auto()
    STOP = auto()


class _StoppedError(Exception):
    """The server ends while there is no room for what is queued; nobody was promised it."""


class LogThread:
    """Writes what is put; the log is the thread's while it `owes` something."""

    def __init__(
        self,
        wal: WalFiles,
        loop: asyncio.AbstractEventLoop,
        hearers: Hearers,
        settled: Callable[[], None],
        times: DiskTimes,
    ) -> None:
        """`settled` is called on the loop when nothing is owed any more."""
        self._wal = wal
        self._loop = loop
        self._hearers = hearers
        self._settled = settled
        self._times = times
        self._owed = 0
        self._queue: SimpleQueue[Persist | _Word] = SimpleQueue()
        self._compactions: deque[Compaction] = deque(maxlen=1)  # the newest does for all
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def owes(self) -> bool:
        """Whether something that was put is not done; for the loop only."""
        return self._owed > 0

    def write(self, persist: Persist) -> None:
        """Queue a write."""
        self._put(persist)

    def compact(self, compaction: Compaction) -> None:
        """Let go of entries once the log holds the snapshot's; a full disk does not delay it."""
        self._compactions.append(compaction)
        self._put(_Word.COMPACT)

    def end(self) -> None:
        """Write what is queued, then end."""
        self._put(_Word.STOP)

    def wait(self) -> None:
        """Block until it has ended, if it ever began; from now on no room is waited for."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _put(self, item: Persist | _Word) -> None:
        self._owed += 1
        self._queue.put(item)

    def _done(self, count: int) -> None:
        self._owed -= count
        if not self._owed:
            self._settled()

    # ---------------------------------------------------------------- in the thread

    def _run(self) -> None:
        try:
            while self._write_waiting():
                pass
        except _StoppedError:
            pass
        except BaseException as failure:
            self._tell(self._hearers.broken, failure)

    def _tell(self, hear: Callable[[T], None], what: T) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(hear, what)

    def _write_waiting(self) -> bool:
        """Take all that waits, up to a limit, and write it; False at the end."""
        group: list[Persist] = []
        count = group_bytes = 0
        go_on = True
        while go_on and group_bytes < GROUP_BYTES_MAX:
            item = self._queue.get()
            count += 1
            if isinstance(item, Persist):
                group.append(item)
                group_bytes += sum(len(entry.data) for entry in item.entries)
            else:
                go_on = item is not _Word.STOP
            if self._queue.empty():
                break
        if group:
            self._write_group(group)
        self._compact()
        self._tell(self._done, count)
        return go_on

    def _write_group(self, group: Sequence[Persist]) -> None:
        """One append for runs of plain writes; a truncation or reset stands by itself."""
        records: list[LogRecord] = []
        hard_state: HardState | None = None
        for persist in group:
            if persist.reset_to is not None or persist.truncate_from is not None:
                self._append(records, hard_state)
                records, hard_state = [], None
                self._cut(persist)
            if persist.hard_state is not None:
                hard_state = wal_hard_state(persist.hard_state)
            records.extend(record_of(entry) for entry in persist.entries)
        self._append(records, hard_state)
        self._tell(self._hearers.persisted, group[-1].number)

    def _cut(self, persist: Persist) -> None:
        if persist.reset_to is not None:
            index, term = persist.reset_to.index, persist.reset_to.term
            self._until_room(lambda: self._wal.reset(index, term))
        if persist.truncate_from is not None:
            first = persist.truncate_from
            self._until_room(lambda: self._wal.truncate_suffix(first))

    def _append(self, records: list[LogRecord], hard_state: HardState | None) -> None:
        """Term and vote go with the first entries, all or nothing.

        A first start that had its term and not its entry could never found its cluster.
        """
        for piece in _pieces(records):
            began_s = time.monotonic()
            self._until_room(partial(self._wal.append, piece, hard_state))
            self._times.appended(time.monotonic() - began_s)
            hard_state = None
        if hard_state is not None:
            self._until_room(partial(self._wal.append, [], hard_state))

    def _until_room(self, write: Callable[[], None]) -> None:
        full = False
        while True:
            try:
                with self._times.asking():
                    write()
            except DiskFullError:
                if self._stopping.is_set():
                    raise _StoppedError from None
                if not full:
                    full = True
                    self._tell(self._hearers.disk_full, True)
                self._compact()  # a snapshot may be what makes room
                self._stopping.wait(FULL_DISK_RETRY_S)
            else:
                if full:
                    self._tell(self._hearers.disk_full, False)
                return

    def _compact(self) -> None:
        if not self._compactions:
            return
        wanted = self._compactions[0]
        if wanted.snapshot_index > self._wal.last_index:
            return  # its snapshot is one that the log is yet to be reset to
        if wanted.snapshot_index >= self._wal.snapshot_index:
            try:
                with self._times.asking():
                    self._wal.compact(
                        wanted.up_to_index, wanted.snapshot_index, wanted.snapshot_term
                    )
            except DiskFullError:
                return  # again when there is room
        with suppress(ValueError, IndexError):  # a newer one took its place meanwhile
            self._compactions.remove(wanted)


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
