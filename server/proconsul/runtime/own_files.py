"""Files and folders of the data directory, changed so that a crash leaves the old or the new.

Each of these is durable when it returns, and may be done again after a crash in its middle. They
are for the start, before anything else uses the data. All raise OSError.
"""

import os.path
from typing import Final

from proconsul.runtime.disk import Disk

PIECE_BYTES: Final = 4 * 1024 * 1024

_ASIDE: Final = ".tmp"


def exists(disk: Disk, path: str) -> bool:
    """Whether there is a file or a folder of that name; its own folder must exist."""
    return os.path.basename(path) in disk.names(os.path.dirname(path))


def replace_file(disk: Disk, path: str, content: bytes) -> None:
    """Have a file with just that content."""
    aside = path + _ASIDE
    if exists(disk, aside):
        disk.remove(aside)
    file = disk.create(aside)
    try:
        file.pwrite(content, 0)
        file.fdatasync()
    finally:
        file.close()
    disk.rename(aside, path)
    disk.fsync_dir(os.path.dirname(path))


def remove_file(disk: Disk, path: str) -> None:
    """Have no such file."""
    if exists(disk, path):
        disk.remove(path)
        disk.fsync_dir(os.path.dirname(path))


def remove_tree(disk: Disk, path: str) -> None:
    """Have no such folder, nor anything that is in it."""
    if exists(disk, path):
        _remove(disk, path)
        disk.fsync_dir(os.path.dirname(path))


def _remove(disk: Disk, path: str) -> None:
    if disk.is_folder(path):
        for name in disk.names(path):
            _remove(disk, os.path.join(path, name))
        disk.fsync_dir(path)  # or the same names, made anew, could go with the old ones
    disk.remove(path)


def move_folder(disk: Disk, source: str, target: str) -> None:
    """Have it under another name of the same folder, unless that was done or there is none."""
    if exists(disk, source) and not exists(disk, target):
        disk.rename(source, target)
    disk.fsync_dir(os.path.dirname(target))


def copy_folder(disk: Disk, source: str, target: str) -> None:
    """Have a copy, unless there is one or there is no such folder: whole once it has its name."""
    if not exists(disk, source) or exists(disk, target):
        return
    aside = target + _ASIDE
    remove_tree(disk, aside)
    _copy(disk, source, aside)
    disk.rename(aside, target)
    disk.fsync_dir(os.path.dirname(target))


def _copy(disk: Disk, source: str, target: str) -> None:
    if not disk.is_folder(source):
        _copy_file(disk, source, target)
        return
    disk.make_dirs(target)
    for name in disk.names(source):
        _copy(disk, os.path.join(source, name), os.path.join(target, name))
    disk.fsync_dir(target)


def _copy_file(disk: Disk, source: str, target: str) -> None:
    old, new = disk.open(source), disk.create(target)
    try:
        offset = 0
        while piece := old.pread(PIECE_BYTES, offset):
            new.pwrite(piece, offset)
            offset += len(piece)
        new.fdatasync()
    finally:
        new.close()
        old.close()
