"""The files of the log's segments: made aside, written, read meanwhile, and recycled.

A segment is made aside (preallocated, first group written and synced), then gets its name, so
a named one always begins well. A spare one is kept, so that rolling takes no time and the log
has room left when the disk is full; a dropped segment becomes the spare rather than freed space.

An error of fdatasync ends it: the kernel may have thrown the pages away and report the next
sync as a success, so nothing that was written since can be trusted until it is read back.
"""

import errno
import os.path
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from proconsul.errors import DiskFullError, ProconsulError
from proconsul.runtime.disk import Disk, DiskFile
from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import MARK_BYTES, decode_entry
from proconsul.wal.recovery import WalDamagedError
from proconsul.wal.segments import Extent, SegmentName, parse_name

_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_SPARE_PREFIX: Final = "spare-"
_SPARE_SUFFIX: Final = ".tmp"


class WalBrokenError(ProconsulError):
    """What is on the disk is unknown. The process must end; starting it again finds out."""

    def __init__(self, directory: str, what: str, cause: BaseException | None) -> None:
        super().__init__(
            f"the log under {directory} cannot go on: {what} failed ({cause}). The server must "
            "stop now, and finds out what is on the disk when it is started again; look for disk "
            "errors before that."
        )


@dataclass(slots=True, eq=False)
class OpenSegment:
    """An open segment. It is closed when it was dropped and no reader is in it any more."""

    path: str
    file: DiskFile
    readers: int = 0
    is_dropped: bool = False


class SegmentFiles:
    """The segments of one folder, by sequence.

    One thread writes. `prepare_spare` and the reading calls may run in others meanwhile. Every
    call that writes raises DiskFullError where there is no room, with the file as it was as far
    as it is used, and WalBrokenError where the disk failed.
    """

    def __init__(self, directory: str, disk: Disk, segment_bytes: int) -> None:
        self._directory = directory
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()  # of the spare, and of who reads what
        self._files: dict[int, OpenSegment] = {}
        self._spare: str | None = None
        self._is_preparing = False
        self._broken: WalBrokenError | None = None

    @property
    def wants_spare(self) -> bool:
        """Whether there is no spare, and none in the making."""
        return self._spare is None and not self._is_preparing

    def find(self) -> list[SegmentName]:
        """The segments that are there, in order. A spare is adopted, other remains go."""
        found: list[SegmentName] = []
        for text in self._disk.names(self._directory):
            if text.startswith(_SPARE_PREFIX) and text.endswith(_SPARE_SUFFIX):
                self._adopt(os.path.join(self._directory, text))
            elif name := parse_name(text):
                found.append(name)
        return sorted(found)

    def path_of(self, name: SegmentName) -> str:
        """Where that segment is."""
        return os.path.join(self._directory, name.text)

    def load(self, name: SegmentName) -> bytes:
        """Open a segment that exists, and read all of it. Raises WalDamagedError if that fails."""
        path = self.path_of(name)
        try:
            content = self._disk.read(path)
            self._files[name.sequence] = OpenSegment(path, self._disk.open(path))
        except OSError as error:
            raise WalDamagedError(path, 0, f"it cannot be read ({error})") from error
        return content

    def begin(self, name: SegmentName, start: bytes, size_bytes: int) -> None:
        """Make a segment of that size whose first group is `start`, durably."""
        aside = self._take_spare(size_bytes) or self._preallocate(size_bytes)
        file: DiskFile | None = None
        try:
            file = self._disk.open(aside)
            file.pwrite(start, 0)
            self.sync(file)
            self._disk.rename(aside, self.path_of(name))
        except OSError as error:
            failure = self.failure("beginning a segment", error)
            if file is not None:
                file.close()
            if isinstance(failure, DiskFullError):
                self._keep_or_remove(aside, size_bytes)
            raise failure from error
        self._sync_names()
        self._files[name.sequence] = OpenSegment(self.path_of(name), file)

    def write(self, sequence: int, group: bytes, offset: int) -> DiskFile:
        """Write a group there: one call to the disk. The file is what is to be synced next."""
        if self._broken is not None:
            raise self._broken
        file = self._files[sequence].file
        try:
            file.pwrite(group, offset)
        except OSError as error:
            raise self.failure("writing", error) from error
        return file

    def sync(self, file: DiskFile) -> None:
        """One more call to the disk: what was written is on it."""
        try:
            file.fdatasync()
        except OSError as error:
            raise self.sync_failure(error) from error

    def sync_failure(self, error: OSError) -> WalBrokenError:
        """What it means that a sync failed."""
        return self._break("fdatasync", error)

    def settle(self, sequence: int, begin: int, end: int, strays: Iterable[int]) -> None:
        """Put on the disk what can be read there, and wipe the groups at `strays`.

        A process that was killed leaves writes in the kernel which it never synced. They are
        in the log now, and others will build on them. Writing them again comes first: after a
        failed sync the kernel takes such pages for clean.
        """
        file = self._files[sequence].file
        try:
            file.pwrite(file.pread(end - begin, begin), begin)
            for offset in strays:
                file.pwrite(bytes(MARK_BYTES), offset)
        except OSError as error:
            raise self.failure("recovery", error) from error
        self.sync(file)
        self._sync_names()

    def drop(self, sequence: int, size_bytes: int) -> None:
        """Remove a segment that nobody begins to read any more, or make it the spare; durably."""
        source = self._files.pop(sequence)
        with self._lock:
            source.is_dropped = True
            is_read = source.readers > 0
        if not is_read:
            source.file.close()
        try:
            if is_read or size_bytes != self._segment_bytes or not self.wants_spare:
                self._disk.remove(source.path)
            else:
                self._recycle(source.path)
        except OSError as error:
            raise self._break("dropping a segment", error) from error
        self._sync_names()

    def prepare_spare(self) -> bool:
        """Make the spare, if there is none; False: no room."""
        with self._lock:
            if not self.wants_spare:
                return True
            self._is_preparing = True
        try:
            path = self._preallocate(self._segment_bytes)
            with self._lock:
                self._spare = path
        except DiskFullError:
            return False
        finally:
            with self._lock:
                self._is_preparing = False
        return True

    def pin(self, extents: Iterable[Extent]) -> list[tuple[OpenSegment, Extent]]:
        """Keep the files of those extents open until they were given to `read`."""
        pinned = [(self._files[extent.sequence], extent) for extent in extents]
        with self._lock:
            for source, _ in pinned:
                source.readers += 1
        return pinned

    def read(self, pinned: Sequence[tuple[OpenSegment, Extent]]) -> list[LogRecord]:
        """The entries of pinned extents, which are let go. Raises WalDamagedError."""
        try:
            return [entry for source, extent in pinned for entry in _read_extent(source, extent)]
        finally:
            with self._lock:
                for source, _ in pinned:
                    source.readers -= 1
                    if source.is_dropped and not source.readers:
                        source.file.close()

    def close(self) -> None:
        """Close all files; nobody may be reading."""
        for source in self._files.values():
            source.file.close()
        self._files.clear()
        self._broken = WalBrokenError(self._directory, "using it after it was closed", None)

    def failure(self, what: str, error: OSError) -> DiskFullError | WalBrokenError:
        """What an error means that the disk gave to anything but a sync."""
        if error.errno in _DISK_FULL:
            return DiskFullError(self._directory)
        return self._break(what, error)

    def _sync_names(self) -> None:
        try:
            self._disk.fsync_dir(self._directory)
        except OSError as error:
            raise self._break("fsync of the folder", error) from error

    def _break(self, what: str, error: OSError) -> WalBrokenError:
        self._broken = WalBrokenError(self._directory, what, error)
        return self._broken

    def _adopt(self, path: str) -> None:
        file = self._disk.open(path)
        size_bytes = file.size_bytes()
        file.close()
        self._keep_or_remove(path, size_bytes)

    def _keep_or_remove(self, path: str, size_bytes: int) -> None:
        """Make a file the spare, if it is fit for it and there is none."""
        with self._lock:
            is_kept = size_bytes == self._segment_bytes and self._spare is None
            if is_kept:
                self._spare = path
        if not is_kept:
            self._disk.remove(path)

    def _take_spare(self, size_bytes: int) -> str | None:
        if size_bytes != self._segment_bytes:
            return None
        with self._lock:
            spare, self._spare = self._spare, None
        return spare

    def _recycle(self, path: str) -> None:
        name = f"{_SPARE_PREFIX}{os.path.basename(path)}{_SPARE_SUFFIX}"
        spare = os.path.join(self._directory, name)
        self._disk.rename(path, spare)
        self._keep_or_remove(spare, self._segment_bytes)

    def _preallocate(self, size_bytes: int) -> str:
        name = f"{_SPARE_PREFIX}{self._disk.random_bytes(8).hex()}{_SPARE_SUFFIX}"
        path = os.path.join(self._directory, name)
        try:
            self._disk.preallocate(path, size_bytes)
        except OSError as error:
            raise self.failure("making a segment", error) from error
        return path


def _read_extent(source: OpenSegment, extent: Extent) -> Iterator[LogRecord]:
    base = extent.starts[0]
    content = source.file.pread(extent.starts[-1] + extent.sizes[-1] - base, base)
    index = extent.first_index
    for start, size in zip(extent.starts, extent.sizes, strict=True):
        record = decode_entry(content[start - base : start - base + size])
        if record is None or record.index != index:
            raise WalDamagedError(
                source.path, start, f"entry {index} does not read as it was written"
            )
        yield record
        index += 1
