"""Snapshots of the state: at the start, from time to time, and at a user's wish.

The log is cut behind a snapshot only when that is durable. A user's snapshot becomes a raft
snapshot beyond the end of the log (wire/raft.md section 9), verified before anything is touched.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from proconsul.errors import ProconsulError, RpcError
from proconsul.fsm.archive import (
    ArchiveError,
    ArchiveMeta,
    ArchiveServer,
    read_archive,
    write_archive,
)
from proconsul.raft.effects import RefusedError
from proconsul.raft.messages import Configuration, Index, SnapshotMeta, Term
from proconsul.runtime.logs import logger
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.snapshot_files import SnapshotFiles, StoredSnapshot
from proconsul.runtime.state_machine import ReplicatedState
from proconsul.wire import msgpack

PIECE_BYTES = 256 * 1024
SPOOL_BYTES_MAX = 16 * 1024 * 1024  # an archive beyond this waits in a temporary file

log = logger("snapshot")

NO_SNAPSHOT = SnapshotMeta(
    index=Index(0), term=Term(0), configuration=Configuration(), configuration_index=Index(0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPolicy:
    """When a snapshot is taken, and how much of the log stays behind it."""

    interval_s: float
    threshold: int  # entries since the last one
    trailing: int


def load_newest(
    files: SnapshotFiles, replicated: ReplicatedState, *, trusted: bool
) -> SnapshotMeta:
    """Bring the state up to the newest snapshot unless it is there already; that snapshot.

    Raises SnapshotDamagedError, SnapshotError.
    """
    survey = files.survey(check_contents=not trusted)
    for damaged in survey.damaged:
        log.error("snapshot %s is not usable: %s", damaged.name, damaged.why)
    if not survey.usable:
        return NO_SNAPSHOT
    newest = survey.usable[0]
    if not trusted or replicated.applied_index < newest.meta.index:
        log.info("restoring the state from snapshot %s", newest.name)
        replicated.restore(_pieces(files, newest), newest.meta.index, lambda: None)
    return newest.meta


def _pieces(files: SnapshotFiles, snapshot: StoredSnapshot) -> Iterator[bytes]:
    with files.open(snapshot) as reader:
        while piece := reader.read(PIECE_BYTES):
            yield piece


class RaftSnapshots:
    """Takes and restores snapshots of one server."""

    def __init__(
        self,
        files: SnapshotFiles,
        replicated: ReplicatedState,
        driver: RaftDriver,
        policy: SnapshotPolicy,
        restored: Callable[[list[object]], None],
    ) -> None:
        """`restored` hears of the events of a restored state (its sessions)."""
        self._files = files
        self._replicated = replicated
        self._driver = driver
        self._policy = policy
        self._restored = restored
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Take one whenever enough has happened; ends when cancelled."""
        while True:
            await asyncio.sleep(self._policy.interval_s * (1 + random.random()))
            node = self._driver.node
            if node.applied_index - node.snapshot.index < self._policy.threshold:
                continue
            try:
                await self.take()
            except (OSError, ProconsulError) as failure:
                log.error("failed to take a snapshot: %s", failure)

    async def take(self) -> None:
        """Write the state as it is now, then let go of the log behind it."""
        async with self._one_at_a_time:
            meta = self._driver.node.snapshot_meta(self._driver.node.applied_index)
            chunks = self._replicated.snapshot_chunks()
            await asyncio.to_thread(self._write, meta, chunks)
            keep_from = Index(max(meta.index - self._policy.trailing, 0) + 1)
            self._driver.compact(meta, keep_from)
            log.info("snapshot complete up to index=%d", meta.index)

    def _write(self, meta: SnapshotMeta, chunks: Iterator[bytes]) -> None:
        writer = self._files.create(meta, time.time_ns() // 1_000_000)
        try:
            for piece in chunks:
                writer.write(piece)
            writer.finish()
        except BaseException:
            writer.abort()
            raise

    async def save(self) -> tuple[int, AsyncIterator[bytes]]:
        """(index, archive) of the state as it is now, for `GET /v1/snapshot`."""
        node = self._driver.node
        meta = node.snapshot_meta(node.applied_index)
        chunks = self._replicated.snapshot_chunks()
        return meta.index, _archive(meta, chunks)

    async def restore(self, upload: AsyncIterator[bytes]) -> None:
        """Replace the state by an archive's. Raises RpcError; the state then is as before."""
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES_MAX) as spool:
            async for piece in upload:
                await asyncio.to_thread(spool.write, piece)
            with tempfile.SpooledTemporaryFile(SPOOL_BYTES_MAX) as body:
                try:
                    saved = await asyncio.to_thread(read_archive, _chunks_of(spool), body.write)
                except ArchiveError as failure:
                    raise RpcError(str(failure)) from failure
                async with self._one_at_a_time:
                    await self._install(saved.index, body)

    async def _install(
        self, lower_bound: int, body: "tempfile.SpooledTemporaryFile[bytes]"
    ) -> None:
        """The leader puts the state in place; its followers will have to fetch it."""
        node = self._driver.node
        try:
            meta = node.begin_restore(Index(lower_bound))
        except RefusedError as refused:
            raise RpcError(str(refused)) from refused
        try:
            await self._driver.quiet()
            events = self._replicated.restore(
                _chunks_of(body), meta.index, lambda: self._write(meta, _chunks_of(body))
            )
        except (OSError, ProconsulError, ValueError) as failure:
            node.abort_restore()
            raise RpcError(f"failed to restore snapshot: {failure}") from failure
        node.end_restore(meta)
        self._driver.wake()
        self._restored(events)
        await self._driver.barrier()
        log.info("restored a user snapshot: index=%d", meta.index)


def _chunks_of(body: "tempfile.SpooledTemporaryFile[bytes]") -> Iterator[bytes]:
    body.seek(0)
    return iter(lambda: body.read(PIECE_BYTES), b"")


async def _archive(meta: SnapshotMeta, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The archive's bytes. The size of the state stands in front of it: so it is made first."""
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES_MAX) as spool:
        size_bytes = await asyncio.to_thread(_spool, chunks, spool)
        pieces = write_archive(_archive_meta(meta, size_bytes), _chunks_of(spool), int(time.time()))
        while piece := await asyncio.to_thread(_gather, pieces):
            yield piece


def _spool(chunks: Iterator[bytes], spool: "tempfile.SpooledTemporaryFile[bytes]") -> int:
    return sum(spool.write(chunk) for chunk in chunks)


def _gather(pieces: Iterator[bytes]) -> bytes:
    """A piece worth sending, empty at the end."""
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= PIECE_BYTES:
            break
    return bytes(gathered)


def _archive_meta(meta: SnapshotMeta, size_bytes: int) -> ArchiveMeta:
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
