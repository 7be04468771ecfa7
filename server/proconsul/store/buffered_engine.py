"""An engine whose newest commits are in memory: the engine behind it gets some of them together.

A commit costs an engine on disk the same for one row as for a hundred. What is in memory only is
in the log, too: a restart finds the state as it was written down last, with the index up to which
it was applied, and the log goes on from there.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from proconsul.store.engine import Batch, StateEngine, StateFullError, View
from proconsul.store.layered import LayeredBatch, LayeredView, write_down
from proconsul.store.memtable import Memtable

FLUSH_BYTES: Final = 128 * 1024  # in memory; then they are written down, before the next commit


class BufferedEngine:
    """The state: what the engine behind holds, and in front of it what it is yet to get."""

    def __init__(self, engine: StateEngine, flush_bytes: int = FLUSH_BYTES) -> None:
        self._engine = engine
        self._flush_bytes = flush_bytes
        self._memtable = Memtable()
        self._newest: LayeredView | None = None

    # ------------------------------------------------------------ reading

    def newest(self) -> LayeredView:
        """The newest committed state, shared and cheap; it refuses once there is a newer one."""
        newest = self._newest
        if newest is None:
            newest = self._newest = LayeredView(self._memtable, self._engine.newest())
        return newest

    @contextmanager
    def view(self) -> Iterator[View]:
        """The newest committed state, held for the block; may be read on another thread."""
        with self._engine.view() as below:
            yield LayeredView(self._memtable.copy(), below)

    def _end_newest(self) -> None:
        if self._newest is not None:
            self._newest.end()
            self._newest = None

    # ------------------------------------------------------------ writing

    @contextmanager
    def write(self) -> Iterator[Batch]:
        """Begin the write transaction; committed when the block ends, undone when it raises.

        Raises what the engine behind does, before the block, where it gets what was committed
        before.
        """
        if self._memtable.size_bytes >= self._flush_bytes:
            self.write_down()
        batch = LayeredBatch(self.newest())
        yield batch
        self._end_newest()
        self._memtable.take(batch.written)

    def write_down(self) -> None:
        """Have the engine behind hold the newest state, while nobody writes.

        Raises what that one does; then nothing has changed.
        """
        if self._memtable:
            self._end_newest()  # what is below may move
            with self._engine.write() as batch:
                write_down(self._memtable, batch)
            self._memtable = Memtable()

    @contextmanager
    def replace(self) -> Iterator[Batch]:
        """Write another, empty state, which replaces this one whole when the block ends."""
        with self._engine.replace() as batch:
            yield batch
        self._end_newest()
        self._memtable = Memtable()

    def settle(self) -> None:
        """Commit what is written in the block of `replace`."""
        self._engine.settle()

    def close(self) -> None:
        """Make the state last. Where it finds no room, the log has the rest."""
        with suppress(StateFullError):
            self.write_down()
        self._end_newest()
        self._engine.close()
