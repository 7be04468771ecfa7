"""The kernel's own fdatasync, on real files."""

import asyncio
import os
import select
from pathlib import Path

import pytest

from proconsul.runtime.disk import RealDisk
from proconsul.runtime.kernel_sync import KernelSync


def is_readable(sync: KernelSync, within_s: float) -> bool:
    return bool(select.select([sync], [], [], within_s)[0])


def test_each_sync_is_told_once_and_files_may_change_between_them(tmp_path: Path) -> None:
    sync = KernelSync()
    files = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in "ab"]
    assert not is_readable(sync, 0)
    for number in range(20):
        file = files[number % 2]
        os.pwrite(file, bytes(5000), number * 5000)
        sync.begin(file)
        assert is_readable(sync, 60)
        sync.end()
        assert not is_readable(sync, 0)
    sync.close()
    for file in files:
        os.close(file)


async def test_a_loop_hears_of_it(tmp_path: Path) -> None:
    sync = KernelSync()
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sync, ended.set)
    os.pwrite(file, b"content", 0)
    sync.begin(file)
    await ended.wait()
    sync.end()
    asyncio.get_running_loop().remove_reader(sync)
    sync.close()
    os.close(file)


def test_what_cannot_be_synced_is_refused_at_once_and_the_next_file_is_not() -> None:
    sync = KernelSync()
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="io_submit: Invalid argument"):
        sync.begin(writing)
    os.close(reading)
    os.close(writing)
    with pytest.raises(OSError, match="io_submit: Bad file descriptor"):
        sync.begin(writing)
    assert not is_readable(sync, 0)
    sync.close()


def test_a_disk_has_it_or_says_that_it_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = RealDisk()
    sync = disk.background_sync()
    assert sync is not None
    file = disk.create(str(tmp_path / "file"))
    assert sync.begin(file)
    assert select.select([sync.fileno()], [], [], 60)[0]
    sync.end()
    sync.close()
    file.close()
    monkeypatch.setattr("platform.machine", lambda: "a processor that nobody knows")
    assert disk.background_sync() is None
