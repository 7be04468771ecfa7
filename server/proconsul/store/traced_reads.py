"""What a read really looked at, so that its answer can be kept until something of that changes.

A WatchSet names what a blocking query waits for, which is less: Consul's rules let an answer's
index move without waking anybody. Here nothing is left out, whatever a query is written like: all
that it learns comes from the view, or from the row cache in front of it, and both are noted.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from proconsul.store.engine import View
from proconsul.store.schema import Secondary, Table
from proconsul.store.transaction import ReadTransaction
from proconsul.wire.gostruct import GoStruct

T = TypeVar("T", bound=GoStruct)
M = TypeVar("M")

# Of one table; who reads more is concerned by any change of that table: it is spared no more than
# a few answers that way, and to note, and forget, each of thousands of rows costs more than those.
NOTED_MAX = 256

Key = tuple[str, bytes]


class Notes:
    """Keys and prefixes by table, in the form of a WatchSet (store/watch.py)."""

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.prefixes: set[Key] = set()
        self._counts: dict[str, int] = {}

    def exact(self, table: str, key: bytes) -> None:
        """This row was read, or missed."""
        name = (table, key)
        if name not in self.keys and not self._is_full(table):
            self.keys.add(name)

    def prefix(self, table: str, prefix: bytes) -> None:
        """All rows under a prefix were read."""
        name = (table, prefix)
        if name not in self.prefixes and not self._is_full(table):
            self.prefixes.add(name)

    def _is_full(self, table: str) -> bool:
        """Count one more; at the limit the whole table is noted, once."""
        count = self._counts.get(table, 0) + 1
        self._counts[table] = count
        if count < NOTED_MAX:
            return False
        if count == NOTED_MAX:
            self.keys = {noted for noted in self.keys if noted[0] != table}
            self.prefixes = {noted for noted in self.prefixes if noted[0] != table}
            self.prefixes.add((table, b""))
        return True


class TracedView:
    """A view that notes what it is asked for."""

    def __init__(self, view: View, notes: Notes) -> None:
        self._view = view
        self._notes = notes

    def get(self, table: str, key: bytes) -> bytes | None:
        """See View."""
        self._notes.exact(table, key)
        return self._view.get(table, key)

    def scan(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """See View."""
        self._notes.prefix(table, prefix)
        return self._view.scan(table, prefix)

    def keys(self, table: str, prefix: bytes = b"", start: bytes = b"") -> Iterator[bytes]:
        """See View."""
        self._notes.prefix(table, prefix)
        return self._view.keys(table, prefix, start)


class TracedTransaction(ReadTransaction):
    """Reads what `read` does, and notes it; good for one query, at once."""

    def __init__(self, read: ReadTransaction) -> None:
        self.notes = Notes()
        super().__init__(TracedView(read.view, self.notes), read.cache)

    def row(self, table: Table[T], key: bytes) -> T | None:
        """The row at this key, or None."""
        self.notes.exact(table.name, key)
        return super().row(table, key)

    def rows_by(self, table: Table[T], order: Secondary[T], prefix: bytes = b"") -> Iterator[T]:
        """The rows that `order` has under `prefix`, in its order."""
        for _, key in self.view.scan(order.name, prefix):
            # Not noted: who writes a row names its places in the orders as changed, too.
            row = super().row(table, key)
            assert row is not None, f"{order.name} names a row that {table.name} has not"
            yield row

    def group(
        self,
        table: Table[T],
        order: Secondary[T] | None,
        prefix: bytes,
        make: Callable[[list[T]], M],
    ) -> M:
        """What `make` makes of the rows under `prefix`."""
        self.notes.prefix(table.name if order is None else order.name, prefix)
        return super().group(table, order, prefix, make)
