"""Pages that are written in place have their blocks before they are touched, or are not touched."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.runtime.lmdb_engine import LmdbEngine
from proconsul.runtime.lmdb_room import Room
from proconsul.runtime.lmdb_views import LmdbBatch
from proconsul.store.engine import StateFullError

MIB = 1 << 20
MAP_BYTES = 1 << 30

# Of a transaction: so many rows of a size from a number on; without a size they are deleted.
SIZES = st.none() | st.sampled_from([0, 30, 900, 1900, 2100, 5000, 70_000])
WRITES = st.tuples(st.integers(0, 400), st.integers(1, 150), SIZES)
TRANSACTIONS = st.lists(WRITES, min_size=1, max_size=4)


class Store:
    """An environment that is written in place, without a reserve."""

    def __init__(self, folder: Path) -> None:
        self.env = lmdb.Environment(str(folder), map_size=MAP_BYTES, sync=False, writemap=True)
        self.page_bytes = int(self.env.stat()["psize"])
        self._file = folder / "data.mdb"
        self.forget_room()

    def forget_room(self) -> None:
        """As after a start."""
        self.room = Room(self._file, self.page_bytes, reserve_bytes=0)

    @property
    def pages(self) -> int:
        """That were ever used."""
        return int(self.env.info()["last_pgno"]) + 1

    @contextmanager
    def write(self) -> Iterator[LmdbBatch]:
        """Begin a transaction."""
        self.room.begin(self.pages, self.env.stat()["depth"], MAP_BYTES // self.page_bytes)
        batch = LmdbBatch(lmdb.Transaction(self.env, write=True), self.room)
        yield batch
        batch.commit()


def write(batch: LmdbBatch, writes: list[tuple[int, int, int | None]]) -> None:
    for first, count, size in writes:
        for number in range(first, first + count):
            key = b"%04d" % (number * 7919 % 1000)
            if size is None:
                batch.delete("kvs", key)
            else:
                batch.put("kvs", key, bytes(size))


@given(story=st.lists(TRANSACTIONS, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_page_is_touched_that_nobody_asked_room_for(
    tmp_path_factory: pytest.TempPathFactory, story: list[list[tuple[int, int, int | None]]]
) -> None:
    store = Store(tmp_path_factory.mktemp("room"))
    for writes in story:
        with store.write() as batch:
            write(batch, writes)
        assert store.pages <= store.room.ours_to
    store.env.close()


@pytest.mark.parametrize("rows", [300, 1000, 3000])
def test_leaves_that_are_split_where_little_is_left_are_counted(tmp_path: Path, rows: int) -> None:
    """Two large rows in front make LMDB split off a leaf for each few small ones behind them."""
    store = Store(tmp_path)
    with store.write() as batch:
        for key in (b"0", b"1"):
            batch.put("kvs", key, bytes(1850))
        for number in range(rows, 0, -1):
            batch.put("kvs", b"2%06d" % number, bytes(8))
    assert store.pages <= store.room.ours_to
    store.env.close()


def test_deleting_everything_asks_for_no_more_than_twice_as_much_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.write() as batch:
        write(batch, [(0, 1000, 2000)])
    pages = store.pages
    store.forget_room()
    with store.write() as batch:
        write(batch, [(0, 1000, None)])
    assert store.pages <= store.room.ours_to <= 3 * pages + 100
    store.env.close()


def test_a_reserve_that_the_disk_has_not_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    allocate = os.posix_fallocate

    def note(file: int, begin: int, length: int) -> None:
        asked.append(length)
        allocate(file, begin, length)

    monkeypatch.setattr(os, "posix_fallocate", note)
    free_bytes = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    engine, _ = LmdbEngine.open(
        tmp_path, map_bytes=1 << 42, reserve_bytes=2 * free_bytes, in_place=False
    )
    with engine.write() as batch:
        batch.put("kvs", b"a", b"1")
    engine.close()
    assert max(asked) < MIB


def engine_with(folder: Path, key: bytes) -> LmdbEngine:
    engine, _ = LmdbEngine.open(folder, map_bytes=64 * MIB, reserve_bytes=0, in_place=True)
    with engine.write() as batch:
        batch.put("kvs", key, b"1")
    return engine


def refuse(file: int, begin: int, length: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_replacement_that_finds_no_room_is_refused_and_may_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_with(tmp_path, b"old")

    def replace(at_its_end: Callable[[], None]) -> None:
        with engine.replace() as batch:
            batch.put("kvs", b"new", b"1")
            at_its_end()

    with monkeypatch.context() as patch:
        with pytest.raises(StateFullError):  # there is none for LMDB's lock
            replace(lambda: patch.setattr(os, "posix_fallocate", refuse))
        assert list(engine.newest().keys("kvs")) == [b"old"]
    replace(lambda: None)
    assert list(engine.newest().keys("kvs")) == [b"new"]
    assert [folder.name for folder in tmp_path.glob("state-*")] == ["state-2"]
    engine.close()


def test_where_the_disk_has_no_room_for_a_page_it_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_with(tmp_path, b"a")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        with pytest.raises(StateFullError, match="No space left"), engine.write() as batch:
            batch.put("kvs", b"big", bytes(8 * MIB))
        assert list(engine.newest().keys("kvs")) == [b"a"]
    with engine.write() as batch:
        batch.put("kvs", b"big", bytes(8 * MIB))
    assert list(engine.newest().keys("kvs")) == [b"a", b"big"]
    engine.close()
