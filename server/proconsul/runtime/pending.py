"""Who waits for raft: writes for results, reads for leave or for entries, transfers for their end.

Everything happens on the event loop. Each future that fails gets an exception of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from proconsul.errors import NoLeaderError, RpcError
from proconsul.fsm.apply import FsmError
from proconsul.raft.effects import ReadAnswer, TransferEnded
from proconsul.raft.messages import Index, ReadId, Term

UNTIMED: Final = -1.0  # instead of when a write was asked for
RESTORE_HOLD_S = 60.0  # how long writes wait for a user's snapshot to be restored


class LeadershipLostError(RpcError):
    """The write may or may not have been committed: its leader lost its place meanwhile."""

    def __init__(self) -> None:
        super().__init__("leadership lost while committing log")


class WriteWaitsError(RpcError):
    """The disk became full under a write that was in the log's queue already."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"no space left for the log under {path}: the write is not acknowledged; it waits in "
            "line and may still be applied when there is room"
        )


async def wait_until_restored(is_open: asyncio.Event) -> None:
    """Hold a write back while a user's snapshot is being restored. Raises RpcError: not taken."""
    if is_open.is_set():
        return
    try:
        async with asyncio.timeout(RESTORE_HOLD_S):
            await is_open.wait()
    except TimeoutError:
        raise RpcError("write refused: a snapshot is being restored") from None


class Waiter(Protocol):
    """Who waits for a write: a future, as a rule."""

    def done(self) -> bool:
        """Whether it has heard, or does not want to hear any more."""

    def set_result(self, value: Any, /) -> None:
        """The FSM's value."""

    def set_exception(self, failure: Exception, /) -> None:
        """Why there is none."""


class _Write:
    __slots__ = ("began_s", "done", "index", "term")

    def __init__(self, index: Index, term: Term, done: Waiter, began_s: float) -> None:
        self.index = index
        self.term = term
        self.done = done
        self.began_s = began_s


class PendingWrites:
    """Writes in the log whose clients wait, in the order of their indexes."""

    def __init__(self) -> None:
        self._writes: deque[_Write] = deque()

    def __len__(self) -> int:
        return len(self._writes)

    def add(self, index: Index, term: Term, done: Waiter, began_s: float = UNTIMED) -> None:
        """A write was taken into the log, that was asked for then; its result is the waiter's."""
        self._writes.append(_Write(index, term, done, began_s))

    def applied(self, results: list[tuple[int, int, Any]], now_s: float = 0.0) -> list[float]:
        """(index, term, value) of entries that are applied, in order.

        How long those took that are timed and have succeeded, in milliseconds, until `now_s`.
        """
        writes = self._writes
        took_ms: list[float] = []
        for index, term, value in results:
            while writes and writes[0].index <= index:
                write = writes.popleft()
                if write.done.done():
                    continue
                if write.index != index or write.term != term:
                    write.done.set_exception(LeadershipLostError())
                elif isinstance(value, FsmError):
                    write.done.set_exception(RpcError(value.text))
                else:
                    write.done.set_result(value)
                    if write.began_s != UNTIMED:
                        took_ms.append((now_s - write.began_s) * 1000)
        return took_ms

    def fail(self, failure: Callable[[], Exception], *, beyond: int = 0) -> None:
        """Nobody waits any more for what lies beyond that index; what is in the log stays there."""
        kept: deque[_Write] = deque()
        for write in self._writes:
            if write.index <= beyond:
                kept.append(write)
            elif not write.done.done():
                write.done.set_exception(failure())
        self._writes = kept


class PendingReads:
    """Consistent reads that wait for the node's word that the state may be read now."""

    def __init__(self) -> None:
        # Asking which loop runs is a system call in Python 3.11 (getpid), too dear for each read.
        self._loop = asyncio.get_running_loop()
        self._asked: dict[ReadId, asyncio.Future[None]] = {}

    def add(self, read: ReadId) -> asyncio.Future[None]:
        """A read was asked for."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._asked[read] = done
        return done

    def answered(self, answer: ReadAnswer) -> None:
        """The node's word: this server leads, and the state holds what it must; or it does not."""
        done = self._asked.pop(answer.read, None)
        if done is None or done.done():
            return
        if answer.index is None:
            done.set_exception(NoLeaderError())
        else:
            done.set_result(None)

    def fail(self) -> None:
        """Leadership was lost, or the server ends."""
        asked, self._asked = self._asked, {}
        for done in asked.values():
            if not done.done():
                done.set_exception(NoLeaderError())


class PendingEntries:
    """Reads that wait until the state has come as far as somebody else's."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], int] = {}

    async def wait(self, index: int) -> None:
        """Until the entry is applied; the caller has a deadline."""
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[reached] = index
        try:
            await reached
        finally:
            del self._waiting[reached]

    def applied(self, index: int) -> None:
        """All entries up to this one are."""
        for reached, awaited in self._waiting.items():
            if awaited <= index and not reached.done():
                reached.set_result(None)


class PendingTransfers:
    """Those who wait for the end of a transfer of leadership."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[TransferEnded]] = []

    def add(self) -> asyncio.Future[TransferEnded]:
        """A transfer was begun."""
        ended: asyncio.Future[TransferEnded] = asyncio.get_running_loop().create_future()
        self._waiting.append(ended)
        return ended

    def ended(self, how: TransferEnded) -> None:
        """It is over, and how."""
        waiting, self._waiting = self._waiting, []
        for ended in waiting:
            if not ended.done():
                ended.set_result(how)
