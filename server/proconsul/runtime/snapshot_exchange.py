"""Raft's snapshots between servers: what a leader sends, and what a follower receives and installs.

A received one is written aside while it comes in. When the node wants it, a new state is made of
it beside the old one, it becomes durable, and the new state takes the old one's place; the log
that begins behind it is the node's next write. A crash in between leaves a snapshot that the
cluster agreed on, so the next start may go on from it (runtime/storage.py).
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from proconsul.errors import ProconsulError, RpcError
from proconsul.fsm.snapshot import SnapshotError
from proconsul.raft.effects import Install
from proconsul.raft.messages import InstallSnapshot, SnapshotMeta, Token
from proconsul.runtime.logs import logger
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.raft_snapshot_sending import SnapshotBody
from proconsul.runtime.snapshot_archive import in_thread
from proconsul.runtime.snapshot_files import SnapshotFiles, SnapshotReader, SnapshotWriter
from proconsul.runtime.state_machine import ReplicatedState

PIECE_BYTES = 256 * 1024
RECEIVED_MAX = 4  # waiting to be installed; a leader sends one at a time

log = logger("snapshot")


class SnapshotExchange:
    """The driver's `Installer`, the transport's `SnapshotSource` and `SnapshotSink`."""

    def __init__(
        self,
        files: SnapshotFiles,
        replicated: ReplicatedState,
        driver: RaftDriver,
        one_at_a_time: asyncio.Lock,
        restored: Callable[[list[object]], None],
    ) -> None:
        """`one_at_a_time` is held by whoever takes or restores a snapshot.

        `restored` hears of the events of an installed state (its sessions).
        """
        self._files = files
        self._replicated = replicated
        self._driver = driver
        self._one_at_a_time = one_at_a_time
        self._restored = restored
        self._received: dict[Token, SnapshotWriter] = {}
        self._installing: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- to other servers

    async def open(self, snapshot: SnapshotMeta) -> SnapshotBody:
        """The body of just this one. Raises RpcError or OSError when it is gone."""
        reader = await asyncio.to_thread(self._open, snapshot)
        return SnapshotBody(reader.size_bytes, _pieces_of(reader))

    def _open(self, snapshot: SnapshotMeta) -> SnapshotReader:
        stored = self._files.find(snapshot.index, snapshot.term)
        if stored is None:
            raise RpcError(f"there is no snapshot of index {snapshot.index} any more")
        return self._files.open(stored)

    # ---------------------------------------------------------------- from other servers

    async def receive(
        self, request: InstallSnapshot, size_bytes: int, pieces: AsyncGenerator[bytes, None]
    ) -> None:
        """Write it aside, for `install` or `drop`. Raises ProconsulError, OSError."""
        if len(self._received) >= RECEIVED_MAX:
            raise RpcError("other snapshots wait to be installed")
        log.info("receiving snapshot: index=%d size=%d", request.snapshot.index, size_bytes)
        now_ms = time.time_ns() // 1_000_000
        writer = await asyncio.to_thread(self._files.create, request.snapshot, now_ms)
        try:
            async for piece in pieces:
                await in_thread(lambda piece=piece: writer.write(piece), threading.Event())  # type: ignore[misc]
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_abort, writer))
            raise
        self._received[request.token] = writer

    def drop(self, token: Token) -> None:
        """Remove what was received with that request, if it was not installed."""
        writer = self._received.pop(token, None)
        if writer is not None:
            self._run(asyncio.to_thread(_abort, writer))

    def install(self, install: Install) -> None:
        """Put it in place; the driver hears how it went."""
        self._run(self._install(install))

    async def stop(self) -> None:
        """Break off what is being installed; it is asked for again after the next start."""
        for task in list(self._installing):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        for writer in self._received.values():
            await asyncio.to_thread(_abort, writer)
        self._received.clear()

    def _run(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._installing.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._installing.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._driver.fail(failure)

    async def _install(self, install: Install) -> None:
        writer = self._received.pop(install.token)
        meta = install.snapshot
        try:
            async with self._one_at_a_time:
                with self._replicated.replacement(meta.index) as new:
                    await in_thread(lambda: new.fill(writer.read_back()), new.give_up)
                    await in_thread(new.settle, new.give_up)
                    await in_thread(writer.finish, threading.Event())
                self._driver.installed(install)
                self._restored(new.events)
        except (ProconsulError, SnapshotError, OSError) as failure:
            log.error("failed to install the leader's snapshot: %s", failure)
            await asyncio.to_thread(_abort, writer)
            self._driver.install_failed(install)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_abort, writer))
            raise
        else:
            log.info("installed the leader's snapshot: index=%d", meta.index)


async def _pieces_of(reader: SnapshotReader) -> AsyncGenerator[bytes, None]:
    try:
        while piece := await in_thread(lambda: reader.read(PIECE_BYTES), threading.Event()):
            yield piece
    finally:
        reader.close()


def _abort(writer: SnapshotWriter) -> None:
    with suppress(OSError):  # the next start removes what is left aside
        writer.abort()
