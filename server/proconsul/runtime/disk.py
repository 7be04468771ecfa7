"""A disk as the log and the snapshots need it: each call that makes something last is explicit.

Nothing is durable before `fdatasync` of the file, and no name before `fsync_dir` of its folder.
Calls block: the writers run off the event loop. All of them raise OSError as the system does.
"""

import fcntl
import os
from contextlib import suppress
from typing import Final, Protocol

from proconsul.errors import ProconsulError
from proconsul.runtime.kernel_sync import KernelSync

_ZEROS: Final = bytes(1024 * 1024)


class DataDirLockedError(ProconsulError):
    """Another process uses the data directory."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(
            f"the data directory is in use: {path} is locked by process {holder or 'unknown'}. "
            "Stop that server, or give this one a data directory of its own."
        )


class DiskFile(Protocol):
    """An open file. `pread` may run in another thread at the same time as any other call."""

    def pwrite(self, content: bytes, offset: int) -> None:
        """Write all of it there; after an error any part of it may have been written."""
        ...

    def pread(self, size_bytes: int, offset: int) -> bytes:
        """Read that much, less only at the end of the file."""
        ...

    def fdatasync(self) -> None:
        """Return when the content, and the size if it changed, is on the disk."""
        ...

    def size_bytes(self) -> int:
        """How long the file is."""
        ...

    def close(self) -> None:
        """Nothing is synced by it."""
        ...


class BackgroundSync(Protocol):
    """The fdatasync of one file at a time, which no thread waits for."""

    def fileno(self) -> int:
        """A descriptor that is readable when the sync has ended."""
        ...

    def begin(self, file: DiskFile) -> bool:
        """Begin to sync; False: the file system cannot, and `fdatasync` is to be called."""
        ...

    def end(self) -> None:
        """What became of it: raises what `DiskFile.fdatasync` would have raised."""
        ...

    def close(self) -> None:
        """Give back what it holds; nothing may be under way."""
        ...


class DiskLock(Protocol):
    """A lock that is held until it is released, or the process ends."""

    def release(self) -> None:
        """Let others in."""
        ...


class Disk(Protocol):
    """Folders and files by path."""

    def make_dirs(self, path: str) -> None:
        """Make the folder and those above it, durably; those that exist are left as they are."""
        ...

    def lock(self, path: str) -> DiskLock:
        """Lock that file, made if need be. Raises DataDirLockedError if another holds it."""
        ...

    def create(self, path: str) -> DiskFile:
        """Make an empty file and open it to write; it must not exist."""
        ...

    def open(self, path: str) -> DiskFile:
        """Open a file that exists, to read and write."""
        ...

    def preallocate(self, path: str, size_bytes: int) -> None:
        """Make a file of zeros that has its place on the disk, and sync it; not its name.

        If that fails, the file is gone again.
        """
        ...

    def read(self, path: str) -> bytes:
        """The whole content."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Atomically, within one folder."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, or an empty folder."""
        ...

    def names(self, path: str) -> list[str]:
        """What is in a folder, sorted."""
        ...

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder of that name."""
        ...

    def fsync_dir(self, path: str) -> None:
        """Return when the names in the folder are on the disk."""
        ...

    def free_bytes(self, path: str) -> int:
        """How much more can be stored there."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """Bytes that nobody can guess, to mark files by."""
        ...

    def background_sync(self) -> BackgroundSync | None:
        """A new one; None: the system has none."""
        ...


class RealFile:
    """A DiskFile of the system's."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def pwrite(self, content: bytes, offset: int) -> None:
        """Write all of it there."""
        written = os.pwrite(self.fd, content, offset)
        if written == len(content):
            return
        view = memoryview(content)
        while written < len(content):
            written += os.pwrite(self.fd, view[written:], offset + written)

    def pread(self, size_bytes: int, offset: int) -> bytes:
        """Read that much, less only at the end of the file."""
        content = os.pread(self.fd, size_bytes, offset)
        if len(content) == size_bytes:
            return content
        parts = [content]
        while content:
            size_bytes -= len(content)
            offset += len(content)
            content = os.pread(self.fd, size_bytes, offset) if size_bytes else b""
            parts.append(content)
        return b"".join(parts)

    def fdatasync(self) -> None:
        """As the system call."""
        os.fdatasync(self.fd)

    def size_bytes(self) -> int:
        """How long the file is."""
        return os.fstat(self.fd).st_size

    def close(self) -> None:
        """As the system call."""
        os.close(self.fd)


class RealBackgroundSync:
    """A BackgroundSync by the kernel's workers."""

    def __init__(self, kernel: KernelSync) -> None:
        self._kernel = kernel
        self.fileno, self.end, self.close = kernel.fileno, kernel.end, kernel.close

    def begin(self, file: DiskFile) -> bool:
        """Begin to sync a RealFile."""
        assert isinstance(file, RealFile), "a file of this disk"
        try:
            self._kernel.begin(file.fd)
        except OSError:
            return False
        return True


class FlockLock:
    """An flock; the system drops it with the process, however that ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        """Let others in."""
        os.close(self._fd)


class RealDisk:
    """The system's own files."""

    def make_dirs(self, path: str) -> None:
        """Make the folder and those above it, durably."""
        if os.path.isdir(path):
            return
        parent = os.path.dirname(os.path.abspath(path))
        self.make_dirs(parent)
        os.mkdir(path, 0o700)
        self.fsync_dir(parent)

    def lock(self, path: str) -> DiskLock:
        """Lock with flock; the file names the holder's process for the one who is refused."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise DataDirLockedError(path, holder) from None
        with suppress(OSError):  # a full disk: the name of the holder is only a help
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode("ascii"), 0)
        return FlockLock(fd)

    def create(self, path: str) -> DiskFile:
        """Make an empty file and open it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return RealFile(os.open(path, flags, 0o600))

    def open(self, path: str) -> DiskFile:
        """Open a file that exists."""
        return RealFile(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def preallocate(self, path: str, size_bytes: int) -> None:
        """Allocate, then write the zeros out.

        Allocated space that was never written is recorded as such, and each first write to it
        changes that record: fdatasync would have to write metadata, too.
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        file = RealFile(fd)
        try:
            os.posix_fallocate(fd, 0, size_bytes)
            for offset in range(0, size_bytes, len(_ZEROS)):
                file.pwrite(_ZEROS[: size_bytes - offset], offset)
            file.fdatasync()
        except BaseException:
            os.unlink(path)
            raise
        finally:
            file.close()

    def read(self, path: str) -> bytes:
        """The whole content."""
        with open(path, "rb") as file:
            return file.read()

    def rename(self, source: str, target: str) -> None:
        """As the system call."""
        os.rename(source, target)

    def remove(self, path: str) -> None:
        """Remove a file, or an empty folder."""
        if os.path.isdir(path):
            os.rmdir(path)
        else:
            os.unlink(path)

    def names(self, path: str) -> list[str]:
        """What is in a folder, sorted."""
        return sorted(os.listdir(path))

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder of that name."""
        return os.path.isdir(path)

    def fsync_dir(self, path: str) -> None:
        """Open the folder and fsync it."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def free_bytes(self, path: str) -> int:
        """What an ordinary user may still store there."""
        state = os.statvfs(path)
        return state.f_bavail * state.f_frsize

    def random_bytes(self, count: int) -> bytes:
        """From the system's generator."""
        return os.urandom(count)

    def background_sync(self) -> BackgroundSync | None:
        """By the kernel, where it can."""
        try:
            return RealBackgroundSync(KernelSync())
        except OSError:
            return None
