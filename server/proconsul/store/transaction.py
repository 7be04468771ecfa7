"""Reading and writing rows: the view with types, and the one write at a raft index.

A WriteTransaction is what the FSM works in: it stamps rows with its index, keeps the secondary
orders of the tables, the list of changed keys for the watchers, and the events that somebody
outside the replicated state must hear of (`events`). What it wrote it remembers decoded, so that
a command that reads before it writes, or after, decodes nothing twice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from proconsul.model.snapshot_record import IndexEntry
from proconsul.store.engine import Batch, View
from proconsul.store.keys import index_key
from proconsul.store.row_cache import RowCache
from proconsul.store.schema import INDEXES, META, ORDERED, Secondary, Table
from proconsul.store.watch import Changed
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.rows import decode, decode_all, is_flat

T = TypeVar("T", bound=GoStruct)
M = TypeVar("M")

APPLIED = b"applied"
LATE_MAX = 256  # entries of the index table that are not written yet
KNOWN_MAX = 4096  # decoded rows that one write transaction holds


class ReadTransaction:
    """Typed reading of one consistent state; `cache` only if the view is the newest one."""

    def __init__(self, view: View, cache: RowCache | None) -> None:
        self.view = view
        self.cache = cache
        self._indexes: dict[str, int] = {}  # entries of the index table that were asked for

    def row(self, table: Table[T], key: bytes) -> T | None:
        """The row at this key, or None."""
        cache = self.cache
        if cache is None:
            data = self.view.get(table.name, key)
            return None if data is None else _decoded(table, data)
        name = (table.name, key)
        row = cache.row(name)
        if row is None:
            data = self.view.get(table.name, key)
            if data is None:
                return None
            row = _decoded(table, data)
            cache.keep(name, row, len(data))
        return cast("T", row)

    def rows(self, table: Table[T], prefix: bytes = b"") -> Iterator[T]:
        """All rows whose keys start with `prefix`, in key order."""
        if is_flat(table.row):
            # Not kept: it would cost more, and push out what is asked for one by one.
            found = [data for _, data in self.view.scan(table.name, prefix)]
            return iter(decode_all(table.row, found))
        return self._kept_rows(table, prefix)

    def _kept_rows(self, table: Table[T], prefix: bytes) -> Iterator[T]:
        for key, data in self.view.scan(table.name, prefix):
            name = (table.name, key)
            row = self._held(name)
            if row is None:
                row = _decoded(table, data)
                if self.cache is not None:
                    self.cache.keep(name, row, len(data))
            yield cast("T", row)

    def _held(self, name: tuple[str, bytes]) -> GoStruct | None:
        """The row, if it is at hand decoded."""
        return None if self.cache is None else self.cache.row(name)

    def rows_by(self, table: Table[T], order: Secondary[T], prefix: bytes = b"") -> Iterator[T]:
        """The rows that `order` has under `prefix`, in its order."""
        for _, key in self.view.scan(order.name, prefix):
            row = self.row(table, key)
            assert row is not None, f"{order.name} names a row that {table.name} has not"
            yield row

    def group(
        self,
        table: Table[T],
        order: Secondary[T] | None,
        prefix: bytes,
        make: Callable[[list[T]], M],
    ) -> M:
        """What `make` makes of the rows under `prefix` (whole parts of keys), made once a change.

        The result is shared: nobody may change it.
        """
        cache = self.cache
        if cache is None:
            return make(self._listed(table, order, prefix))
        key = (table.name if order is None else order.name, prefix)
        group = cache.groups.get(key)
        if group is not None and make in group:
            return cast("M", group[make])
        made = make(self._listed(table, order, prefix))
        cache.keep_group(key, make, made)
        return made

    def _listed(self, table: Table[T], order: Secondary[T] | None, prefix: bytes) -> list[T]:
        found = self.rows(table, prefix) if order is None else self.rows_by(table, order, prefix)
        return list(found)

    def keys(self, table: str, prefix: bytes = b"") -> Iterator[bytes]:
        """The keys alone."""
        return self.view.keys(table, prefix)

    def exists(self, table: str, prefix: bytes) -> bool:
        """Whether any key starts with `prefix`."""
        return next(iter(self.keys(table, prefix)), None) is not None

    def table_index(self, *names: str) -> int:
        """The highest of these entries of the index table; an absent one is 0."""
        highest = 0
        for name in names:
            at = self._indexes.get(name)
            if at is None:
                at = self._indexes[name] = self._index_entry(name)
            if at > highest:
                highest = at
        return highest

    def has_index(self, name: str) -> bool:
        """Whether the index table has this entry."""
        return self.row(INDEXES, index_key(name)) is not None

    def _index_entry(self, name: str) -> int:
        entry = self.row(INDEXES, index_key(name))
        return 0 if entry is None else entry.value

    def applied_index(self) -> int:
        """The index of the last log entry that this state contains, 0 for none."""
        data = self.view.get(META, APPLIED)
        return 0 if data is None else int.from_bytes(data, "big")


class WriteTransaction(ReadTransaction):
    """Applies commands at one raft index after the other.

    Without `committed`, the rows of the state that it changes, it makes a state of its own, that
    nobody reads or waits for yet: it keeps no list of changes then.
    """

    def __init__(self, batch: Batch, index: int, committed: RowCache | None) -> None:
        super().__init__(batch, None)
        self.batch = batch
        self.index = index  # of the entry that is being applied
        self.changed: Changed = set()
        self.events: list[object] = []  # store/events.py
        self.known: dict[tuple[str, bytes], GoStruct] = {}  # rows as this batch has them
        self.sizes: dict[tuple[str, bytes], int] = {}  # encoded, of those that were written
        self.writes = 0  # grows with each
        self.may_start_over = False  # whether the whole can be undone, and done once more
        self._watched = committed is not None
        self._committed = committed
        self._touched: Changed = set()  # where `_committed` is no longer true
        # Entries of the index table that the batch is yet to get: name and value, by their keys.
        # Each command sets some of the same few, of which only the last value need be written.
        self._late: dict[bytes, tuple[str, int]] = {}

    def row(self, table: Table[T], key: bytes) -> T | None:
        """The row at this key, or None."""
        if self._late and table.name == INDEXES.name and key in self._late:
            index_name, value = self._late[key]
            return cast("T", IndexEntry(key=index_name, value=value))
        name = (table.name, key)
        row = self._held(name)
        if row is None:
            row = super().row(table, key)
            if row is not None:
                self._know(name, row)
        return cast("T | None", row)

    def table_index(self, *names: str) -> int:
        """The highest of these entries of the index table; an absent one is 0."""
        return max((self._index_entry(name) for name in names), default=0)

    def _held(self, name: tuple[str, bytes]) -> GoStruct | None:
        row = self.known.get(name)
        if row is None and self._committed is not None and name not in self._touched:
            row = self._committed.row(name)
        return row

    def _know(self, name: tuple[str, bytes], row: GoStruct) -> None:
        if len(self.known) >= KNOWN_MAX:
            self.known.clear()
            self.sizes.clear()
        self.known[name] = row

    def rows(self, table: Table[T], prefix: bytes = b"") -> Iterator[T]:
        """All rows whose keys start with `prefix`, in key order."""
        if self._late and table.name == INDEXES.name:
            self.write_late()
        return super().rows(table, prefix)

    def keys(self, table: str, prefix: bytes = b"") -> Iterator[bytes]:
        """The keys alone."""
        if self._late and table == INDEXES.name:
            self.write_late()
        return super().keys(table, prefix)

    def write_late(self) -> None:
        """Have all in the batch; to be called before it is committed."""
        late, self._late = self._late, {}
        for key, (name, value) in late.items():
            self.put(INDEXES, key, IndexEntry(key=name, value=value))

    def put(self, table: Table[T], key: bytes, row: T) -> None:
        """Write a row as it is."""
        self.replace(table, key, self.row(table, key) if table.secondaries else None, row)

    def replace(self, table: Table[T], key: bytes, old: T | None, row: T) -> None:
        """The same, where it is known which row is there."""
        if table.secondaries:
            self._reorder(table, key, old, row)
        data = table.encode(row)
        name = self._put(table.name, key, data)
        self._know(name, row)
        self.sizes[name] = len(data)

    def encoded(self, table: str, key: bytes) -> bytes | None:
        """The bytes of the row at this key, or None."""
        return self.batch.get(table, key)

    def put_encoded(self, table: str, key: bytes, data: bytes) -> None:
        """Write a row by its bytes, where it has the same place in all orders of its table."""
        self._put(table, key, data)

    def put_raw(self, table: str, key: bytes, value: bytes) -> None:
        """Write bytes, in a table whose rows are of several types."""
        assert table not in ORDERED, f"put() keeps the orders of {table}, put_raw() does not"
        self._put(table, key, value)

    def remove(self, table: str, key: bytes) -> bool:
        """Delete a row; False if there was none."""
        ordered = ORDERED.get(table)
        if ordered is not None:
            old = self.row(ordered, key)
            if old is None:
                return False
            self._reorder(ordered, key, old, None)
        return self._remove(table, key)

    def _put(self, table: str, key: bytes, value: bytes) -> tuple[str, bytes]:
        if self._late and table == INDEXES.name:
            self._late.pop(key, None)
        self.batch.put(table, key, value)
        return self._touch(table, key)

    def _remove(self, table: str, key: bytes) -> bool:
        if table == INDEXES.name:
            self.write_late()
        found = self.batch.delete(table, key)
        if found:
            self._touch(table, key)
        return found

    def _touch(self, table: str, key: bytes) -> tuple[str, bytes]:
        name = (table, key)
        self.writes += 1
        self.known.pop(name, None)
        if self._watched:
            self._touched.add(name)
            self.changed.add(name)
        return name

    def _reorder(self, table: Table[T], key: bytes, old: T | None, new: T | None) -> None:
        for order in table.secondaries:
            before = [] if old is None else order.prefixes(old)
            after = [] if new is None else order.prefixes(new)
            if before != after:
                for prefix in before:
                    if prefix not in after:
                        self._remove(order.name, prefix + key)
                for prefix in after:
                    if prefix not in before:
                        self.batch.put(order.name, prefix + key, key)
            if self._watched:
                # Who read the row through this order is concerned, even if its place is the same.
                for prefix in after:
                    self.changed.add((order.name, prefix + key))

    def set_index(self, *names: str, value: int | None = None) -> None:
        """Set entries of the index table to this entry's index, or to `value`."""
        self.writes += 1
        for name in names:
            self._late[index_key(name)] = name, self.index if value is None else value
            if len(self._late) >= LATE_MAX:
                self.write_late()

    def raise_index(self, *names: str, value: int | None = None) -> None:
        """The same, but never downwards."""
        at = self.index if value is None else value
        for name in names:
            if self._index_entry(name) < at or not self.has_index(name):
                self.set_index(name, value=at)

    def remove_index(self, name: str) -> None:
        """Drop an entry of the index table."""
        self.remove(INDEXES.name, index_key(name))

    def set_applied(self, index: int) -> None:
        """Say that this state contains the log up to `index`."""
        self.batch.put(META, APPLIED, index.to_bytes(8, "big"))

    @contextmanager
    def undoable(self) -> Iterator[None]:
        """A part that is undone, with its changes and events, when it raises."""
        outer_batch, outer_changed, outer_events = self.batch, self.changed, self.events
        self.changed, self.events = set(), []
        late = self._late.copy()
        try:
            with outer_batch.child() as child:
                self.batch = self.view = child
                yield
        except BaseException:
            self._late = late
            self.known.clear()  # it may hold what is undone
            self.changed, self.events = outer_changed, outer_events
            raise
        else:
            outer_changed |= self.changed
            outer_events.extend(self.events)
            self.changed, self.events = outer_changed, outer_events
        finally:
            self.batch = self.view = outer_batch


def _decoded(table: Table[T], data: bytes) -> T:
    return decode(table.row, data) if table.decode is None else table.decode(data)
