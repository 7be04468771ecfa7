"""Rows, their other orders, undoing, and the cache in front of them."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proconsul.model.kv import DirEntry
from proconsul.model.snapshot_record import IndexEntry
from proconsul.store import kv
from proconsul.store.keys import folded, index_key, lower, text
from proconsul.store.row_cache import ROW_OVERHEAD_BYTES, RowCache
from proconsul.store.same import same_any
from proconsul.store.schema import INDEXES, KVS, KVS_BY_SESSION
from proconsul.store.state import State
from proconsul.store.transaction import KNOWN_MAX, LATE_MAX, WriteTransaction
from server_tests.store.memory_engine import MemoryEngine
from server_tests.store.stories import ID_A, World


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_undone_leaves_neither_rows_nor_changes_nor_events(world: World) -> None:
    with world.state.write(1) as txn:
        kv.set_key(txn, DirEntry(key="kept", value=b"1"))
        changed = set(txn.changed)
        with suppress(ZeroDivisionError), txn.undoable():
            kv.set_key(txn, DirEntry(key="kept", value=b"2"))
            kv.delete_key(txn, "kept")
            kv.set_key(txn, DirEntry(key="undone", session=ID_A))
            raise ZeroDivisionError
        assert txn.changed == changed
        assert txn.events == []
        assert kv.get(txn, None, "undone")[1] is None
        entry = kv.get(txn, None, "kept")[1]
        assert entry is not None
        assert entry.value == b"1"
    assert [row.key for row in world.read().rows(KVS)] == ["kept"]


def test_what_a_block_did_is_kept_when_it_ends(world: World) -> None:
    with world.state.write(1) as txn:
        with txn.undoable(), txn.undoable():
            kv.set_key(txn, DirEntry(key="a"))
        assert (KVS.name, b"a") in txn.changed
    assert kv.get(world.read(), None, "a")[1] is not None


def test_a_commit_that_raises_keeps_the_old_state_and_the_cache_knows(world: World) -> None:
    world.apply(lambda txn: kv.set_key(txn, DirEntry(key="a", value=b"1")))
    with suppress(ZeroDivisionError), world.state.write(2) as txn:
        kv.set_key(txn, DirEntry(key="a", value=b"2"))
        raise ZeroDivisionError
    entry = kv.get(world.read(), None, "a")[1]
    assert entry is not None
    assert entry.value == b"1"


def test_other_orders_follow_the_row(world: World) -> None:
    def under(session: str) -> list[str]:
        return [row.key for row in world.read().rows_by(KVS, KVS_BY_SESSION, folded(session))]

    held = DirEntry(key="a", session=ID_A)
    world.apply(lambda txn: txn.put(KVS, b"a", held))
    assert under(ID_A.upper()) == ["a"]
    world.apply(lambda txn: txn.put(KVS, b"a", DirEntry(key="a", session="other")))
    assert (under(ID_A), under("other")) == ([], ["a"])
    world.apply(lambda txn: txn.remove(KVS.name, b"a"))
    assert under("other") == []


def test_index_entries_are_found_whatever_their_case(world: World) -> None:
    world.apply(lambda txn: txn.set_index("service.Web"))
    assert world.read().table_index("service.web") == 1
    world.apply(lambda txn: txn.raise_index("service.web"))
    entries = list(world.read().rows(INDEXES))
    assert entries == [IndexEntry(key="service.web", value=2)]
    world.apply(lambda txn: txn.raise_index("service.WEB", value=1))
    assert list(world.read().rows(INDEXES)) == entries
    world.apply(lambda txn: txn.remove_index("SERVICE.WEB"))
    assert not world.read().has_index("service.web")


def test_the_applied_index_is_part_of_the_state(world: World) -> None:
    assert world.state.applied_index() == 0
    world.apply(lambda txn: txn.set_applied(7))
    assert world.state.applied_index() == 7


def test_a_transaction_forgets_decoded_rows_before_they_are_too_many(world: World) -> None:
    def write(count: int) -> None:
        with world.state.write(1) as txn:
            for number in range(count):
                txn.put(INDEXES, index_key(str(number)), IndexEntry(key=str(number), value=1))
            assert len(txn.known) <= KNOWN_MAX

    write(KNOWN_MAX + 10)
    assert world.read().table_index("0") == 1


def test_the_row_cache_gives_up_the_oldest_rows() -> None:
    cache = RowCache(row_bytes_max=20 * (ROW_OVERHEAD_BYTES + 10), groups_max=2)
    for number in range(30):
        cache.keep(("kvs", b"%d" % number), DirEntry(), 10)
    kept = [number for number in range(30) if cache.row(("kvs", b"%d" % number)) is not None]
    assert 10 <= len(kept) <= 20
    assert kept == list(range(30 - len(kept), 30))
    cache.keep(("kvs", b"huge"), DirEntry(), 10_000)
    assert cache.row(("kvs", b"huge")) is None
    for prefix in (b"a\0", b"b\0", b"c\0"):
        cache.keep_group(("services", prefix), list, [])
    assert list(cache.groups) == [("services", b"c\0")]


def test_a_row_that_is_forgotten_is_gone_from_both_halves_of_the_cache() -> None:
    cache = RowCache(row_bytes_max=20 * (ROW_OVERHEAD_BYTES + 10))
    for number in range(15):
        cache.keep(("kvs", b"%d" % number), DirEntry(), 10)
    cache.change({("kvs", b"%d" % number) for number in range(15)}, {}, {})
    assert all(cache.row(("kvs", b"%d" % number)) is None for number in range(15))


def test_a_row_that_was_written_is_kept_as_it_is_now_in_either_half_of_the_cache() -> None:
    cache = RowCache(row_bytes_max=20 * (ROW_OVERHEAD_BYTES + 10))
    name = ("kvs", b"0")
    for number in range(15):
        cache.keep(("kvs", b"%d" % number), DirEntry(), 10)
    cache.change({name}, {name: DirEntry(flags=1)}, {name: 10})
    assert cache.row(name) == DirEntry(flags=1)
    cache.change({name}, {name: DirEntry(flags=2)}, {name: 10_000})
    assert cache.row(name) is None


def test_a_changed_row_takes_all_groups_that_it_is_in_out_of_the_cache() -> None:
    cache = RowCache()
    for prefix in (b"", b"a\0", b"a\0b\0", b"a\0c\0", b"b\0"):
        cache.keep_group(("services", prefix), list, [])
    cache.change({("services", b"a\0b\0")}, {}, {})
    assert [prefix for _, prefix in cache.groups] == [b"a\0c\0", b"b\0"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, True),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2.0}]}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1], [1, 2], False),
        (None, {}, False),
        (float("nan"), float("nan"), False),
    ],
)
def test_free_form_values_are_compared_as_go_compares_them(
    one: object, other: object, same: bool
) -> None:
    assert same_any(one, other) is same


def test_letters_are_lowered_one_by_one() -> None:
    assert lower("WEB") == "web"
    assert lower("\u03a3\u03a3") == "\u03c3\u03c3"  # no final sigma
    assert lower("\u0130") == "i"  # no dot behind it
    assert text("\udcff") == b"\xff"


class _UndoneError(Exception):
    pass


Step = tuple[str, Any]
NAMES = st.sampled_from(["kvs", "nodes", "service.web", "Service.Web", "sessions"])
PLAIN_STEPS = st.one_of(
    st.tuples(st.just("set"), NAMES),
    st.tuples(st.just("raise"), NAMES),
    st.tuples(st.just("put"), NAMES),
    st.tuples(st.just("remove"), NAMES),
    st.tuples(st.just("rows"), st.just("")),
    st.tuples(st.just("keys"), st.just("s")),
    st.tuples(st.just("exists"), st.just("k")),
)
STEPS = st.lists(
    st.one_of(
        PLAIN_STEPS,
        st.tuples(st.sampled_from(["undone", "kept"]), st.lists(PLAIN_STEPS, max_size=4)),
    ),
    max_size=12,
)


def _take(txn: WriteTransaction, step: Step) -> object:
    """Take a step; what it showed."""
    verb, what = step
    if verb == "set":
        txn.set_index(what)
    elif verb == "put":
        txn.put(INDEXES, index_key(what), IndexEntry(key=what, value=3))
    elif verb == "raise":
        txn.raise_index(what, value=txn.index - 5)
    elif verb == "remove":
        txn.remove_index(what)
    elif verb == "rows":
        return list(txn.rows(INDEXES))
    elif verb == "keys":
        return list(txn.keys(INDEXES.name, what.encode()))
    elif verb == "exists":
        return txn.exists(INDEXES.name, what.encode())
    else:
        shown = []
        with suppress(_UndoneError), txn.undoable():
            shown = [_take(txn, one) for one in what]
            if verb == "undone":
                raise _UndoneError
        return shown
    return [txn.table_index(what), txn.has_index(what)]


Table = dict[bytes, IndexEntry]


def _expected(table: Table, index: int, step: Step) -> object:
    """The same with a dictionary for the table."""
    verb, what = step
    if verb in ("undone", "kept"):
        within = table.copy()
        shown = [_expected(within, index, one) for one in what]
        if verb == "kept":
            table.clear()
            table.update(within)
        return shown
    if verb == "rows":
        return [table[key] for key in sorted(table)]
    if verb == "keys":
        return [key for key in sorted(table) if key.startswith(what.encode())]
    if verb == "exists":
        return any(key.startswith(what.encode()) for key in table)
    key = index_key(what)
    before = table.get(key)
    if verb == "set":
        table[key] = IndexEntry(key=what, value=index)
    elif verb == "raise" and (before is None or before.value < index - 5):
        table[key] = IndexEntry(key=what, value=index - 5)
    elif verb == "put":
        table[key] = IndexEntry(key=what, value=3)
    elif verb == "remove":
        table.pop(key, None)
    return [table[key].value if key in table else 0, key in table]


@given(STEPS)
@example([("set", "kvs"), ("undone", [("set", "nodes")]), ("raise", "kvs"), ("rows", "")])
@example([("set", "kvs"), ("undone", [("rows", ""), ("set", "kvs")]), ("rows", "")])
@example([("set", "kvs"), ("put", "kvs"), ("rows", "")])
def test_the_index_table_is_at_every_step_what_a_dictionary_is(steps: list[Step]) -> None:
    state, table = State(MemoryEngine()), Table()
    with state.write(10) as txn:
        for position, step in enumerate(steps):
            txn.index = 10 + position
            assert _take(txn, step) == _expected(table, txn.index, step)
    assert list(state.read().rows(INDEXES)) == [table[key] for key in sorted(table)]
    assert {(INDEXES.name, key) for key in table} <= txn.changed


def test_many_entries_of_the_index_table_are_written_before_they_are_too_many() -> None:
    state = State(MemoryEngine())
    names = [f"service.{number}" for number in range(LATE_MAX + KNOWN_MAX + 5)]
    with state.write(7) as txn:
        txn.set_index(*names)
        assert txn.table_index(*names) == 7
    assert [row.value for row in state.read().rows(INDEXES)] == [7] * len(names)
