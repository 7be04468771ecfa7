"""The real disk does what the simulated one promises."""

import os
from pathlib import Path

import pytest

from proconsul.runtime.disk import DataDirLockedError, RealDisk


def test_folders_are_made_with_those_above_them(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    RealDisk().make_dirs(str(path))
    RealDisk().make_dirs(str(path))
    assert path.is_dir()
    assert path.stat().st_mode & 0o777 == 0o700


def test_a_preallocated_file_is_zeros_and_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    RealDisk().preallocate(str(path), 3 * 1024 * 1024 + 17)
    assert path.read_bytes() == bytes(3 * 1024 * 1024 + 17)
    assert path.stat().st_blocks * 512 >= 3 * 1024 * 1024


def test_preallocating_leaves_a_file_that_exists_alone(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        RealDisk().preallocate(str(path), 100)
    assert path.read_bytes() == b"mine"


def test_preallocating_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    with pytest.raises(OSError, match="too large"):
        RealDisk().preallocate(str(path), 1 << 62)
    assert not path.exists()


def test_a_file_is_written_and_read_at_any_place(tmp_path: Path) -> None:
    file = RealDisk().create(str(tmp_path / "file"))
    file.pwrite(b"behind", 10)
    file.pwrite(b"front", 0)
    file.fdatasync()
    assert file.size_bytes() == 16
    assert file.pread(16, 0) == b"front" + bytes(5) + b"behind"
    assert file.pread(100, 10) == b"behind"
    assert file.pread(100, 100) == b""
    file.close()


def test_names_come_sorted_and_go(tmp_path: Path) -> None:
    disk = RealDisk()
    for name in ("b", "a"):
        disk.create(str(tmp_path / name)).close()
    disk.make_dirs(str(tmp_path / "d"))
    disk.rename(str(tmp_path / "a"), str(tmp_path / "c"))
    assert disk.names(str(tmp_path)) == ["b", "c", "d"]
    disk.remove(str(tmp_path / "b"))
    disk.remove(str(tmp_path / "d"))
    disk.fsync_dir(str(tmp_path))
    assert disk.names(str(tmp_path)) == ["c"]


def test_a_lock_is_held_once_and_names_its_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "LOCK")
    lock = RealDisk().lock(path)
    with pytest.raises(DataDirLockedError, match=f"locked by process {os.getpid()}"):
        RealDisk().lock(path)
    lock.release()
    RealDisk().lock(path).release()


def test_there_is_room_and_chance(tmp_path: Path) -> None:
    assert RealDisk().free_bytes(str(tmp_path)) > 0
    assert len({RealDisk().random_bytes(8) for _ in range(100)}) == 100
