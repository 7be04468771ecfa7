"""The log as its user sees it: on a simulated disk, and on a real one."""

import random
from pathlib import Path
from threading import Thread

import pytest

from proconsul.runtime.disk import DataDirLockedError, DiskFile, RealDisk, RealFile
from proconsul.runtime.wal_files import WalCompactedError, WalFiles
from proconsul.runtime.wal_segment_files import WalBrokenError
from proconsul.wal.record import HardState
from server_tests.runtime.wal_stories import (
    DIRECTORY,
    SEGMENT_BYTES,
    add,
    entries,
    everything,
    segments,
    wal_on,
)
from server_tests.sim.disk import Lands, PowerLostError, SimDisk


@pytest.fixture
def disk() -> SimDisk:
    return SimDisk(random.Random(1).randrange)


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
