"""A log on a simulated disk, and short words for what tests do to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from proconsul.runtime.wal_files import WalFiles
from proconsul.wal.log_record import LogRecord
from server_tests.sim.disk import SimDisk

DIRECTORY = "/data/raft/wal"
SEGMENT_BYTES = 16384


@contextmanager
def wal_on(disk: SimDisk) -> Iterator[WalFiles]:
    wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
    yield wal
    wal.close()


def entries(first: int, count: int, size: int = 100, term: int = 1) -> list[LogRecord]:
    return [LogRecord(term, first + i, bytes(((first + i) % 256,)) * size) for i in range(count)]


def add(wal: WalFiles, count: int, size: int = 100, term: int = 1) -> None:
    wal.append(entries(wal.last_index + 1, count, size, term), None)


def segments(disk: SimDisk) -> list[str]:
    return [name for name in disk.names(DIRECTORY) if name.endswith(".wal")]


def path_of(disk: SimDisk, place: int) -> str:
    return f"{DIRECTORY}/{segments(disk)[place]}"


def everything(wal: WalFiles) -> list[LogRecord]:
    return wal.read(wal.first_index, wal.last_index, 1 << 30)
