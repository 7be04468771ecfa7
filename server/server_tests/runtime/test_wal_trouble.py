"""A torn tail, rot, and a full disk: what the log survives, and what it refuses to go on with."""

import random

import pytest

from proconsul.errors import DiskFullError
from proconsul.runtime.wal_files import WalFiles
from proconsul.wal.encoding import (
    encode_entries,
    encode_group,
)
from proconsul.wal.record import (
    HardState,
    Position,
)
from proconsul.wal.recovery import WalDamagedError
from proconsul.wal.segments import parse_name
from server_tests.runtime.wal_stories import (
    DIRECTORY,
    SEGMENT_BYTES,
    add,
    entries,
    everything,
    path_of,
    segments,
    wal_on,
)
from server_tests.sim.disk import PAGE_BYTES, Lands, SimDisk


@pytest.fixture
def disk() -> SimDisk:
    return SimDisk(random.Random(1).randrange)


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
