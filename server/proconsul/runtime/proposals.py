"""Takes writes into the leader's log, at once or with the next group (runtime/gathering.py)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from proconsul.errors import NoLeaderError, RpcError
from proconsul.fsm import chunking
from proconsul.raft.effects import RefusedError
from proconsul.raft.membership import Change
from proconsul.raft.messages import EntryKind, Index
from proconsul.raft.node import Node
from proconsul.runtime.chunked_writes import append_in_chunks
from proconsul.runtime.clock import lasting_s
from proconsul.runtime.gathering import Gathering
from proconsul.runtime.pending import UNTIMED, PendingWrites, Waiter, wait_until_restored

_COMMAND: Final = EntryKind.COMMAND  # asked for each write


class Proposals:
    """What the raft driver's callers ask to be written."""

    def __init__(
        self,
        node: Node,
        writes: PendingWrites,
        refuse: Callable[[], None],
        schedule: Callable[[], None],
    ) -> None:
        """`refuse` raises what forbids a write now; `schedule` asks for a turn of the driver."""
        self._node = node
        self._writes = writes
        self._refuse = refuse
        self._schedule = schedule
        self._loop = asyncio.get_running_loop()
        self._gathering = Gathering()
        self._held: list[tuple[bytes, Waiter, float]] = []
        self.are_taken = asyncio.Event()  # cleared while a user's snapshot is being restored
        self.are_taken.set()

    def propose(self, data: bytes) -> Awaitable[Any]:
        """Commit and apply one command: the FSM's value. Raises what `RaftDriver.propose` does."""
        if not self.are_taken.is_set():
            return self._propose_later(data)
        if chunking.needs_cutting(data):
            return append_in_chunks(data, self.append)
        done: asyncio.Future[Any] = self._loop.create_future()
        self._take(data, done)
        return done

    async def _propose_later(self, data: bytes) -> Any:
        await wait_until_restored(self.are_taken)
        return await self.propose(data)

    def offer(self, data: bytes, waiter: Waiter) -> bool:
        """The same for who waits in another way than with a future.

        False: this command needs more than that now, and was not taken.
        """
        if not self.are_taken.is_set() or chunking.needs_cutting(data):
            return False
        self._take(data, waiter)
        return True

    def _take(self, data: bytes, waiter: Waiter) -> None:
        began_s = time.perf_counter()  # the loop's clock tells whole milliseconds
        if self._gathering.holds:
            self._refuse()
            self._held.append((data, waiter, began_s))
        else:
            self._append(_COMMAND, data, b"", waiter, began_s)

    def change(self, change: Change) -> asyncio.Future[Any]:
        """Change the members, at once. Raises RefusedError, too."""
        self._refuse()
        index = self._node.change(change)
        self._schedule()
        done: asyncio.Future[Any] = self._loop.create_future()
        self._writes.add(index, self._node.term, done)
        return done

    def append(self, kind: EntryKind, data: bytes, extensions: bytes) -> asyncio.Future[Any]:
        """An entry of its own, at once."""
        done: asyncio.Future[Any] = self._loop.create_future()
        is_command = kind is _COMMAND
        began_s = time.perf_counter() if is_command else UNTIMED
        self._append(kind, data, extensions, done, began_s)
        return done

    def _append(
        self,
        kind: EntryKind,
        data: bytes,
        extensions: bytes,
        done: Waiter,
        began_s: float,
    ) -> None:
        self._refuse()
        node = self._node
        try:
            index = node.propose(kind, data, extensions)
        except RefusedError as refused:
            # While leadership is handed over another leader is about to be there.
            if node.is_leader and not node.is_handing_over:
                raise RpcError(str(refused)) from refused
            raise NoLeaderError from refused
        self._schedule()
        self._writes.add(index, node.term, done, began_s)

    def went(self) -> None:
        """The leader's log has gone to the disk and to the followers."""
        node = self._node
        if node.last_index > node.commit_index:
            self._gathering.went(node.last_index, node.commit_index, lasting_s())

    def applied(self, index: Index) -> None:
        """Entries up to this one have their results; their clients hear of them in this turn."""
        if self._gathering.applied(index, lasting_s()):
            # Behind the answers; and the driver's turn is behind what comes to them at once.
            self._loop.call_soon(self.release)

    def ticked(self) -> None:
        """Time passed: a group may be late."""
        if self._gathering.is_late(lasting_s()):
            self.release()

    def release(self) -> None:
        """What waits goes with the next turn, or is refused."""
        self._gathering.end()
        held, self._held = self._held, []
        for data, done, began_s in held:
            try:
                self._append(_COMMAND, data, b"", done, began_s)
            except Exception as failure:  # of one: the others are to be heard
                if not done.done():
                    done.set_exception(failure)
