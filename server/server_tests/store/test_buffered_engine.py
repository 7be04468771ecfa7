"""Commits that stay in memory for a while: no reader can tell, and a restart finds one of them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.store.buffered_engine import BufferedEngine
from proconsul.store.engine import Batch, StateFullError, View, ViewEndedError
from server_tests.store.memory_engine import MemoryBatch, MemoryEngine

TABLES = ("kvs", "kvs.order")
Rows = dict[tuple[str, bytes], bytes]

KEYS = st.binary(max_size=2) | st.sampled_from([b"a", b"a\0", b"a\0b", b"b", b"b\xff"])
WRITES = st.tuples(st.sampled_from(TABLES), KEYS, st.none() | st.binary(max_size=3))
# What a transaction does: writes, among them some that are tried, and undone or not.
PARTS = st.tuples(st.sampled_from(["plain", "kept", "undone"]), st.lists(WRITES, max_size=6))
TRANSACTIONS = st.tuples(st.sampled_from(["kept", "undone"]), st.lists(PARTS, max_size=3))
STORIES = st.lists(TRANSACTIONS | st.just("write down"), max_size=8)


class Refusing(MemoryEngine):
    """An engine that sometimes has no room, and counts its commits."""

    is_full = False
    commits = 0

    @contextmanager
    def write(self) -> Iterator[MemoryBatch]:
        """Change it, if there is room."""
        with super().write() as batch:
            if self.is_full:
                raise StateFullError("state", "a test")
            yield batch
        self.commits += 1

    def settle(self) -> None:
        """Not asked for here."""

    def close(self) -> None:
        """Nothing to do."""


def rows_of(view: View) -> Rows:
    return {(table, key): value for table in TABLES for key, value in view.scan(table)}


def looks_like(view: View, rows: Rows) -> None:
    """Each way of reading says that the view has these rows."""
    probes = {b"", b"a", b"b", *(key for _, key in rows)}
    for table in TABLES:
        for prefix in probes:
            under = sorted(
                (key, value)
                for (name, key), value in rows.items()
                if name == table and key.startswith(prefix)
            )
            assert list(view.scan(table, prefix)) == under
            for start in probes:
                wanted = [key for key, _ in under if key >= start]
                assert list(view.keys(table, prefix, start)) == wanted
            assert view.get(table, prefix) == rows.get((table, prefix))


def play(batch: Batch, writes: list[tuple[str, bytes, bytes | None]], rows: Rows) -> None:
    for table, key, value in writes:
        if value is None:
            assert batch.delete(table, key) == (rows.pop((table, key), None) is not None)
        else:
            batch.put(table, key, value)
            rows[table, key] = value


def transact(engine: BufferedEngine, transaction: Any, rows: Rows) -> Rows:
    """What is to be there afterwards."""
    how, parts = transaction
    inside = dict(rows)
    with suppress(ZeroDivisionError), engine.write() as batch:
        for kind, writes in parts:
            if kind == "plain":
                play(batch, writes, inside)
            else:
                before = dict(inside)
                with suppress(KeyError), batch.child() as child:
                    play(child, writes, inside)
                    looks_like(child, inside)
                    if kind == "undone":
                        inside = before
                        raise KeyError
            looks_like(batch, inside)
        looks_like(engine.newest(), rows)  # nobody sees it yet
        if how == "undone":
            raise ZeroDivisionError
    return rows if how == "undone" else inside


@given(story=STORIES, flush_bytes=st.sampled_from([0, 300, 10_000]))
@settings(deadline=None)
def test_it_reads_as_if_all_were_written_down_at_once(story: list[Any], flush_bytes: int) -> None:
    behind = Refusing()
    engine = BufferedEngine(behind, flush_bytes)
    rows: Rows = {}
    commits = [rows]
    for step in story:
        if step == "write down":
            engine.write_down()
            assert rows_of(behind.newest()) == rows
        else:
            rows = transact(engine, step, rows)
            commits.append(rows)
        looks_like(engine.newest(), rows)
        with engine.view() as held:
            looks_like(held, rows)
        assert rows_of(behind.newest()) in commits
    engine.close()
    assert rows_of(behind.newest()) == rows


@given(number=st.integers(1, 120), removed=st.sets(st.integers(0, 119)))
def test_many_keys_are_in_order_also_when_more_come_between_scans(
    number: int, removed: set[int]
) -> None:
    engine = BufferedEngine(Refusing())
    rows: Rows = {}
    for at in range(number):
        key = b"%03d" % (at * 7 % number)
        with engine.write() as batch:
            play(batch, [("kvs", key, b"1")], rows)
        if at % 9 == 0:
            assert list(engine.newest().keys("kvs")) == sorted(key for _, key in rows)
    with engine.write() as batch:
        play(batch, [("kvs", b"%03d" % at, None) for at in sorted(removed)], rows)
    assert rows_of(engine.newest()) == rows


def put(engine: BufferedEngine, key: bytes, value: bytes = b"v") -> None:
    with engine.write() as batch:
        batch.put("kvs", key, value)


def test_many_small_commits_are_written_down_together() -> None:
    behind = Refusing()
    engine = BufferedEngine(behind, flush_bytes=10 * 200)
    for number in range(100):
        put(engine, b"%04d" % number, bytes(68))  # 200 bytes, with what a row costs
    assert behind.commits == 9
    assert len(list(behind.newest().keys("kvs"))) == 90
    assert len(list(engine.newest().keys("kvs"))) == 100


def test_a_view_of_the_newest_state_ends_with_the_next_commit() -> None:
    engine = BufferedEngine(Refusing())
    put(engine, b"a", b"1")
    old = engine.newest()
    put(engine, b"b", b"2")
    for read in (
        lambda: old.get("kvs", b"a"),
        lambda: old.scan("kvs"),
        lambda: old.keys("kvs"),
    ):
        with pytest.raises(ViewEndedError):
            read()


def test_a_held_view_stays_as_it_was() -> None:
    engine = BufferedEngine(Refusing(), flush_bytes=0)
    put(engine, b"a", b"1")
    with engine.view() as held:
        put(engine, b"a", b"2")
        put(engine, b"b", b"2")
        engine.write_down()
        assert list(held.scan("kvs")) == [(b"a", b"1")]


def test_without_room_nothing_more_is_taken_and_nothing_is_lost() -> None:
    behind = Refusing()
    engine = BufferedEngine(behind, flush_bytes=1)
    put(engine, b"a")
    behind.is_full = True
    for _ in range(2):
        with pytest.raises(StateFullError):
            put(engine, b"b")
        assert list(engine.newest().keys("kvs")) == [b"a"]
    behind.is_full = False
    put(engine, b"b")
    engine.write_down()
    assert list(behind.newest().keys("kvs")) == [b"a", b"b"]


def test_an_end_without_room_leaves_the_last_commit_that_was_written_down() -> None:
    behind = Refusing()
    engine = BufferedEngine(behind)
    put(engine, b"a")
    engine.write_down()
    put(engine, b"b")
    behind.is_full = True
    engine.close()
    assert list(behind.newest().keys("kvs")) == [b"a"]


def test_another_state_replaces_also_what_was_in_memory() -> None:
    engine = BufferedEngine(Refusing())
    put(engine, b"old")
    with suppress(ZeroDivisionError), engine.replace() as batch:
        batch.put("kvs", b"never", b"v")
        raise ZeroDivisionError
    assert list(engine.newest().keys("kvs")) == [b"old"]
    with engine.replace() as batch:
        batch.put("kvs", b"new", b"v")
        assert list(engine.newest().keys("kvs")) == [b"old"]
    assert list(engine.newest().keys("kvs")) == [b"new"]
    put(engine, b"newer")
    assert list(engine.newest().keys("kvs")) == [b"new", b"newer"]
