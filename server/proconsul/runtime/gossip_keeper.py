"""Keeps what a pool must not forget, without making it wait for the disk.

Lines of the snapshot are gathered and written at most FLUSH_S later. When the file has become too
large, or could not be written, all that counts is written anew instead. New keys are written at
once, and tried again until they are: a server that forgot its key would not come back. Who waits
for an answer about them gets it when they are on the disk, or a little later if that is slow.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from proconsul.gossip.effects import Level
from proconsul.runtime.gossip_files import GossipFiles
from proconsul.runtime.gossip_sockets import Complain

FLUSH_S = 0.5  # Serf's
RETRY_S = 5.0  # after a write that failed
KEYS_WAIT_S = 1.0  # for the disk to take new keys, before others hear that we have them
LINES_MAX = 50_000  # that wait for a slow disk; with more, all that counts is written anew

T = TypeVar("T")


class Ledger(Protocol):
    """Who knows what the snapshot should say."""

    def snapshot_lines(self) -> Iterable[str]:
        """All of it."""

    @property
    def snapshot_bytes_max(self) -> int:
        """When the file is larger, it should be written anew."""


class Keeper:
    """The files of one pool, for one event loop."""

    def __init__(self, files: GossipFiles, ledger: Ledger, complain: Complain) -> None:
        self._files = files
        self._ledger = ledger
        self._complain = complain
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gossip-files")
        self._lines: list[str] = []
        self._must_rewrite = False
        self._flushing: asyncio.Task[None] | None = None
        self._keys: tuple[str, ...] | None = None  # the newest that are not written yet
        self._keeping: set[asyncio.Task[None]] = set()
        self._is_failing = False

    def remember(self, line: str) -> None:
        """Append it to the snapshot, soon."""
        if len(self._lines) >= LINES_MAX:
            self._lines.clear()
            self._must_rewrite = True
        self._lines.append(line)
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        delay_s = FLUSH_S
        while self._lines or self._must_rewrite:
            await asyncio.sleep(delay_s)
            delay_s = FLUSH_S if await self._flush() else RETRY_S
        self._flushing = None

    async def _flush(self) -> bool:
        """Write what waits; whether that went well."""
        lines, self._lines = self._lines, []
        try:
            if not self._must_rewrite:
                size_bytes = await self._in_thread(partial(self._files.append, lines))
                self._must_rewrite = size_bytes > self._ledger.snapshot_bytes_max
            if self._must_rewrite:
                whole = list(self._ledger.snapshot_lines())
                await self._in_thread(partial(self._files.rewrite, whole))
        except OSError as failure:
            self._must_rewrite = True
            if not self._is_failing:
                self._is_failing = True
                where = self._files.snapshot
                text = f"serf: Failed to update snapshot {where}: {_reason(failure)}"
                self._complain(Level.ERROR, text)
            return False
        self._must_rewrite = self._is_failing = False
        return True

    def keep_keys(self, keys: tuple[str, ...], kept: Callable[[], None]) -> None:
        """Write the keyring. `kept` is called when it is on the disk, or fails, or takes too long.

        It may be called more than once.
        """
        self._keys = keys
        task = asyncio.get_running_loop().create_task(self._keep_keys(keys, kept))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep_keys(self, keys: tuple[str, ...], kept: Callable[[], None]) -> None:
        patience = asyncio.get_running_loop().call_later(KEYS_WAIT_S, kept)
        try:
            while self._keys is keys and not await self._write_keys(keys):
                kept()
                await asyncio.sleep(RETRY_S)
        finally:
            patience.cancel()
            kept()

    async def _write_keys(self, keys: tuple[str, ...]) -> bool:
        try:
            await self._in_thread(partial(self._files.keep_keyring, keys))
        except OSError as failure:
            text = (
                f"serf: the keyring cannot be written to {self._files.keyring}: "
                f"{_reason(failure)}. The keys are in use and would be forgotten at a restart; it "
                "is tried again"
            )
            self._complain(Level.ERROR, text)
            return False
        if self._keys is keys:
            self._keys = None
        return True

    async def stop(self) -> None:
        """Write what waits, as far as there is room, and end."""
        tasks = {*self._keeping, *({self._flushing} if self._flushing is not None else ())}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._keys is not None:
            await self._write_keys(self._keys)
        if self._lines or self._must_rewrite:
            await self._flush()
        await self._in_thread(self._files.close)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _reason(failure: OSError) -> str:
    return os.strerror(failure.errno).lower() if failure.errno else str(failure)
