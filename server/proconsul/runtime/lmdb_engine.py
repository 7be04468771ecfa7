"""The state store on disk: LMDB, written without syncing, because the log is the truth.

A restart reads the state only if it can be trusted: it was closed cleanly, or the system has
not been booted since it was written, so that what was written is what is read. Else it is wiped,
and the caller builds it anew from snapshot and log.

Room. The map is address space and grows between transactions; the file keeps some room ahead,
so that applying what the log has taken seldom fails for want of disk. When it does, the
transaction is undone and StateFullError raised: the same may be tried again.

In place. Where the file system allows, pages are written in the map itself, which spares a copy
and a system call for each. The file then looks as large as the map; most of that is a hole.
"""

import errno
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import lmdb

from proconsul.runtime.file_systems import writes_in_place
from proconsul.runtime.lmdb_room import NO_ROOM, NoRoomError, Room
from proconsul.runtime.lmdb_views import LmdbBatch, LmdbView
from proconsul.store.engine import StateFullError

MAP_BYTES: Final = 8 << 30  # address space, not memory or disk
MAP_GROWTH: Final = 2
MAP_FREE_PART: Final = 4  # the map grows when less than one part in this many is free
RESERVE_BYTES: Final = 64 << 20  # of disk, ahead of what is used
PROBE_BYTES: Final = 64 << 20  # a disk that cannot give this is full
READERS_MAX: Final = 1024

LOCK_BYTES: Final = (READERS_MAX + 64) * 64  # a line of the cache for each reader, and a head

_DATA: Final = "data.mdb"
_LOCK: Final = "lock.mdb"
_TRUST: Final = "trust.json"
_CURRENT: Final = "current"  # holds the name of the folder whose state counts
_FOLDER: Final = "state-"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


# ---------------------------------------------------------------- one environment


def _names(failure: lmdb.Error, *codes: int) -> bool:
    return any(os.strerror(code) in str(failure) for code in codes)


def _says_full(failure: OSError | lmdb.Error) -> bool:
    """Whether a failure of the system's, or of LMDB's, means a full disk."""
    if isinstance(failure, OSError):
        return failure.errno in NO_ROOM
    return isinstance(failure, lmdb.DiskError) or _names(failure, *NO_ROOM)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How an environment is made."""

    map_bytes: int
    reserve_bytes: int
    in_place: bool


class _Store:
    """An LMDB environment in a folder of its own; closed when its last reader has left."""

    def __init__(self, folder: Path, sizes: _Sizes, *, in_the_making: bool = False) -> None:
        """`in_the_making`: its one transaction may end on another thread; then `publish` it."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._sizes = sizes
        self._map_bytes = sizes.map_bytes
        self._lock = threading.Lock()  # readers come and go on other threads
        self._readers = 0
        self._retired = False
        self._overflowed = False
        self._newest: LmdbView | None = None
        self.env = self._open(in_the_making=in_the_making)
        self._page_bytes = int(self.env.stat()["psize"])
        self._room = Room(folder / _DATA, self._page_bytes, sizes.reserve_bytes)
        self._make_room()

    def _open(self, *, in_the_making: bool) -> lmdb.Environment:
        """Raises lmdb.Error, OSError."""
        if not in_the_making:
            # LMDB writes into a map of it, and nobody could tell it that the disk is full.
            with open(self.folder / _LOCK, "ab") as file:
                os.posix_fallocate(file.fileno(), 0, LOCK_BYTES)
        self._is_in_place = self._sizes.in_place and not in_the_making
        return lmdb.Environment(
            str(self.folder),
            map_size=self._map_bytes,
            sync=False,
            metasync=False,
            max_readers=READERS_MAX,
            # Its lock belongs to the thread that took it. Nobody else writes what is in the making.
            lock=not in_the_making,
            writemap=self._is_in_place,
        )

    def publish(self) -> None:
        """It was in the making, and is for readers and writers from now on."""
        self.env.close()
        self.env = self._open(in_the_making=False)

    def newest(self) -> LmdbView:
        """The view that all short readers share until the next commit."""
        if self._newest is None:
            self._newest = LmdbView(self.env.begin())
        return self._newest

    def _release_newest(self) -> None:
        if self._newest is not None:
            self._newest.close()
            self._newest = None

    @contextmanager
    def view(self) -> Iterator[LmdbView]:
        with self._lock:
            view = LmdbView(self.env.begin())
            self._readers += 1
        try:
            yield view
        finally:
            with self._lock:
                view.close()
                self._readers -= 1
                last = self._retired and not self._readers
            if last:
                self._remove()

    @contextmanager
    def write(self) -> Iterator[LmdbBatch]:
        self._make_room()
        with self.telling_of_room():
            room = self._room if self._is_in_place else None
            batch = LmdbBatch(lmdb.Transaction(self.env, write=True), room)
            try:
                yield batch
                batch.commit()
            finally:
                batch.close()  # does nothing to what was committed
        self._release_newest()

    @contextmanager
    def telling_of_room(self) -> Iterator[None]:
        """Raise StateFullError where LMDB says in some way that there is no room."""
        try:
            yield
        except lmdb.MapFullError as failure:
            self._overflowed = True
            raise StateFullError(str(self.folder), str(failure)) from failure
        except NoRoomError as failure:
            raise StateFullError(str(self.folder), str(failure)) from failure
        except lmdb.Error as failure:
            if self._lacks_room(failure):
                raise StateFullError(str(self.folder), str(failure)) from failure
            raise

    def _make_room(self) -> None:
        """Grow the map and the file ahead of the next transaction, where that is possible."""
        used = self._used_pages()
        used_bytes = used * self._page_bytes
        with self._lock:
            crowded = self._map_bytes - used_bytes < self._map_bytes // MAP_FREE_PART
            if (crowded or self._overflowed) and not self._readers:
                self._release_newest()  # the map moves: nobody may look at it
                self._map_bytes *= MAP_GROWTH
                self.env.set_mapsize(self._map_bytes)
                self._overflowed = False
        depth = int(self.env.stat()["depth"])
        self._room.begin(used, depth, self._map_bytes // self._page_bytes)

    def _used_pages(self) -> int:
        return int(self.env.info()["last_pgno"]) + 1

    def _lacks_room(self, failure: lmdb.Error) -> bool:
        """Whether a failure means a full disk, and not a broken one."""
        if _says_full(failure):
            return True
        if not _names(failure, errno.EIO):
            return False
        # LMDB says so of a write that was cut short, too, which a full disk does: so try it.
        try:
            with open(self.folder / _DATA, "rb+") as file:
                size = os.fstat(file.fileno()).st_size
                os.posix_fallocate(file.fileno(), size, PROBE_BYTES)
                os.ftruncate(file.fileno(), size)
        except OSError as refusal:
            return _says_full(refusal)
        return False

    def retire(self) -> None:
        """Close and delete, now or when the last reader leaves."""
        self._release_newest()
        with self._lock:
            self._retired = True
            idle = not self._readers
        if idle:
            self._remove()

    def _remove(self) -> None:
        self.env.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Put everything on the disk; raises lmdb.Error if that failed."""
        self._release_newest()
        self.env.sync(True)
        pages = max(self._used_pages(), self._room.ours_to)
        self.env.close()
        if self._is_in_place:
            os.truncate(self.folder / _DATA, pages * self._page_bytes)  # behind them is the hole


# ---------------------------------------------------------------- the engine


@dataclass(frozen=True, slots=True)
class _Mark:
    """Under which conditions the state was written; by them it is trusted, or not."""

    boot_id: str
    device: int
    clean: bool
    damaged: bool

    @classmethod
    def read(cls, path: Path) -> "_Mark | None":
        try:
            return cls(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def trusted(self, boot_id: str, device: int) -> bool:
        same_boot = self.boot_id == boot_id and self.device == device
        return (self.clean or same_boot) and not self.damaged


class LmdbEngine:
    """The state in a folder: one environment, or two for a moment while it is replaced."""

    def __init__(self, path: Path, sizes: _Sizes) -> None:
        self._path = path
        self._sizes = sizes
        self._boot_id = _BOOT_ID.read_text().strip()
        self._device = path.stat().st_dev
        self._damaged = False
        self._store: _Store
        self._making: tuple[_Store, LmdbBatch] | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        map_bytes: int = MAP_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
        in_place: bool | None = None,
    ) -> tuple["LmdbEngine", bool]:
        """(engine, whether its state can be trusted); one that cannot was wiped and is empty.

        `path` is a folder that no other process uses. `in_place`: whether pages are written in
        the map; by default where the file system allows it. Raises OSError or lmdb.Error.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if in_place is None:
            in_place = writes_in_place(path)
        engine = cls(path, _Sizes(map_bytes, reserve_bytes, in_place))
        trusted = engine._judge() and engine._reopen()
        if not trusted:
            engine._start_anew()
        engine._mark(clean=False)
        engine._sweep()
        return engine, trusted

    def _judge(self) -> bool:
        mark = _Mark.read(self._path / _TRUST)
        if mark is None or not mark.trusted(self._boot_id, self._device):
            return False
        try:
            # Pages that the system failed to write back show here, once.
            with open(self._folder() / _DATA, "rb+") as file:
                os.fsync(file.fileno())
        except OSError:
            return False
        return True

    def _reopen(self) -> bool:
        try:
            self._store = _Store(self._folder(), self._sizes)
        except lmdb.Error:
            return False
        return True

    def _start_anew(self) -> None:
        (self._path / _TRUST).unlink(missing_ok=True)
        for folder in self._path.glob(f"{_FOLDER}*"):
            shutil.rmtree(folder)
        self._store = _Store(self._path / f"{_FOLDER}1", self._sizes)
        _write_durably(self._path / _CURRENT, f"{_FOLDER}1".encode())

    def _folder(self) -> Path:
        return self._path / (self._path / _CURRENT).read_text()

    def _sweep(self) -> None:
        """Remove what a replacement left behind when the process ended in it."""
        for folder in self._path.glob(f"{_FOLDER}*"):
            if folder != self._store.folder:
                shutil.rmtree(folder)

    def _mark(self, *, clean: bool, damaged: bool = False) -> None:
        self._damaged = self._damaged or damaged  # once broken, it is never trusted again
        mark = _Mark(self._boot_id, self._device, clean, self._damaged)
        _write_durably(self._path / _TRUST, json.dumps(asdict(mark)).encode())

    def newest(self) -> LmdbView:
        """The newest committed state, shared and cheap; it fails once there is a newer one."""
        return self._store.newest()

    def view(self) -> AbstractContextManager[LmdbView]:
        """The newest committed state, held for the block; may be read on another thread.

        Keep it short: pages that it sees cannot be used again, and the map cannot grow.
        """
        return self._store.view()

    @contextmanager
    def write(self) -> Iterator[LmdbBatch]:
        """Begin the write transaction; committed when the block ends, undone when it raises.

        Raises StateFullError; and lmdb.Error for a broken disk, after which the state is
        wiped at the next start.
        """
        try:
            with self._store.write() as batch:
                yield batch
        except lmdb.Error:
            self._mark(clean=False, damaged=True)
            raise

    @contextmanager
    def replace(self) -> Iterator[LmdbBatch]:
        """Write another, empty state, which replaces this one whole when the block ends.

        Readers of the old one finish on it. Raises StateFullError.
        """
        old = self._store
        number = int(old.folder.name.removeprefix(_FOLDER)) + 1
        folder = self._path / f"{_FOLDER}{number}"
        new = self._begun(folder)
        try:
            with new.write() as batch:
                self._making = new, batch
                yield batch
            with _saying_full(folder):
                new.publish()
                _write_durably(self._path / _CURRENT, new.folder.name.encode())
        except BaseException:
            new.retire()
            raise
        finally:
            self._making = None
        self._store = new
        self._damaged = False
        old.retire()

    def write_down(self) -> None:
        """Nothing is to be done: each commit is."""

    def _begun(self, folder: Path) -> _Store:
        """A new state in the making; StateFullError where there is no room even to begin one."""
        try:
            with _saying_full(folder):
                return _Store(folder, self._sizes, in_the_making=True)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # the next one begins at its beginning
            raise

    def settle(self) -> None:
        """Commit what is written in the block of `replace`, which may take seconds.

        For another thread, while the loop goes on; the block only puts it in place then. Nothing
        more can be written in it. Raises StateFullError.
        """
        assert self._making is not None, "for the block of `replace`"
        store, batch = self._making
        with store.telling_of_room():
            batch.commit()

    def wipe(self) -> None:
        """Replace the state by an empty one."""
        with self.replace():
            pass

    def close(self) -> None:
        """Make the state last, so that the next start trusts it, in whatever boot."""
        self._store.close()
        self._mark(clean=True)


@contextmanager
def _saying_full(folder: Path) -> Iterator[None]:
    """Raise StateFullError where a file cannot be made because the disk is full."""
    try:
        yield
    except (OSError, lmdb.Error) as failure:
        if _says_full(failure):
            raise StateFullError(str(folder), str(failure)) from failure
        raise


def _write_durably(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    with open(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
