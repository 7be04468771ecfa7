"""The write-ahead log on a disk: nothing is told to be in it before one fdatasync said so.

One thread writes, and blocks; any thread may read meanwhile. Readers see entries that are on the
disk, no others. A lock guards what is in memory, and is never held during a call to the disk.

Whoever owns the log calls `prepare_spare` in another thread after `open` and whenever
`wants_spare` says so. Without that all still works, but a roll fills a segment with zeros first,
and a full disk is met sooner.
"""

import os.path
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Self

from proconsul.errors import DiskFullError, ProconsulError
from proconsul.runtime.disk import BackgroundSync, Disk, DiskFile, DiskLock
from proconsul.runtime.wal_segment_files import SegmentFiles, WalBrokenError
from proconsul.wal.encoding import (
    encode_entries,
    encode_group,
    encode_hard_state,
    encode_index_and_term,
    encode_start,
)
from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import FORMAT_VERSION, GROUP, MARK_BYTES, HardState, Kind, Position, Start
from proconsul.wal.recovery import Recovery
from proconsul.wal.segments import (
    SEGMENT_BYTES_MIN,
    LogIndex,
    Segment,
    SegmentName,
    bytes_for,
    reserve_bytes,
)

LOCK_NAME: Final = "LOCK"


class WalCompactedError(ProconsulError):
    """The entry was dropped from the log: a snapshot has what it did."""

    def __init__(self, index: int, first_index: int) -> None:
        super().__init__(f"entry {index} is no longer in the log, which begins at {first_index}")
        self.first_index = first_index


@dataclass(frozen=True, slots=True)
class Unsynced:
    """An append whose group is written and not synced: `file` is to be."""

    file: DiskFile
    end: int  # of the group in its segment
    starts: list[int]
    sizes: list[int]
    records: Sequence[LogRecord]
    hard_state: HardState | None


class WalFiles:
    """An open log. Made by `open`; see the module for who may call what."""

    def __init__(self, directory: str, disk: Disk, segment_bytes: int, lock: DiskLock) -> None:
        assert segment_bytes >= SEGMENT_BYTES_MIN, f"segments of {segment_bytes} bytes"
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._dir_lock = lock
        self._memory_lock = threading.Lock()
        self._log = LogIndex()
        self._files = SegmentFiles(directory, disk, segment_bytes)

    @classmethod
    def open(cls, directory: str, disk: Disk, segment_bytes: int) -> Self:
        """Lock the folder and recover the log in it, or begin one.

        Segments that are made from now on have `segment_bytes`. Raises DataDirLockedError,
        WalDamagedError, DiskFullError, WalBrokenError.
        """
        disk.make_dirs(directory)
        lock = disk.lock(os.path.join(directory, LOCK_NAME))
        wal = cls(directory, disk, segment_bytes, lock)
        try:
            wal._recover()
        except BaseException:
            wal.close()
            raise
        return wal

    @property
    def hard_state(self) -> HardState:
        """Term and vote; term 0 in a new log."""
        return self._log.hard_state

    @property
    def first_index(self) -> int:
        """The first entry that can be read; `last_index` + 1 in an empty log."""
        return self._log.first_index

    @property
    def last_index(self) -> int:
        """The last entry, or the one that an empty log starts behind."""
        return self._log.last_index

    @property
    def last_term(self) -> int:
        """The term of that entry."""
        return self._log.last_term

    @property
    def snapshot_index(self) -> int:
        """What the newest snapshot that the log was told of covers; 0: none."""
        return self._log.snapshot_index

    @property
    def snapshot_term(self) -> int:
        """The term of the entry at `snapshot_index`."""
        return self._log.snapshot_term

    @property
    def wants_spare(self) -> bool:
        """Whether it is time for `prepare_spare`."""
        return self._files.wants_spare

    def term_of(self, index: int) -> int | None:
        """The term of an entry, of the one before the first, or of the snapshot; else None."""
        with self._memory_lock:
            return self._log.term_of(index)

    def read(self, first: int, last_inclusive: int, max_bytes: int) -> list[LogRecord]:
        """Entries from `first` on: one at least, and bodies of `max_bytes` in all at most.

        Entries behind the end are left out. Raises WalCompactedError, and WalDamagedError where
        the disk no longer holds what was written.
        """
        with self._memory_lock:
            if first <= self._log.before_index:
                raise WalCompactedError(first, self._log.first_index)
            last = min(last_inclusive, self._log.last_index)
            if first > last:
                return []
            pinned = self._files.pin(self._log.plan_read(first, last, max_bytes))
        return self._files.read(pinned)

    def append(self, records: Sequence[LogRecord], hard_state: HardState | None) -> None:
        """Make entries that follow the last one, and term and vote, durable: all or nothing.

        Raises DiskFullError: the log is as before, and small things (a hard state without
        entries) may still find room. Raises WalBrokenError: the process must end.
        """
        pieces, sizes = self._encode(records, hard_state)
        if not pieces:
            return
        self._make_room(_group_bytes(pieces), small=not records)
        unsynced = self._write_entries(pieces, sizes, records, hard_state)
        self._files.sync(unsynced.file)
        self.finish_append(unsynced)

    def begin_append(
        self, records: Sequence[LogRecord], hard_state: HardState | None
    ) -> Unsynced | None:
        """The same without its sync, which is to follow, and then `finish_append`.

        Nothing else may be written before. What is begun and never finished did not happen:
        `append` may write the same again. None: that is nothing, or needs room that only
        `append` makes. Raises as `append` does.
        """
        pieces, sizes = self._encode(records, hard_state)
        if not pieces or not self._has_room(_group_bytes(pieces)):
            return None
        return self._write_entries(pieces, sizes, records, hard_state)

    def finish_append(self, unsynced: Unsynced) -> None:
        """Its sync has succeeded: the entries are in the log."""
        records = unsynced.records
        self._log.segments[-1].end = unsynced.end
        with self._memory_lock:
            if records:
                self._log.add_entries(
                    unsynced.starts, unsynced.sizes, [record.term for record in records]
                )
            if unsynced.hard_state is not None:
                self._log.hard_state = unsynced.hard_state

    def sync_failure(self, error: OSError) -> WalBrokenError:
        """The sync of an append that was begun failed: nothing may be written any more."""
        return self._files.sync_failure(error)

    def background_sync(self) -> BackgroundSync | None:
        """What syncs the files of appends that were begun; None: the system has none."""
        return self._disk.background_sync()

    def truncate_suffix(self, from_index: int) -> None:
        """Drop the entries from that one on, durably. Raises as `append` does."""
        if from_index > self.last_index:
            return
        assert from_index >= self.first_index, f"cannot cut at {from_index}"
        term_before = self._log.term_of(from_index - 1)
        assert term_before is not None, "the log knows the term before each of its entries"
        self._write_note(Kind.TRUNCATE, from_index, term_before)

    def compact(self, up_to_index: int, snapshot_index: int, snapshot_term: int) -> None:
        """Note a snapshot, then drop the segments that hold no entry above `up_to_index`.

        Raises as `append` does.
        """
        assert up_to_index <= snapshot_index <= self.last_index, "a snapshot ahead: use reset"
        self._write_note(Kind.SNAPSHOT, snapshot_index, snapshot_term)
        self._drop_segments(up_to_index)

    def reset(self, snapshot_index: int, snapshot_term: int) -> None:
        """Drop every entry: the log goes on behind that snapshot. Raises as `append` does."""
        self._write_note(Kind.RESET, snapshot_index, snapshot_term)
        self._drop_segments(snapshot_index)

    def prepare_spare(self) -> bool:
        """Make the next segment ahead of its time; False: no room for it now.

        May run in another thread than the writer's: it takes as long as writing a segment.
        """
        return self._files.prepare_spare()

    def close(self) -> None:
        """Close the files and let other processes in. All that was promised is on the disk."""
        self._files.close()
        self._dir_lock.release()

    def _recover(self) -> None:
        names = self._files.find()
        if not names:
            self._add_segment(0)
            return
        recovery = Recovery()
        for name in names:
            recovery.feed(self._files.path_of(name), name, self._files.load(name))
        self._log, tail = recovery.log, recovery.tail
        self._files.settle(names[-1].sequence, tail.unproven_from, tail.end, tail.strays)
        self._drop_segments(self._log.before_index)

    def _write_note(self, kind: Kind, index: int, term: int) -> None:
        encoded = encode_index_and_term(kind, index, term)
        self._make_room(_group_bytes([encoded]), small=True)
        file, end = self._write_group([encoded])
        self._files.sync(file)
        self._log.segments[-1].end = end
        with self._memory_lock:
            self._log.apply(kind, index, term)

    def _encode(
        self, records: Sequence[LogRecord], hard_state: HardState | None
    ) -> tuple[list[bytes], list[int]]:
        """The pieces of a group, and the size of each record of an entry."""
        pieces, sizes = encode_entries(records, self._log.last_index + 1)
        if hard_state is not None:
            pieces.append(encode_hard_state(hard_state))
        return pieces, sizes

    def _write_entries(
        self,
        pieces: list[bytes],
        sizes: list[int],
        records: Sequence[LogRecord],
        hard_state: HardState | None,
    ) -> Unsynced:
        """Write what was encoded; there is room."""
        starts = list(accumulate(sizes, initial=self._log.segments[-1].end + GROUP.size))
        starts.pop()
        file, end = self._write_group(pieces)
        return Unsynced(file, end, starts, sizes, records, hard_state)

    def _write_group(self, pieces: Sequence[bytes]) -> tuple[DiskFile, int]:
        """Write one group, for which there is room; its file, and where it ends in there."""
        segment = self._log.segments[-1]
        here = Position(segment.name.sequence, segment.end)  # all before it is synced
        group = encode_group(segment.name.mark, here.offset, here, pieces)
        return self._files.write(here.sequence, group, here.offset), here.offset + len(group)

    def _has_room(self, group_bytes: int) -> bool:
        """Whether a group fits into the segment, and leaves what is kept free."""
        segment = self._log.segments[-1]
        return segment.size_bytes - segment.end - group_bytes >= reserve_bytes(segment.size_bytes)

    def _make_room(self, group_bytes: int, *, small: bool) -> None:
        if self._has_room(group_bytes):
            return
        try:
            self._add_segment(group_bytes)
        except DiskFullError:
            segment = self._log.segments[-1]
            if not small or segment.size_bytes - segment.end < group_bytes:
                raise

    def _add_segment(self, group_bytes: int) -> None:
        """Begin a segment with room for that group; it takes over what its forerunners say."""
        log = self._log
        end = log.end if log.segments else Position(0, 0)
        sequence, first_index = end.sequence + 1, log.last_index + 1
        name = SegmentName(sequence, first_index, self._disk.random_bytes(MARK_BYTES))
        start = encode_group(
            name.mark,
            0,
            end,
            (
                encode_start(Start(FORMAT_VERSION, sequence, first_index, log.last_term)),
                encode_index_and_term(Kind.SNAPSHOT, log.snapshot_index, log.snapshot_term),
                encode_hard_state(log.hard_state),
            ),
        )
        size_bytes = bytes_for(group_bytes, len(start), self._segment_bytes)
        self._files.begin(name, start, size_bytes)
        with self._memory_lock:
            log.add_segment(Segment(name, size_bytes, len(start), first_index))

    def _drop_segments(self, up_to_index: int) -> None:
        """Oldest first, each for good before the next: what is left is always without a gap."""
        with self._memory_lock:
            dropped = self._log.drop_segments_before(self._log.count_droppable(up_to_index))
        for segment in dropped:
            self._files.drop(segment.name.sequence, segment.size_bytes)


def _group_bytes(pieces: list[bytes]) -> int:
    return GROUP.size + sum(map(len, pieces))
