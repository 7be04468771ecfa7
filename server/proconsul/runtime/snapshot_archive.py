"""Consul's snapshot archives on the way in and out, which may be larger than the memory.

The size of the state stands in front of it, and nothing of an archive may be used before all of
it was checked; so either way it is held once, in memory or in a temporary file. Everything here
blocks and belongs in a thread, but `pieces`.
"""

import asyncio
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from typing import TypeVar

from proconsul.fsm.archive import ArchiveMeta, ArchiveServer, read_archive, write_archive
from proconsul.raft.messages import SnapshotMeta
from proconsul.runtime.state_machine import GivenUpError
from proconsul.wire import msgpack

PIECE_BYTES = 256 * 1024
IN_MEMORY_BYTES_MAX = 16 * 1024 * 1024

T = TypeVar("T")


class Spool:
    """Bytes that are written once and then read from the beginning, as often as wanted."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES_MAX)  # noqa: SIM115 - see close
        self.give_up = threading.Event()

    def write(self, piece: bytes) -> None:
        """Add to the end. Raises OSError for a full disk, GivenUpError."""
        if self.give_up.is_set():
            raise GivenUpError
        self._file.write(piece)

    def write_all(self, pieces: Iterable[bytes]) -> int:
        """Add all; how many bytes that were."""
        size_bytes = 0
        for piece in pieces:
            self.write(piece)
            size_bytes += len(piece)
        return size_bytes

    def chunks(self) -> Iterator[bytes]:
        """All of it, from the beginning."""
        self._file.seek(0)
        while piece := self._file.read(PIECE_BYTES):
            if self.give_up.is_set():
                raise GivenUpError
            yield piece

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def in_thread(work: Callable[[], T], give_up: threading.Event) -> T:
    """Do it in a thread, and be there to its end: what it uses is closed afterwards.

    A cancelled wait sets `give_up`, which `work` must look at, and waits for it to end.
    """
    working = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        give_up.set()
        await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # seen
        raise


def read(upload: Spool, state: Spool) -> ArchiveMeta:
    """Check an archive and take the state out of it. Raises ArchiveError, OSError."""
    return read_archive(upload.chunks(), state.write)


async def pieces(meta: SnapshotMeta, size_bytes: int, state: Spool) -> AsyncGenerator[bytes, None]:
    """The archive of a state; closes the spool."""
    with state:
        archive = write_archive(_meta_of(meta, size_bytes), state.chunks(), int(time.time()))
        while piece := await in_thread(lambda: _gather(archive), state.give_up):
            yield piece


def _gather(archive: Iterator[bytes]) -> bytes:
    """A piece worth sending, empty at the end."""
    gathered = bytearray()
    for piece in archive:
        gathered += piece
        if len(gathered) >= PIECE_BYTES:
            break
    return bytes(gathered)


def _meta_of(meta: SnapshotMeta, size_bytes: int) -> ArchiveMeta:
    servers = meta.configuration.servers
    return ArchiveMeta(
        id=f"{meta.term}-{meta.index}-{time.time_ns() // 1_000_000}",
        index=meta.index,
        term=meta.term,
        peers=msgpack.pack([server.address for server in servers]),
        servers=tuple(
            ArchiveServer(suffrage=int(server.suffrage), id=server.id, address=server.address)
            for server in servers
        ),
        configuration_index=meta.configuration_index,
        size_bytes=size_bytes,
    )
