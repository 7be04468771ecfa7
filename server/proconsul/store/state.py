"""The whole state as one object: its newest commit, its one writer, and who waits for changes.

Everything here runs on one thread but `snapshot`, whose view may be read on another.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from proconsul.store.engine import Engine
from proconsul.store.row_cache import RowCache
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import Watchers


class State:
    """What the log has made so far, in an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cache = RowCache()
        self._newest: ReadTransaction | None = None
        self.watchers = Watchers()
        self.kept_answers = Watchers()  # they die with what they were read from

    def read(self) -> ReadTransaction:
        """The newest commit, with its rows cached.

        For use at once: after the next commit the transaction refuses to read.
        """
        newest = self._newest
        if newest is None:
            newest = self._newest = ReadTransaction(self._engine.newest(), self._cache)
        return newest

    @contextmanager
    def snapshot(self) -> Iterator[ReadTransaction]:
        """The state as it is now, held for the block whatever is written meanwhile."""
        with self._engine.view() as view:
            yield ReadTransaction(view, None)

    @contextmanager
    def write(self, index: int) -> Iterator[WriteTransaction]:
        """Apply one entry or several; kept when the block ends, undone when it raises.

        Waiting queries are woken after the commit. Raises what the engine does when it has no
        room: nothing is kept then, and the same may be tried again.
        """
        self._newest = None  # beginning to write may already end it
        with self._engine.write() as batch:
            txn = WriteTransaction(batch, index, self._cache)
            yield txn
            txn.write_late()
        self._newest = None
        self._cache.change(txn.changed, txn.known, txn.sizes)
        self.kept_answers.fire(txn.changed)
        self.watchers.fire(txn.changed)

    def write_down(self) -> None:
        """Have a restart find the state as it is, while nobody writes. Raises StateFullError."""
        self._newest = None
        self._engine.write_down()

    @contextmanager
    def replace(self, index: int) -> Iterator[WriteTransaction]:
        """Build another state, which takes the place of this one when the block ends.

        It is dropped when the block raises. Afterwards everybody who waits is woken.
        """
        with self._engine.replace() as batch:
            txn = WriteTransaction(batch, index, None)
            yield txn
            txn.write_late()
        self._newest = None
        self._cache.clear()
        self.kept_answers.abandon()
        self.watchers.abandon()

    def applied_index(self) -> int:
        """The index of the last log entry that the state contains, 0 for none."""
        return self.read().applied_index()
