"""Applies what is committed in slices, so that a long log does not keep the loop from its clients.

While the state has no room the same slice is tried again: what is committed is never skipped.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from proconsul.errors import RpcError
from proconsul.raft.entry import Entry
from proconsul.runtime.giving_time import GivingTime
from proconsul.runtime.logs import logger
from proconsul.runtime.state_machine import Applied, ReplicatedState
from proconsul.store.engine import StateFullError

SLICE_LENGTH_MAX = 256  # entries in one transaction; both bound the time the loop is held
SLICE_BYTES_MAX = 256 * 1024
RETRY_S = 0.25

log = logger("raft")


class StateWaitsError(RpcError):
    """The state has no room for what is committed."""

    def __init__(self, full: StateFullError, *, taken: bool) -> None:
        what = (
            "the write is in the log and will be applied, but not now" if taken else "write refused"
        )
        super().__init__(f"{what}: {full}")


class Applying:
    """The committed entries that the state does not hold yet."""

    def __init__(self, replicated: ReplicatedState, go_on: Callable[[], None]) -> None:
        """`go_on` is called when it is time to try a slice again that found no room."""
        self._replicated = replicated
        self._go_on = go_on
        self._loop = asyncio.get_running_loop()
        self._giving = GivingTime()
        self._entries: deque[Entry] = deque()
        self.full: StateFullError | None = None  # why applying waits, if it does
        self._resting = False

    def __bool__(self) -> bool:
        """Whether there is something to apply."""
        return bool(self._entries)

    @property
    def can_go_on(self) -> bool:
        """Whether a slice can be applied now."""
        return bool(self._entries) and not self._resting

    def add(self, entries: Sequence[Entry]) -> None:
        """More were committed."""
        self._entries.extend(entries)

    def foresee(self, entries: Sequence[Entry]) -> None:
        """These follow what is applied, and are committed as soon as they are on the disk.

        Raises StateBrokenError.
        """
        if self._entries or self._resting or len(entries) > SLICE_LENGTH_MAX:
            return
        if sum([len(entry.data) for entry in entries]) <= SLICE_BYTES_MAX:
            self._giving.give()  # the disk first
            self._replicated.foresee(entries)

    def forget_foreseen(self) -> None:
        """They may be others' in the end."""
        self._replicated.forget_foreseen()

    def forget(self) -> None:
        """A snapshot has all of it."""
        self._entries.clear()
        self.full = None

    def apply_slice(self) -> tuple[Entry, Applied] | None:
        """Apply the next slice: (its last entry, what it gave), or None when there is no room.

        Raises CommandError for an entry that no server may go on from.
        """
        batch = self._next_slice()
        try:
            applied = self._replicated.apply(batch)
        except StateFullError as full:
            self._rest(full)
            return None
        for _ in batch:
            self._entries.popleft()
        if self.full is not None:
            self.full = None
            log.info("the state has room again: applying goes on")
        return batch[-1], applied

    def _next_slice(self) -> list[Entry]:
        batch: list[Entry] = []
        left_bytes = SLICE_BYTES_MAX
        for entry in self._entries:
            left_bytes -= len(entry.data)
            if batch and (left_bytes < 0 or len(batch) == SLICE_LENGTH_MAX):
                break
            batch.append(entry)
        return batch

    def _rest(self, full: StateFullError) -> None:
        if self.full is None:
            log.error("cannot apply what is committed, will retry: %s", full)
        self.full = full
        self._resting = True
        self._loop.call_later(RETRY_S, self._wake)

    def _wake(self) -> None:
        self._resting = False
        self._go_on()
