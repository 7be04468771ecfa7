"""Applies committed entries to the state, and saves and restores it as a whole.

One engine transaction takes a batch of entries, applied index included. When the engine has no
room the batch is undone and tried again later: what is committed is never skipped, and nobody is
answered before it is applied (design decision 4).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from proconsul.fsm import snapshot
from proconsul.fsm.apply import apply
from proconsul.raft.messages import Entry, EntryKind
from proconsul.runtime.lmdb_engine import LmdbEngine
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.state import State

BATCH_LENGTH_MAX = 256  # entries to one transaction: bounds the time the loop is held


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch gave: the FSM's value for each entry, and events for the outside."""

    results: list[tuple[int, int, Any]] = field(default_factory=list)  # index, term, value
    events: list[object] = field(default_factory=list)


class ReplicatedState:
    """The state, and those who wait for its changes."""

    def __init__(self, engine: LmdbEngine) -> None:
        self._engine = engine
        self.state = State(engine)
        self.waiting = WaitingRoom(self.state.watchers)

    @property
    def applied_index(self) -> int:
        """The last entry that the stored state contains."""
        return self.state.applied_index()

    def apply(self, entries: Sequence[Entry]) -> Applied:
        """Apply entries in one transaction; raises StateFullError with nothing changed.

        Raises CommandError for an entry that no server may go on from.
        """
        applied = Applied()
        with self.state.write(entries[0].index) as txn:
            for entry in entries:
                txn.index = entry.index
                value = None
                if entry.kind is EntryKind.COMMAND:
                    value = apply(txn, entry.data, entry.extensions or None, entry.term)
                applied.results.append((entry.index, entry.term, value))
            txn.set_applied(entries[-1].index)
        applied.events.extend(txn.events)
        return applied

    def snapshot_chunks(self) -> Iterator[bytes]:
        """The records of the state as it is now; may be consumed in another thread."""
        held = self.state.snapshot()
        view = held.__enter__()

        def stream() -> Iterator[bytes]:
            try:
                yield from snapshot.write(view)
            finally:
                held.__exit__(None, None, None)

        return stream()

    def restore(
        self, chunks: Iterable[bytes], applied_index: int, before_swap: Callable[[], None]
    ) -> list[object]:
        """Replace the state by a snapshot's; raises SnapshotError with the old one in place.

        `before_swap` makes the snapshot durable: it is called when the new state is known to be
        good and nobody has seen it; when it raises, the old state stays. Returns the events of
        what was restored (sessions with their TTLs).
        """
        with self.state.replace(applied_index) as txn:
            snapshot.restore(txn, chunks)
            txn.set_applied(applied_index)
            before_swap()
            self.waiting.state_replaced()
        return txn.events

    def close(self) -> None:
        """Mark the stored state as whole, and let go of it."""
        self._engine.close()
