"""The simulated disk forgets what a real one may forget, and nothing else."""

import errno
import random

import pytest

from server_tests.sim.disk import PAGE_BYTES, SECTOR_BYTES, Lands, PowerLostError, SimDisk


@pytest.fixture
def disk() -> SimDisk:
    disk = SimDisk(random.Random(1).randrange)
    disk.make_dirs("/d")
    return disk


def test_synced_content_under_a_synced_name_stays(disk: SimDisk) -> None:
    file = disk.create("/d/f")
    file.pwrite(b"synced", 0)
    file.fdatasync()
    disk.fsync_dir("/d")
    file.pwrite(b"unsynced", 0)
    disk.crash(Lands.NONE)
    assert disk.read("/d/f") == b"synced"


def test_a_name_that_was_not_synced_is_lost(disk: SimDisk) -> None:
    disk.create("/d/f").fdatasync()
    disk.crash(Lands.NONE)
    assert disk.names("/d") == []


def test_a_rename_lands_whole_or_not_at_all(disk: SimDisk) -> None:
    for seed in range(10):
        disk = SimDisk(random.Random(seed).randrange)
        disk.make_dirs("/d")
        disk.create("/d/a")
        disk.fsync_dir("/d")
        disk.rename("/d/a", "/d/b")
        disk.crash(Lands.SOME)
        assert disk.names("/d") in (["a"], ["b"])


def test_pages_land_one_by_one_and_are_torn_between_sectors() -> None:
    landed: set[bytes] = set()
    for seed in range(50):
        disk = SimDisk(random.Random(seed).randrange)
        disk.make_dirs("/d")
        disk.preallocate("/d/f", 4 * PAGE_BYTES)
        disk.fsync_dir("/d")
        disk.open("/d/f").pwrite(b"x" * 4 * PAGE_BYTES, 0)
        disk.crash(Lands.SOME)
        content = disk.read("/d/f")
        sectors = [content[at : at + SECTOR_BYTES] for at in range(0, len(content), SECTOR_BYTES)]
        assert all(len(set(sector)) == 1 for sector in sectors)
        landed.add(content)
    assert len(landed) > 40
    assert any(b"x" not in content[:PAGE_BYTES] and b"x" in content for content in landed)


def test_a_failed_sync_forgets_the_pages_for_good(disk: SimDisk) -> None:
    disk.preallocate("/d/f", 10)
    disk.fsync_dir("/d")
    file = disk.open("/d/f")
    file.pwrite(b"x", 0)
    disk.fails_syncs = True
    with pytest.raises(OSError, match="fdatasync failed"):
        file.fdatasync()
    disk.fails_syncs = False
    file.fdatasync()
    assert disk.read("/d/f")[:1] == b"x"  # to whoever reads it now
    disk.crash(Lands.ALL)
    assert disk.read("/d/f")[:1] == b"\x00"


def test_a_full_disk_takes_what_was_preallocated_and_no_more(disk: SimDisk) -> None:
    disk.preallocate("/d/f", 100)
    disk.capacity_bytes = 150
    disk.open("/d/f").pwrite(b"x" * 100, 0)
    with pytest.raises(OSError, match="no space") as failure:
        disk.preallocate("/d/g", 51)
    assert failure.value.errno == errno.ENOSPC
    assert disk.names("/d") == ["f"]
    assert disk.free_bytes("/d") == 50


def test_the_power_is_lost_at_the_call_that_was_chosen(disk: SimDisk) -> None:
    file = disk.create("/d/f")
    disk.calls_left = 1
    file.pwrite(b"one", 0)
    with pytest.raises(PowerLostError):
        file.pwrite(b"two", 0)
    disk.crash(Lands.ALL)
    with pytest.raises(AssertionError, match="dead"):
        file.pwrite(b"three", 0)


def test_a_folder_moves_with_the_names_in_it_that_were_synced(disk: SimDisk) -> None:
    disk.make_dirs("/d/s.tmp")
    disk.create("/d/s.tmp/one")
    disk.fsync_dir("/d/s.tmp")
    disk.create("/d/s.tmp/two")
    disk.rename("/d/s.tmp", "/d/s")
    disk.fsync_dir("/d")
    assert disk.names("/d/s") == ["one", "two"]
    disk.crash(Lands.NONE)
    assert disk.names("/d/s") == ["one"]
