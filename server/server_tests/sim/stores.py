"""What a server has on its disk, and what of it a crash leaves.

Two stores with the same meaning. `MemoryStore` is a list, for speed. `WalStore` is the real log
(runtime/wal_files.py) on the simulated disk of disk.py, where writes tear, syncs fail and bits
rot. Snapshots are durable once `keep_snapshot` was called, in both.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from proconsul.errors import DiskFullError
from proconsul.raft.effects import Persist
from proconsul.raft.entry import Entry
from proconsul.raft.messages import HardState, Index, SnapshotMeta
from proconsul.runtime.log_entries import entry_of, raft_hard_state, record_of, wal_hard_state
from proconsul.runtime.wal_files import WalFiles
from proconsul.runtime.wal_segment_files import WalBrokenError
from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import HardState as WalHardState
from proconsul.wal.recovery import WalDamagedError, find_groups
from proconsul.wal.segments import SegmentName, parse_name
from server_tests.sim.disk import Lands, PowerLostError, SimDisk
from server_tests.sim.kv import EMPTY, Body

T = TypeVar("T")

FOLDER = "/wal"
SNAPSHOTS_KEPT = 2

Snapshot = tuple[SnapshotMeta, Body]
NO_SNAPSHOT: Snapshot = (SnapshotMeta(), EMPTY)


class DeadDiskError(Exception):
    """The server must end: what is on its disk is not known, or is damaged."""


class Store(Protocol):
    """What outlives the process."""

    snapshots: list[Snapshot]  # the newest first

    @property
    def hard_state(self) -> HardState:
        """Term and vote as they are on the disk."""

    def open(self) -> tuple[Snapshot, Sequence[Entry]]:
        """Recover: the snapshot to begin from, and the entries. Raises DeadDiskError."""

    def write(self, group: Sequence[Persist]) -> None:
        """Make these writes durable. Raises DeadDiskError, DiskFullError."""

    def read(self, first: Index, last: Index, bytes_max: int) -> Sequence[Entry]:
        """A prefix of these entries. Raises DeadDiskError."""

    def compact(self, snapshot: SnapshotMeta, keep_from: Index) -> None:
        """Drop the entries in front of `keep_from`."""

    def end(self, in_flight: Sequence[Persist], *, power_lost: bool) -> None:
        """The process is gone in the middle of a write: any part of it may be there."""

    def rot(self) -> bool:
        """Damage something that was promised; False where nothing can be damaged now."""

    def fail_syncs(self) -> None:
        """From now on no sync succeeds, until the process has ended."""

    def fill(self, *, full: bool) -> None:
        """Have no room, or have room again."""


def keep_snapshot(store: Store, snapshot: Snapshot) -> None:
    """Put a snapshot there, durably; the oldest goes."""
    store.snapshots.insert(0, snapshot)
    store.snapshots.sort(key=lambda one: one[0].index, reverse=True)
    del store.snapshots[SNAPSHOTS_KEPT:]


def usable_snapshot(store: Store, hard_state: HardState, first_index: int) -> Snapshot:
    """The newest one that the log goes on from (runtime/storage.py has the same rule)."""
    for snapshot in (*store.snapshots, NO_SNAPSHOT):
        if snapshot[0].term <= hard_state.term and first_index <= snapshot[0].index + 1:
            return snapshot
    raise DeadDiskError("no snapshot reaches up to the log")


class MemoryStore:
    """A list of entries. What was not synced is gone, as far as the die says."""

    def __init__(self, die: random.Random) -> None:
        self.snapshots: list[Snapshot] = []
        self.hard_state = HardState()
        self._die = die
        self._entries: list[Entry] = []
        self._before = Index(0)  # the entry in front of the first
        self._fails = False
        self._is_full = False
        self._is_damaged = False

    def open(self) -> tuple[Snapshot, Sequence[Entry]]:
        """See Store."""
        self._fails = self._is_full = False
        if self._is_damaged:
            raise DeadDiskError("damaged")
        snapshot = usable_snapshot(self, self.hard_state, self._before + 1)
        if snapshot[0].index > self._before + len(self._entries):
            self._reset(snapshot[0])
        return snapshot, list(self._entries)

    def write(self, group: Sequence[Persist]) -> None:
        """See Store."""
        if self._is_full:
            raise DiskFullError(FOLDER)
        if self._fails:
            self._write_some(group)
            raise DeadDiskError("a sync failed")
        for persist in group:
            self._cut(persist)
            self._add(persist)

    def read(self, first: Index, last: Index, bytes_max: int) -> Sequence[Entry]:
        """See Store."""
        if self._is_damaged:
            raise DeadDiskError("damaged")
        start = first - self._before - 1
        assert start >= 0, "only what the log holds is read"
        return self._entries[start : min(start + 8, last - self._before)]

    def compact(self, snapshot: SnapshotMeta, keep_from: Index) -> None:
        """See Store."""
        if keep_from - 1 > self._before:
            del self._entries[: keep_from - 1 - self._before]
            self._before = Index(keep_from - 1)

    def end(self, in_flight: Sequence[Persist], *, power_lost: bool) -> None:
        """See Store."""
        self._write_some(in_flight)

    def rot(self) -> bool:
        """See Store."""
        self._is_damaged = len(self._entries) > 1
        return self._is_damaged

    def fail_syncs(self) -> None:
        """See Store."""
        self._fails = True

    def fill(self, *, full: bool) -> None:
        """See Store."""
        self._is_full = full

    def _write_some(self, group: Sequence[Persist]) -> None:
        whole = self._die.randrange(len(group) + 1)
        for persist in group[:whole]:
            self._cut(persist)
            self._add(persist)
        if whole < len(group) and self._die.random() < 0.5:
            self._cut(group[whole])

    def _cut(self, persist: Persist) -> None:
        if persist.reset_to is not None:
            self._reset(persist.reset_to)
        if persist.truncate_from is not None:
            del self._entries[max(0, persist.truncate_from - self._before - 1) :]

    def _reset(self, snapshot: SnapshotMeta) -> None:
        self._entries = []
        self._before = snapshot.index

    def _add(self, persist: Persist) -> None:
        if persist.hard_state is not None:
            self.hard_state = persist.hard_state
        for entry in persist.entries:
            assert entry.index == self._before + len(self._entries) + 1, "no holes on the disk"
            self._entries.append(entry)


class WalStore:
    """The real log on the simulated disk."""

    def __init__(self, die: random.Random, segment_bytes: int) -> None:
        self.snapshots: list[Snapshot] = []
        self.disk = SimDisk(die.randrange)
        self.torn = 0  # crashes that left a group half written
        self._die = die
        self._segment_bytes = segment_bytes
        self._wal: WalFiles | None = None
        self._pieces: deque[Callable[[], None]] = deque()  # of the group that is being written

    @property
    def wal(self) -> WalFiles:
        """The open log."""
        assert self._wal is not None, "opened before"
        return self._wal

    @property
    def hard_state(self) -> HardState:
        """Term and vote as they are on the disk."""
        return raft_hard_state(self.wal.hard_state)

    def open(self) -> tuple[Snapshot, Sequence[Entry]]:
        """See Store."""
        self.disk.fails_syncs = False
        self.disk.capacity_bytes = None
        self._pieces.clear()
        wal = self._wal = self._guard(lambda: WalFiles.open(FOLDER, self.disk, self._segment_bytes))
        snapshot = usable_snapshot(self, self.hard_state, wal.first_index)
        if snapshot[0].index > wal.last_index:
            wal.reset(snapshot[0].index, snapshot[0].term)
        entries: list[Entry] = []
        while wal.first_index + len(entries) <= wal.last_index:
            at = Index(wal.first_index + len(entries))
            entries += self.read(at, Index(wal.last_index), 4096)
        return snapshot, entries

    def write(self, group: Sequence[Persist]) -> None:
        """See Store."""
        self._guard(lambda: self._write(group))
        if self.wal.wants_spare and self._die.random() < 0.5:
            self._guard(self.wal.prepare_spare)

    def read(self, first: Index, last: Index, bytes_max: int) -> Sequence[Entry]:
        """See Store."""
        return self._guard(
            lambda: [entry_of(one) for one in self.wal.read(first, last, min(bytes_max, 4096))]
        )

    def compact(self, snapshot: SnapshotMeta, keep_from: Index) -> None:
        """See Store."""
        wal = self.wal
        if wal.snapshot_index <= snapshot.index <= wal.last_index:
            try:
                self._guard(lambda: wal.compact(keep_from - 1, snapshot.index, snapshot.term))
            except DiskFullError:
                return  # the next one does it

    def end(self, in_flight: Sequence[Persist], *, power_lost: bool) -> None:
        """See Store."""
        if self._wal is not None and in_flight and self._die.random() < 0.8:
            self.disk.calls_left = self._die.randrange(4)
            try:
                self._write(in_flight)
            except PowerLostError:
                self.torn += 1
            except (WalBrokenError, DiskFullError):
                pass
        if power_lost:
            self.disk.crash(self._die.choice((Lands.SOME, Lands.SOME, Lands.NONE, Lands.ALL)))
        else:
            self.disk.kill_process()

    def rot(self) -> bool:
        """Flip a bit in some group but the last one: damage to that one passes for torn."""
        names = [name for text in self.disk.names(FOLDER) if (name := parse_name(text)) is not None]
        groups = [(name, group) for name in sorted(names) for group in self._groups(name)][:-1]
        if not groups:
            return False
        name, group = self._die.choice(groups)
        offset = self._die.randrange(group[0], group[1])
        self.disk.flip_bit(f"{FOLDER}/{name.text}", offset, self._die.randrange(8))
        return True

    def _groups(self, name: SegmentName) -> list[tuple[int, int]]:
        content = self.disk.read(f"{FOLDER}/{name.text}")
        return [(one.offset, one.end) for one in find_groups(content, 0, name.mark)]

    def fail_syncs(self) -> None:
        """See Store."""
        self.disk.fails_syncs = True

    def fill(self, *, full: bool) -> None:
        """See Store."""
        self.disk.capacity_bytes = self.disk.used_bytes() if full else None

    def _write(self, group: Sequence[Persist]) -> None:
        """Do it in pieces; what found no room is done first the next time."""
        if not self._pieces:
            self._pieces.extend(self._pieces_of(group))
        while self._pieces:
            self._pieces[0]()
            self._pieces.popleft()

    def _pieces_of(self, group: Sequence[Persist]) -> list[Callable[[], None]]:
        """The calls that the log's writer makes of it (runtime/log_thread.py)."""
        wal = self.wal
        pieces: list[Callable[[], None]] = []
        records: list[LogRecord] = []
        hard_state: WalHardState | None = None
        for persist in group:
            reset, cut = persist.reset_to, persist.truncate_from
            if reset is not None or cut is not None:
                pieces.append(partial(wal.append, records, hard_state))
                records, hard_state = [], None
            if reset is not None:
                pieces.append(partial(wal.reset, reset.index, reset.term))
            if cut is not None:
                pieces.append(partial(wal.truncate_suffix, cut))
            if persist.hard_state is not None:
                hard_state = wal_hard_state(persist.hard_state)
            records += [record_of(entry) for entry in persist.entries]
        return [*pieces, partial(wal.append, records, hard_state)]

    def _guard(self, do: Callable[[], T]) -> T:
        try:
            return do()
        except (WalBrokenError, WalDamagedError) as broken:
            raise DeadDiskError(str(broken)) from broken
