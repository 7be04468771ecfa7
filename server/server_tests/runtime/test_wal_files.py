"""The log as its user sees it: on a simulated disk, and on a real one."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from proconsul.errors import DiskFullError
from proconsul.runtime.disk import DataDirLockedError, DiskFile, RealDisk, RealFile
from proconsul.runtime.wal_files import WalCompactedError, WalFiles
from proconsul.runtime.wal_segment_files import WalBrokenError
from proconsul.wal.record import (
    HardState,
    LogRecord,
    Position,
    encode_entries,
    encode_group,
)
from proconsul.wal.recovery import WalDamagedError
from proconsul.wal.segments import parse_name
from server_tests.sim.disk import PAGE_BYTES, Lands, PowerLostError, SimDisk

DIRECTORY = "/data/raft/wal"
SEGMENT_BYTES = 16384


@pytest.fixture
def disk() -> SimDisk:
    return SimDisk(random.Random(1).randrange)


@contextmanager
def wal_on(disk: SimDisk) -> Iterator[WalFiles]:
    wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    yield wal
    wal.close()


def entries(first: int, count: int, size: int = 100, term: int = 1) -> list[LogRecord]:
    return [LogRecord(term, first + i, bytes(((first + i) % 256,)) * size) for i in range(count)]


def add(wal: WalFiles, count: int, size: int = 100, term: int = 1) -> None:
    wal.append(entries(wal.last_index + 1, count, size, term), None)


def segments(disk: SimDisk) -> list[str]:
    return [name for name in disk.names(DIRECTORY) if name.endswith(".wal")]


def path_of(disk: SimDisk, place: int) -> str:
    return f"{DIRECTORY}/{segments(disk)[place]}"


def everything(wal: WalFiles) -> list[LogRecord]:
    return wal.read(wal.first_index, wal.last_index, 1 << 30)


def fill_up(wal: WalFiles) -> int:
    """Append until the disk is full; returns how many entries were taken."""
    before = wal.last_index
    with pytest.raises(DiskFullError, match="no space left for the log under /data/raft/wal"):
        add_without_end(wal)
    return wal.last_index - before


def add_without_end(wal: WalFiles) -> None:
    while True:
        add(wal, 1)


def vote_without_end(wal: WalFiles) -> None:
    while True:
        wal.append([], HardState(wal.hard_state.term + 1, b"s1"))


# Lasting.


def test_a_new_log_is_empty(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        assert (wal.first_index, wal.last_index, wal.last_term) == (1, 0, 0)
        assert wal.hard_state == HardState(0, b"")
        assert wal.read(1, 10, 1000) == []


def test_what_append_took_is_there_after_the_power_was_lost(disk: SimDisk) -> None:
    wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    wal.append(entries(1, 3), HardState(1, b"s1"))
    wal.append([], HardState(2, b"s2"))
    disk.crash(Lands.NONE)
    with wal_on(disk) as wal:
        assert everything(wal) == entries(1, 3)
        assert wal.hard_state == HardState(2, b"s2")


def test_a_new_log_is_there_before_anything_was_appended(disk: SimDisk) -> None:
    WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    disk.crash(Lands.NONE)
    assert len(segments(disk)) == 1


def test_entries_of_a_killed_process_that_were_read_are_on_the_disk(disk: SimDisk) -> None:
    wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    disk.fails_syncs = True
    with pytest.raises(WalBrokenError):
        add(wal, 3)  # the kernel has the bytes, and takes them for written
    disk.fails_syncs = False
    disk.kill_process()
    with wal_on(disk) as wal:
        assert wal.last_index == 3
    disk.crash(Lands.NONE)
    with wal_on(disk) as wal:
        assert everything(wal) == entries(1, 3)


def test_without_fdatasync_it_would_not_be(disk: SimDisk) -> None:
    wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    disk.ignores_syncs = True
    add(wal, 3)
    disk.crash(Lands.NONE)
    with wal_on(disk) as wal:
        assert wal.last_index == 0


def test_a_failed_sync_is_the_end(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        add(wal, 1)
        disk.fails_syncs = True
        with pytest.raises(WalBrokenError, match=r"fdatasync failed .*must stop"):
            add(wal, 1)
        disk.fails_syncs = False
        with pytest.raises(WalBrokenError):
            add(wal, 1)
        assert everything(wal) == entries(1, 1)


# Torn, or damaged.


def test_a_group_write_that_was_never_synced_may_lose_its_first_page(disk: SimDisk) -> None:
    wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    add(wal, 2)
    synced = disk.read(path_of(disk, 0))
    disk.ignores_syncs = True
    add(wal, 3, size=3000)
    disk.ignores_syncs = False
    written = disk.read(path_of(disk, 0))
    disk.kill_process()
    holed = synced[:PAGE_BYTES] + written[PAGE_BYTES:]
    assert holed not in (synced, written)
    disk.open(path_of(disk, 0)).pwrite(holed, 0)
    with wal_on(disk) as wal:
        assert everything(wal) == entries(1, 2)
        add(wal, 3, term=2)
        assert everything(wal) == entries(1, 2) + entries(3, 3, term=2)


def test_a_whole_group_behind_a_torn_one_never_comes_back(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        add(wal, 1)
        end = len(disk.read(path_of(disk, 0)).rstrip(b"\x00"))
    name = parse_name(segments(disk)[0])
    assert name is not None
    synced = Position(name.sequence, end)
    torn = encode_group(name.mark, end, synced, encode_entries(entries(2, 1), 2)[0])
    behind = end + len(torn)
    stray = encode_group(name.mark, behind, synced, encode_entries(entries(3, 1), 3)[0])
    disk.open(path_of(disk, 0)).pwrite(bytes(50) + torn[50:] + stray, end)
    with wal_on(disk) as wal:
        assert wal.last_index == 1
        add(wal, 1)  # ends where the other one begins
    with wal_on(disk) as wal:
        assert everything(wal) == entries(1, 2)


def test_damage_in_the_middle_is_refused(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        for _ in range(3):
            add(wal, 1)
    disk.flip_bit(path_of(disk, 0), 300, 3)
    with pytest.raises(WalDamagedError, match=r"0000000001-.*\.wal at byte \d+: .*from a backup"):
        WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    with pytest.raises(WalDamagedError):  # and not for want of the lock
        WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)


def test_every_bit_of_an_older_segment_is_guarded(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        add(wal, 1)
        add(wal, 1, size=SEGMENT_BYTES)
    content = disk.read(path_of(disk, 0))
    end = len(content.rstrip(b"\x00"))
    for bit in range(0, end * 8, 7):
        disk.flip_bit(path_of(disk, 0), bit // 8, bit % 8)
        with pytest.raises(WalDamagedError):
            WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
        disk.flip_bit(path_of(disk, 0), bit // 8, bit % 8)
    with wal_on(disk) as wal:
        assert wal.last_index == 2


def test_an_entry_that_rotted_while_the_log_is_open_is_not_given_out(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        add(wal, 3)
    with wal_on(disk) as wal:  # nothing is in memory now
        offset = disk.read(path_of(disk, 0)).index(bytes((2,)) * 100)
        disk.flip_bit(path_of(disk, 0), offset + 50, 0)
        assert wal.read(1, 1, 1000) == entries(1, 1)
        with pytest.raises(WalDamagedError, match="entry 2 does not read as it was written"):
            wal.read(1, 3, 1000)


def test_a_lost_segment_is_refused(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        for _ in range(3):
            add(wal, 1, size=12_000)
    disk.remove(path_of(disk, 1))
    with pytest.raises(WalDamagedError, match="is missing"):
        WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)


# Rolling, compaction, truncation.


def test_segments_roll_and_the_log_reads_over_them(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        for _ in range(10):
            add(wal, 2, size=2000)
        assert len(segments(disk)) == 4
    with wal_on(disk) as wal:
        assert everything(wal) == entries(1, 20, size=2000)


def test_a_group_larger_than_a_segment_gets_its_own(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        add(wal, 1)
        add(wal, 1, size=100_000)
        add(wal, 1)
    with wal_on(disk) as wal:
        assert [len(entry.body) for entry in everything(wal)] == [100, 100_000, 100]


def test_a_spare_makes_rolling_quick_and_outlives_a_restart(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        assert wal.wants_spare
        assert wal.prepare_spare()
        assert not wal.wants_spare
    with wal_on(disk) as wal:
        assert not wal.wants_spare
        add(wal, 1, size=12_000)
        add(wal, 1, size=12_000)
        assert wal.wants_spare  # the spare is the second segment now


def test_a_spare_of_another_size_is_not_used(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        wal.prepare_spare()
    wal = WalFiles.open(DIRECTORY, disk, 2 * SEGMENT_BYTES)
    assert wal.wants_spare
    assert disk.names(DIRECTORY) == segments(disk)


def test_a_segment_of_another_size_is_removed_not_kept_as_spare(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        add(wal, 1, size=100_000)
        wal.compact(0, 1, 1)  # drops the first one, which is empty, and keeps it as spare
        add(wal, 1, size=12_000)
        add(wal, 1, size=12_000)  # into the spare
        wal.compact(1, 1, 1)
        assert wal.wants_spare
        assert disk.used_bytes() == 2 * SEGMENT_BYTES


def test_a_segment_that_is_being_read_is_dropped_under_the_reader(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        for _ in range(3):
            add(wal, 1, size=12_000)
    with wal_on(disk) as wal:

        def compact() -> None:
            disk.before_read = lambda: None
            wal.compact(2, 2, 1)
            add(wal, 1, size=12_000)

        disk.before_read = compact
        assert wal.read(1, 2, 1 << 20) == entries(1, 2, size=12_000)
        assert wal.first_index == 3
        assert disk.open_files == len(segments(disk))


def test_compaction_drops_whole_segments_and_keeps_one_as_spare(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        for _ in range(6):
            add(wal, 1, size=12_000)
        wal.compact(up_to_index=4, snapshot_index=5, snapshot_term=1)
        assert (wal.first_index, wal.last_index) == (5, 6)
        assert len(segments(disk)) == 2
        assert not wal.wants_spare
        with pytest.raises(WalCompactedError, match="begins at 5"):
            wal.read(4, 6, 1000)
        add(wal, 1, size=12_000)  # into the recycled one
    disk.crash(Lands.NONE)
    with wal_on(disk) as wal:
        assert (wal.snapshot_index, wal.snapshot_term) == (5, 1)
        assert everything(wal) == entries(5, 3, size=12_000)
        assert wal.term_of(4) == 1


def test_term_and_vote_outlive_the_segment_that_they_were_written_to(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        wal.append([], HardState(7, b"s3"))
        for _ in range(3):
            add(wal, 1, size=12_000)
        wal.compact(2, 3, 1)
    with wal_on(disk) as wal:
        assert wal.hard_state == HardState(7, b"s3")


def test_a_conflicting_suffix_is_replaced_and_stays_so(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        for _ in range(4):
            add(wal, 2, size=5000)
        wal.truncate_suffix(4)
        assert wal.last_index == 3
        add(wal, 2, term=2)
        expected = entries(1, 3, size=5000) + entries(4, 2, term=2)
        assert everything(wal) == expected
    disk.crash(Lands.NONE)
    with wal_on(disk) as wal:
        assert everything(wal) == expected
        assert wal.last_term == 2


def test_a_truncation_is_durable_by_itself(disk: SimDisk) -> None:
    wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    add(wal, 5)
    wal.truncate_suffix(2)
    disk.crash(Lands.NONE)
    with wal_on(disk) as wal:
        assert everything(wal) == entries(1, 1)


def test_a_reset_starts_behind_the_snapshot(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        for _ in range(4):
            add(wal, 1, size=12_000)
        wal.reset(100, 9)
        assert (wal.first_index, wal.last_index, wal.last_term) == (101, 100, 9)
        assert len(segments(disk)) == 1
        wal.append(entries(101, 1, term=9), None)
    with wal_on(disk) as wal:
        assert (wal.snapshot_index, wal.snapshot_term) == (100, 9)
        assert everything(wal) == entries(101, 1, term=9)


def test_segments_that_a_reset_left_behind_go_at_the_next_start(disk: SimDisk) -> None:
    wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    for _ in range(3):
        add(wal, 1, size=12_000)
    disk.calls_left = 2  # the reset is written and synced, no more
    with pytest.raises(PowerLostError):
        wal.reset(100, 9)
    disk.crash(Lands.NONE)
    assert len(segments(disk)) == 3
    with wal_on(disk) as wal:
        assert (wal.first_index, wal.snapshot_term) == (101, 9)
        assert len(segments(disk)) == 1


# A full disk.


def test_a_full_disk_refuses_entries_takes_votes_and_recovers_with_room(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        disk.capacity_bytes = disk.used_bytes()
        taken = fill_up(wal)
        assert everything(wal) == entries(1, taken)
        wal.append([], HardState(5, b"s2"))
        wal.truncate_suffix(taken)
        disk.capacity_bytes = None
        add(wal, 1, term=5)
    disk.crash(Lands.NONE)
    with wal_on(disk) as wal:
        assert wal.hard_state == HardState(5, b"s2")
        assert everything(wal) == entries(1, taken - 1) + entries(taken, 1, term=5)


def test_the_spare_is_room_that_a_full_disk_cannot_take(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        wal.prepare_spare()
        disk.capacity_bytes = disk.used_bytes()
        assert fill_up(wal) > SEGMENT_BYTES // 200  # more than one segment's worth
        assert len(segments(disk)) == 2
        assert not wal.prepare_spare()


def test_compaction_makes_room_on_a_full_disk(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        wal.prepare_spare()
        disk.capacity_bytes = disk.used_bytes()
        taken = fill_up(wal)
        wal.compact(taken, taken, 1)
        assert fill_up(wal) > SEGMENT_BYTES // 400
        assert len(segments(disk)) == 2


def test_a_large_entry_that_finds_no_room_leaves_nothing_behind(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        before = disk.names(DIRECTORY)
        disk.capacity_bytes = disk.used_bytes() + 50_000
        with pytest.raises(DiskFullError):
            add(wal, 1, size=100_000)
        assert disk.names(DIRECTORY) == before
        add(wal, 1)
        assert everything(wal) == entries(1, 1)


def test_a_disk_that_copies_on_write_may_be_full_at_any_write(disk: SimDisk) -> None:
    disk.copies_on_write = True
    with wal_on(disk) as wal:
        add(wal, 1)
        wal.prepare_spare()
        names = disk.names(DIRECTORY)
        disk.capacity_bytes = disk.used_bytes()
        for size in (100, 15_100):  # here, and where the spare must be begun for it
            with pytest.raises(DiskFullError):
                add(wal, 1, size=size)
        assert disk.names(DIRECTORY) == names
        assert not wal.wants_spare
        disk.capacity_bytes = None
        add(wal, 1, size=15_100)
    disk.crash(Lands.NONE)
    with wal_on(disk) as wal:
        assert [len(entry.body) for entry in everything(wal)] == [100, 15_100]


def test_a_segment_never_grows_over_its_place(disk: SimDisk) -> None:
    with wal_on(disk) as wal:
        add(wal, 1, size=14_000)
        disk.capacity_bytes = disk.used_bytes() + 1000
        with pytest.raises(DiskFullError):
            vote_without_end(wal)
        assert wal.hard_state.term > 10
        assert len(disk.read(path_of(disk, 0))) == SEGMENT_BYTES


# Others.


def test_a_second_process_is_refused(disk: SimDisk) -> None:
    with wal_on(disk), pytest.raises(DataDirLockedError, match="LOCK is locked by process"):
        WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    with wal_on(disk):
        pass


def test_after_close_nothing_is_taken(disk: SimDisk) -> None:
    wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    wal.close()
    with pytest.raises(WalBrokenError, match="after it was closed"):
        add(wal, 1)


class CountingFile(RealFile):
    """A real file that notes what was asked of it."""

    def __init__(self, fd: int, calls: list[str]) -> None:
        super().__init__(fd)
        self._calls = calls

    def pwrite(self, content: bytes, offset: int) -> None:
        self._calls.append("pwrite")
        super().pwrite(content, offset)

    def fdatasync(self) -> None:
        super().fdatasync()
        self._calls.append("fdatasync")


class CountingDisk(RealDisk):
    """A real disk whose files note what was asked of them."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def open(self, path: str) -> DiskFile:
        file = super().open(path)
        assert isinstance(file, RealFile)
        return CountingFile(file.fd, self.calls)


def test_an_append_is_one_write_and_one_sync_on_real_files(tmp_path: Path) -> None:
    disk = CountingDisk()
    wal = WalFiles.open(str(tmp_path / "raft" / "wal"), disk, 1 << 20)
    disk.calls.clear()
    for _ in range(100):
        add(wal, 1)
    wal.append(entries(101, 64), HardState(3, b"s1"))
    wal.append([], HardState(4, b""))
    assert disk.calls == ["pwrite", "fdatasync"] * 102
    wal.close()
    again = WalFiles.open(str(tmp_path / "raft" / "wal"), RealDisk(), 1 << 20)
    assert everything(again) == entries(1, 164)
    assert again.hard_state == HardState(4, b"")
    again.close()


def test_appending_changes_neither_size_nor_blocks_of_the_file(tmp_path: Path) -> None:
    wal = WalFiles.open(str(tmp_path), RealDisk(), 1 << 20)
    (segment,) = tmp_path.glob("*.wal")
    before = segment.stat()
    add(wal, 10, size=1000)
    after = segment.stat()
    assert (after.st_size, after.st_blocks) == (before.st_size, before.st_blocks)
    assert before.st_size == 1 << 20
    wal.close()


def test_rolling_compacting_and_truncating_work_on_real_files(tmp_path: Path) -> None:
    wal = WalFiles.open(str(tmp_path), RealDisk(), SEGMENT_BYTES)
    for _ in range(8):
        add(wal, 2, size=5000)
    wal.truncate_suffix(15)
    wal.compact(6, 10, 1)
    wal.append(entries(15, 2, term=2), None)
    first, expected = wal.first_index, everything(wal)
    assert first > 1
    wal.close()
    wal = WalFiles.open(str(tmp_path), RealDisk(), SEGMENT_BYTES)
    assert (wal.first_index, everything(wal)) == (first, expected)
    wal.close()


def test_others_read_while_the_log_is_written_rolled_and_compacted(tmp_path: Path) -> None:
    wal = WalFiles.open(str(tmp_path), RealDisk(), SEGMENT_BYTES)
    add(wal, 1, size=2000)
    failures: list[BaseException] = []
    reads = 0

    def read() -> None:
        nonlocal reads
        try:
            while not is_done:
                try:
                    first = wal.first_index
                    found = wal.read(first, first + 5, 1 << 20)
                    assert found == entries(first, len(found), size=2000)
                    reads += 1
                except WalCompactedError:
                    pass  # it was dropped in between
        except BaseException as error:
            failures.append(error)

    is_done = False
    reader = Thread(target=read)
    reader.start()
    for index in range(2, 80):
        wal.append(entries(index, 1, size=2000), None)
        if index % 20 == 0:
            wal.compact(index - 5, index, 1)
    is_done = True
    reader.join()
    wal.close()
    assert not failures
    assert reads
