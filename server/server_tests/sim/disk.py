"""A disk in memory that forgets, after a power loss, what was never synced.

It keeps two states of each file and folder: what a process sees, and what has reached the
platter. `crash` lets all, none or a random part of the difference land: page by page, a page torn
between sectors, names one by one. It fails and fills up when told to.
"""

import errno
import os
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from proconsul.runtime.disk import DataDirLockedError, DiskFile

PAGE_BYTES = 4096
SECTOR_BYTES = 512

Die = Callable[[int], int]  # a number from 0 up to, not including, that many


class Lands(Enum):
    """How much of what was never synced is on the platter after a crash."""

    ALL = "all"
    NONE = "none"
    SOME = "some"


class PowerLostError(Exception):
    """The machine is off: only `crash` brings it back."""


@dataclass(eq=False)
class Inode:
    """A file: what processes see of it, what is on the platter, and the pages in between."""

    seen: bytearray = field(default_factory=bytearray)
    platter: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)


Names = dict[str, Inode | None]  # by path; a folder is None
Change = Callable[[Names], None]


class SimDisk:
    """The Disk of the simulated world. `die` decides all that is random."""

    def __init__(self, die: Die) -> None:
        self._die = die
        self._seen: Names = {"/": None}
        self._platter: Names = {"/": None}
        self._changes: list[tuple[str, Change]] = []  # folder, change: not yet synced
        self._locked: set[str] = set()
        self._life = 0
        self.capacity_bytes: int | None = None
        self.ignores_syncs = False
        self.fails_syncs = False
        self.calls_left: int | None = None  # until the power is lost, in calls that change things
        self.copies_on_write = False  # as btrfs and ZFS do: writing over old bytes takes room, too
        self.syncs_in_background = True
        self.open_files = 0
        self.before_read: Callable[[], None] = lambda: None  # what happens just before a pread

    # What the world does to it.

    def crash(self, lands: Lands) -> None:
        """Lose the power and come back: open files are dead, locks gone."""
        self._life += 1
        self.calls_left = None
        self._locked.clear()
        for _, change in self._changes:
            if self._chooses(lands):
                change(self._platter)
        self._changes.clear()
        for inode in dict.fromkeys(self._platter.values()):
            if inode is not None:
                self._land_pages(inode, lands)
                inode.seen = bytearray(inode.platter)
                inode.dirty.clear()
        self._seen = dict(self._platter)

    def kill_process(self) -> None:
        """Kill the process, as kill -9 does: the kernel keeps all that was written."""
        self._life += 1
        self.calls_left = None
        self._locked.clear()

    def flip_bit(self, path: str, offset: int, bit: int) -> None:
        """Rot: one bit of a file changes, on the platter and for whoever reads it."""
        inode = self._inode(path)
        inode.seen[offset] ^= 1 << bit
        if offset < len(inode.platter):
            inode.platter[offset] ^= 1 << bit

    def _chooses(self, lands: Lands) -> bool:
        return lands is Lands.ALL or (lands is Lands.SOME and self._die(2) == 1)

    def _land_pages(self, inode: Inode, lands: Lands) -> None:
        for page in sorted(inode.dirty):
            begin = page * PAGE_BYTES
            if lands is Lands.ALL or (lands is Lands.SOME and self._die(3) == 1):
                self._land(inode, begin, begin + PAGE_BYTES)
            elif lands is Lands.SOME and self._die(2) == 1:
                for sector in range(begin, begin + PAGE_BYTES, SECTOR_BYTES):
                    if self._die(2):
                        self._land(inode, sector, sector + SECTOR_BYTES)

    def _land(self, inode: Inode, begin: int, end: int) -> None:
        end = min(end, len(inode.seen))
        if end > len(inode.platter):
            inode.platter.extend(bytes(end - len(inode.platter)))
        inode.platter[begin:end] = inode.seen[begin:end]

    # Disk.

    def make_dirs(self, path: str) -> None:
        """As promised, folders are durable at once."""
        while path not in self._seen:
            self._seen[path] = self._platter[path] = None
            path = posixpath.dirname(path)

    def lock(self, path: str) -> "SimLock":
        """One holder, until it releases it or dies."""
        if path in self._locked:
            raise DataDirLockedError(path, "another")
        self._locked.add(path)
        return SimLock(self._locked, path)

    def create(self, path: str) -> "SimFile":
        """Make an empty file and open it."""
        self.tick()
        if path in self._seen:
            raise FileExistsError(errno.EEXIST, "exists", path)
        inode = Inode()
        self._change(path, lambda names: names.update({path: inode}))
        return self.open(path)

    def open(self, path: str) -> "SimFile":
        """Open a file that exists."""
        return SimFile(self, self._inode(path), self._life)

    def preallocate(self, path: str, size_bytes: int) -> None:
        """Zeros, synced."""
        file = self.create(path)
        try:
            self.need(size_bytes)
            file.pwrite(bytes(size_bytes), 0)
            file.fdatasync()
        except OSError:
            self.remove(path)
            raise
        finally:
            file.close()

    def read(self, path: str) -> bytes:
        """The whole content, as processes see it."""
        return bytes(self._inode(path).seen)

    def rename(self, source: str, target: str) -> None:
        """A file, or a folder with what is in it, as one change."""
        self.tick()
        if source not in self._seen:
            raise FileNotFoundError(errno.ENOENT, "no such file", source)
        self._change(target, lambda names: _move(names, source, target))

    def remove(self, path: str) -> None:
        """Remove a file, or an empty folder."""
        self.tick()
        assert not self.is_folder(path) or not self.names(path), f"{path} is not empty"
        if path not in self._seen:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        self._change(path, lambda names: _forget(names, path))

    def names(self, path: str) -> list[str]:
        """What is in a folder, sorted."""
        assert self.is_folder(path), f"{path} is no folder"
        below = (p for p in self._seen if p != "/" and posixpath.dirname(p) == path)
        return sorted(posixpath.basename(p) for p in below)

    def fsync_dir(self, path: str) -> None:
        """Let the changes of that folder land."""
        self.tick()
        if self.fails_syncs:
            raise OSError(errno.EIO, "fsync failed", path)
        if self.ignores_syncs:
            return
        for folder, change in self._changes:
            if folder == path:
                change(self._platter)
        self._changes = [(folder, change) for folder, change in self._changes if folder != path]

    def free_bytes(self, path: str) -> int:
        """Of the capacity that it was given."""
        assert self.is_folder(path)
        return (
            1 << 40
            if self.capacity_bytes is None
            else max(0, self.capacity_bytes - self.used_bytes())
        )

    def random_bytes(self, count: int) -> bytes:
        """From the die."""
        return bytes(self._die(256) for _ in range(count))

    def background_sync(self) -> "SimSync | None":
        """One that syncs when the loop comes to it."""
        return SimSync() if self.syncs_in_background else None

    # For its files.

    def is_alive(self, life: int) -> bool:
        """Whether a file that was opened in that life may still be used."""
        return life == self._life

    def tick(self) -> None:
        """One more call that changes something; the power may be lost at it."""
        if self.calls_left is None:
            return
        if self.calls_left == 0:
            raise PowerLostError
        self.calls_left -= 1

    def need(self, more_bytes: int) -> None:
        """Raise ENOSPC where there is no room for that."""
        if self.capacity_bytes is not None and self.used_bytes() + more_bytes > self.capacity_bytes:
            raise OSError(errno.ENOSPC, "no space left")

    def used_bytes(self) -> int:
        """What the files hold."""
        return sum(len(inode.seen) for inode in self._seen.values() if inode is not None)

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder of that name."""
        return path in self._seen and self._seen[path] is None

    def _inode(self, path: str) -> Inode:
        inode = self._seen.get(path)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return inode

    def _change(self, path: str, change: Change) -> None:
        change(self._seen)
        self._changes.append((posixpath.dirname(path), change))


class SimFile:
    """An open file of a SimDisk."""

    def __init__(self, disk: SimDisk, inode: Inode, life: int) -> None:
        self._disk = disk
        self._inode = inode
        self._life = life
        self._is_open = True
        disk.open_files += 1

    def pwrite(self, content: bytes, offset: int) -> None:
        """Into what processes see; the pages become dirty. When the power goes, it went halfway."""
        self._check()
        inode = self._inode
        end = offset + len(content)
        grows_by = max(0, end - len(inode.seen))
        self._disk.need(len(content) if self._disk.copies_on_write else grows_by)
        if end > len(inode.seen):
            inode.seen.extend(bytes(end - len(inode.seen)))
        inode.seen[offset:end] = content
        inode.dirty.update(range(offset // PAGE_BYTES, -(-end // PAGE_BYTES)))
        self._disk.tick()

    def pread(self, size_bytes: int, offset: int) -> bytes:
        """What processes see."""
        self._disk.before_read()
        assert self._is_open, "used after it was closed"
        assert self._disk.is_alive(self._life), "used by a process that is dead"
        return bytes(self._inode.seen[offset : offset + size_bytes])

    def fdatasync(self) -> None:
        """Let the dirty pages land. One that fails leaves them clean and never landed (Linux)."""
        self._check()
        self._disk.tick()
        inode = self._inode
        if self._disk.fails_syncs:
            inode.dirty.clear()
            raise OSError(errno.EIO, "fdatasync failed")
        if self._disk.ignores_syncs:
            return
        missing = len(inode.seen) - len(inode.platter)
        inode.platter.extend(bytes(max(0, missing)))
        for page in inode.dirty:
            begin, end = page * PAGE_BYTES, min((page + 1) * PAGE_BYTES, len(inode.seen))
            inode.platter[begin:end] = inode.seen[begin:end]
        inode.dirty.clear()

    def size_bytes(self) -> int:
        """How long the file is."""
        return len(self._inode.seen)

    def close(self) -> None:
        """Nothing is synced."""
        assert self._is_open, "closed twice"
        self._is_open = False
        self._disk.open_files -= 1

    def _check(self) -> None:
        assert self._is_open, "used after it was closed"
        assert self._disk.is_alive(self._life), "used by a process that is dead"


class SimSync:
    """A BackgroundSync: the file is synced when its end is asked for."""

    def __init__(self) -> None:
        self._event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._file: DiskFile | None = None

    def fileno(self) -> int:
        """Readable from `begin` to `end`."""
        return self._event_fd

    def begin(self, file: DiskFile) -> bool:
        """It is always begun."""
        assert self._file is None, "one at a time"
        self._file = file
        os.eventfd_write(self._event_fd, 1)
        return True

    def end(self) -> None:
        """As `fdatasync` of the file."""
        assert self._file is not None, "nothing was begun"
        os.eventfd_read(self._event_fd)
        file, self._file = self._file, None
        file.fdatasync()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._event_fd)


class SimLock:
    """A lock of a SimDisk."""

    def __init__(self, locked: set[str], path: str) -> None:
        self._locked = locked
        self._path = path

    def release(self) -> None:
        """Let others in."""
        self._locked.discard(self._path)


def _move(names: Names, source: str, target: str) -> None:
    for path in [p for p in names if p == source or p.startswith(source + "/")]:
        names[target + path[len(source) :]] = names.pop(path)


def _forget(names: Names, path: str) -> None:
    for below in [p for p in names if p == path or p.startswith(path + "/")]:
        del names[below]
