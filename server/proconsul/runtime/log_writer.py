"""Makes the log durable: as many writes as are waiting under one fdatasync.

A write that needs no more than its group at the end of a segment is written by the event loop and
synced by the kernel meanwhile. All else is for a thread: cuts, new segments, a disk without room,
big groups, and everything where the kernel syncs for nobody (runtime/kernel_sync.py). What comes
while either is at work waits, and makes the next group. Only one of the two has the log at a time.

A failed sync ends the process (design decision 6): what is on the disk is unknown then.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from proconsul.errors import DiskFullError
from proconsul.raft.effects import Persist, WriteNumber
from proconsul.runtime.disk import BackgroundSync
from proconsul.runtime.disk_times import DiskTimes
from proconsul.runtime.disk_watch import DiskWatch
from proconsul.runtime.log_entries import record_of, wal_hard_state
from proconsul.runtime.log_thread import Compaction, Hearers, LogThread
from proconsul.runtime.wal_files import Unsynced, WalFiles
from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import HardState

SPARE_RETRY_S = 1.0
LOOP_BYTES_MAX = 1024 * 1024  # of a group that the loop writes: copying more would hold it up


class LogWriter:
    """Owns the log's writing side; reading is the event loop's (`WalFiles.read`)."""

    def __init__(
        self,
        wal: WalFiles,
        loop: asyncio.AbstractEventLoop,
        hearers: Hearers,
        decides_alone: Callable[[], bool],
    ) -> None:
        """All but `stop` is called on the loop. `decides_alone`: nobody else's disk is awaited."""
        self._wal = wal
        self._loop = loop
        self._hearers = hearers
        self._times = DiskTimes()
        self._watch = DiskWatch(loop.call_soon, decides_alone)
        self._worker = LogThread(wal, loop, hearers, self._thread_did, self._times)
        self._sync: BackgroundSync | None = None
        self._syncing: tuple[Unsynced, WriteNumber, float] | None = None  # which began then
        self._waiting: list[Persist] = []
        self._compaction: Compaction | None = None
        self._is_ending = self._is_broken = False
        self._spare: threading.Thread | None = None
        self._spare_not_before_s = 0.0

    def start(self) -> None:
        """Begin to write."""
        self._worker.start()
        self._prepare_spare()
        self._sync = self._wal.background_sync()
        if self._sync is not None:
            self._loop.add_reader(self._sync.fileno(), self._synced)

    def write(self, persist: Persist) -> None:
        """Queue a write."""
        if self._is_broken:
            return
        if self._sync is None:
            self._worker.write(persist)
            return
        self._waiting.append(persist)
        if self._syncing is None and not self._worker.owes:
            self._write_waiting()

    def compact(self, compaction: Compaction) -> None:
        """Let go of entries once the log holds the snapshot's; a full disk does not delay it."""
        if self._syncing is None:
            self._worker.compact(compaction)
        else:
            self._compaction = compaction  # the newest does for all

    @property
    def busy_s(self) -> float:
        """For how long the disk has not answered; 0 while nothing is asked of it."""
        return self._times.busy_s

    def appends_s(self) -> list[float]:
        """How long each append of entries took, sync included, since this was asked last."""
        return self._times.appends_s()

    def stop(self) -> None:
        """Write what is queued, as far as there is room, then end.

        Blocks until then: called in another thread than the loop's, which goes on meanwhile.
        """
        self._loop.call_soon_threadsafe(self._end)
        self._worker.wait()
        if self._spare is not None:
            self._spare.join()
        self._loop.call_soon_threadsafe(self._let_sync_go)

    # ---------------------------------------------------------------- by the kernel

    def _write_waiting(self) -> None:
        """Write all that waits: nobody else has the log."""
        if self._compaction is None and self._begin(self._waiting):
            self._waiting = []
            return
        self._give_waiting()
        if self._compaction is not None:
            self._worker.compact(self._compaction)
            self._compaction = None

    def _give_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for persist in waiting:
            self._worker.write(persist)

    def _begin(self, group: Sequence[Persist]) -> bool:
        """Write the group and have it synced; False: that is for the thread."""
        plain = _plain_append(group)
        if plain is None:
            return False
        began_s = time.monotonic()
        try:
            unsynced = self._wal.begin_append(*plain)
        except DiskFullError:
            return False
        except BaseException as failure:
            self._break(failure)
            return True
        assert self._sync is not None, "nothing begins without it"
        if unsynced is not None and self._sync.begin(unsynced.file):
            self._times.begin()
            self._syncing = unsynced, group[-1].number, began_s
            self._watch.begun(len(unsynced.records))
        elif unsynced is not None:
            self._let_sync_go()
        return self._syncing is not None

    def _synced(self) -> None:
        """The kernel has done what it was asked for."""
        assert self._sync is not None, "it was asked"
        assert self._syncing is not None, "for something"
        unsynced, number, began_s = self._syncing
        try:
            self._sync.end()
        except OSError as error:
            self._break(self._wal.sync_failure(error))
            return
        except BaseException as failure:
            self._break(failure)
            return
        self._syncing = None
        self._wal.finish_append(unsynced)
        self._times.end()
        self._watch.ended()
        if unsynced.records:
            self._times.appended(time.monotonic() - began_s)
        self._go_on()  # first of all, so that the disk has something to do
        self._hearers.persisted(number)

    def _thread_did(self) -> None:
        """The thread has done a group."""
        if self._syncing is None and not self._worker.owes:
            self._go_on()

    def _go_on(self) -> None:
        if self._wal.wants_spare:
            self._prepare_spare()
        if self._waiting or self._compaction is not None:
            self._write_waiting()
        if self._is_ending and self._syncing is None:
            self._worker.end()

    def _break(self, failure: BaseException) -> None:
        """Tell it, and write nothing any more."""
        self._is_broken = True
        self._let_sync_go()
        self._loop.call_soon(self._hearers.broken, failure)

    def _let_sync_go(self) -> None:
        if self._sync is not None:
            self._loop.remove_reader(self._sync.fileno())
            self._sync.close()
            self._sync = None

    def _end(self) -> None:
        self._is_ending = True
        if self._syncing is None or self._is_broken:
            self._give_waiting()
            self._worker.end()

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
            with suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._hearers.broken, failure)


def _plain_append(group: Sequence[Persist]) -> tuple[list[LogRecord], HardState | None] | None:
    """What a group of writes appends; None: it cuts the log, or is more than the loop writes."""
    if any(one.reset_to is not None or one.truncate_from is not None for one in group):
        return None
    entries = [entry for one in group for entry in one.entries]
    if sum([len(entry.data) for entry in entries]) > LOOP_BYTES_MAX:
        return None  # before anything is made of them: the thread does that
    hard_state: HardState | None = None
    for one in group:
        if one.hard_state is not None:
            hard_state = wal_hard_state(one.hard_state)
    return [record_of(entry) for entry in entries], hard_state
