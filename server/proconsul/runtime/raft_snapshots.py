"""Snapshots of the state: from time to time, and at a user's wish.

The log is cut behind a snapshot only when that is durable. A user's snapshot becomes a raft
snapshot beyond the end of the log (wire/raft.md section 9), verified before anything is touched.

How a user's snapshot takes effect: the new state is made beside the old one and gets this
cluster's marks (store/cluster_marks.py) in place of the archive's, and a snapshot of it is
written; a majority is asked whether this server still leads; the snapshot becomes durable; the new
state takes the old one's place; the log is reset behind the snapshot. Once it is durable a crash
ends with the new state. So what fails after that must remove the snapshot again, or the next start
would bring back what the client was told had failed; and a server that led no more by then could
not go on at all, which is why it asks so late.
"""

import asyncio
import random
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from proconsul.errors import NoLeaderError, ProconsulError, RpcError
from proconsul.fsm.archive import ArchiveError
from proconsul.model.cluster_mark import ClusterMark
from proconsul.raft.messages import Index, SnapshotMeta
from proconsul.runtime import snapshot_archive
from proconsul.runtime.logs import logger
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.snapshot_archive import Spool, in_thread
from proconsul.runtime.snapshot_files import SnapshotFiles
from proconsul.runtime.state_machine import NewState, ReplicatedState, StateBrokenError
from proconsul.store.cluster_marks import marks, replace_marks
from proconsul.store.engine import StateFullError

WRITES_AHEAD_S = 30.0  # how long a restore waits for the writes in front of it
LEADS_STILL_S = 10.0  # for a majority to say so; a leader that none answers steps down before

log = logger("snapshot")


class SnapshotPolicy(Struct, frozen=True, kw_only=True):
    """When a snapshot is taken, and how much of the log stays behind it."""

    interval_s: float
    threshold: int  # entries since the last one
    trailing: int


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
        self.saved_unix_s: float | None = None  # when an archive was last handed out to its end
        self.one_at_a_time = asyncio.Lock()  # held by who takes, restores or installs one
        self._restoring: set[asyncio.Task[bool]] = set()
        self._ended = False

    @property
    def is_restoring(self) -> bool:
        """Whether a user's snapshot is being put in place."""
        return bool(self._restoring)

    async def run(self) -> None:
        """Take one whenever enough has happened.

        Ends when cancelled, and then no thread of ours works on the state any more.
        """
        try:
            while True:
                await asyncio.sleep(self._policy.interval_s * (1 + random.random()))
                node = self._driver.node
                if node.applied_index - node.snapshot.index >= self._policy.threshold:
                    await self._try_to_take()
        finally:
            self._ended = True
            for task in list(self._restoring):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def _try_to_take(self) -> None:
        try:
            await self.take()
        except (OSError, ProconsulError) as failure:
            log.error("failed to take a snapshot: %s", failure)
        except Exception:
            log.exception("failed to take a snapshot")

    async def take(self) -> None:
        """Write the state as it is now, then let go of the log behind it."""
        async with self.one_at_a_time:
            meta = self._driver.node.snapshot_meta(self._driver.node.applied_index)
            with self._replicated.held() as held:
                await in_thread(lambda: self._write(meta, held.chunks()), held.give_up)
            self._write_down()
            keep_from = Index(max(meta.index - self._policy.trailing, 0) + 1)
            self._driver.compact(meta, keep_from)
            log.info("snapshot complete up to index=%d", meta.index)

    def _write_down(self) -> None:
        """Have the stored state behind the snapshot: else a restart builds it from that."""
        try:
            self._replicated.write_down()
        except StateFullError:
            pass  # it is said where applying waits for it
        except StateBrokenError as failure:
            self._driver.fail(failure)
            raise

    def _write(self, meta: SnapshotMeta, chunks: Iterator[bytes]) -> None:
        self._files.write(meta, time.time_ns() // 1_000_000, chunks)

    async def save(self) -> tuple[int, AsyncIterator[bytes]]:
        """(index, archive) of the state as it is now, for `GET /v1/snapshot`. Raises RpcError."""
        node = self._driver.node
        meta = node.snapshot_meta(node.applied_index)
        spool = Spool()
        try:
            with self._replicated.held() as held:
                size_bytes = await in_thread(lambda: spool.write_all(held.chunks()), held.give_up)
        except BaseException as failure:
            spool.close()
            if isinstance(failure, (OSError, ProconsulError)):
                raise RpcError(f"failed to save snapshot: {failure}") from failure
            raise
        return meta.index, self._noted(snapshot_archive.pieces(meta, size_bytes, spool))

    async def _noted(self, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
        self.saved_unix_s = time.time()

    async def restore(self, upload: AsyncIterator[bytes], restore_uid: str = "") -> bool:
        """Replace the state by an archive's. Raises RpcError; the state then is as before.

        Cancelled while the archive comes in, it stops; from then on it goes on to its end.
        False: the last restore of this cluster had that UID, and nothing was done now.
        """
        if self._is_done(restore_uid):
            async for _ in upload:
                pass  # who is not read to the end does not hear the answer
            return False
        index, state = await self._received(upload)
        if self._ended:
            state.close()
            raise RpcError("failed to restore snapshot: the server ends")
        task = asyncio.get_running_loop().create_task(self._install(index, state, restore_uid))
        self._restoring.add(task)
        task.add_done_callback(self._restoring.discard)
        task.add_done_callback(lambda _: state.close())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise RpcError("failed to restore snapshot: the server ends") from None
            raise

    async def _received(self, upload: AsyncIterator[bytes]) -> tuple[Index, Spool]:
        """(index, state) of an archive that was checked; the caller closes it. Raises RpcError."""
        with Spool() as archive:
            try:
                async for piece in upload:
                    await in_thread(lambda piece=piece: archive.write(piece), archive.give_up)  # type: ignore[misc]
            except OSError as failure:
                raise RpcError(f"failed to read snapshot: {failure}") from failure
            state = Spool()
            try:
                saved = await in_thread(
                    lambda: snapshot_archive.read(archive, state), archive.give_up
                )
            except BaseException as failure:
                state.close()
                if isinstance(failure, ArchiveError):
                    raise RpcError(str(failure)) from failure
                if isinstance(failure, OSError):
                    raise RpcError(f"failed to read snapshot: {failure}") from failure
                raise
        return Index(saved.index), state

    def _is_done(self, restore_uid: str) -> bool:
        state = self._replicated.state.read()
        return bool(restore_uid) and marks(state).restore_uid == restore_uid

    async def _install(self, lower_bound: Index, state: Spool, restore_uid: str) -> bool:
        """The leader puts the state in place; its followers will have to fetch it."""
        async with self.one_at_a_time:
            meta = await self._begin(lower_bound)
            # All that was in the log is applied: so is a restore of another leader's.
            if self._is_done(restore_uid):
                self._driver.abort_restore()
                return False
            own = marks(self._replicated.state.read())
            mark = replace(own, restore_uid=restore_uid or own.restore_uid)
            events = await self._replace(meta, state, mark)
            self._driver.end_restore(meta)
            self._restored(events)
        await self._driver.barrier()
        log.info("restored a user snapshot: index=%d", meta.index)
        return True

    async def _begin(self, lower_bound: Index) -> SnapshotMeta:
        try:
            return await self._driver.begin_restore(lower_bound, WRITES_AHEAD_S)
        except NoLeaderError:
            raise
        except ProconsulError as failure:
            raise RpcError(f"failed to restore snapshot: {failure}") from failure

    async def _replace(self, meta: SnapshotMeta, state: Spool, mark: ClusterMark) -> list[object]:
        try:
            with self._replicated.replacement(meta.index) as new:
                await in_thread(lambda: new.fill(state.chunks()), new.give_up)
                new.change(partial(replace_marks, mark=mark, index=meta.index))
                await self._keep(meta, new)
        except BaseException as failure:
            await self._undo(meta)
            if isinstance(failure, Exception):
                raise RpcError(f"failed to restore snapshot: {failure}") from failure
            raise
        return new.events

    async def _keep(self, meta: SnapshotMeta, new: NewState) -> None:
        """Make it durable, if this server still leads when all that takes long is done."""
        now_ms = time.time_ns() // 1_000_000
        writer = await in_thread(
            lambda: self._files.write_aside(meta, now_ms, new.chunks()), new.give_up
        )
        with writer.aborted_if_it_fails():
            await in_thread(new.settle, new.give_up)
            async with asyncio.timeout(LEADS_STILL_S):
                await self._driver.confirm_leadership()
            await in_thread(writer.finish, threading.Event())

    async def _undo(self, meta: SnapshotMeta) -> None:
        try:
            await in_thread(lambda: self._files.forget(meta), threading.Event())
        except OSError as failure:
            # It would take effect at the next start: better now, and without writes in between.
            self._driver.fail(
                RpcError(
                    f"a snapshot could neither be restored nor removed ({failure}): the next "
                    "start restores it"
                )
            )
            return
        self._driver.abort_restore()
