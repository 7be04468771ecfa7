"""The engine on disk: order of keys of any length, trust, room, replacement."""

import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Thread

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.runtime.lmdb_engine import LmdbEngine
from proconsul.store.engine import StateFullError

MIB = 1 << 20


def opened(path: Path, *, in_place: bool = True) -> tuple[LmdbEngine, bool]:
    return LmdbEngine.open(path, map_bytes=16 * MIB, reserve_bytes=0, in_place=in_place)


@pytest.fixture(params=[True, False], ids=["in place", "by writes"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LmdbEngine]:
    made, _ = opened(tmp_path / "state", in_place=request.param)
    yield made
    made.close()


def put(engine: LmdbEngine, key: bytes, value: bytes = b"v") -> None:
    with engine.write() as batch:
        batch.put("kvs", key, value)


# Long keys that agree in their first hundreds of bytes, and short ones that are prefixes of them.
STEMS = st.sampled_from([b"", b"a", b"a" * 400, b"a" * 479, b"a" * 487, b"a" * 600, b"a" * 4000])
KEYS = st.builds(bytes.__add__, STEMS, st.binary(max_size=12))


@given(
    writes=st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=40)), max_size=40),
    prefix=KEYS,
    start=KEYS,
)
@settings(max_examples=60, deadline=None)
def test_it_is_a_sorted_dictionary_whatever_the_length_of_keys(
    tmp_path_factory: pytest.TempPathFactory,
    writes: list[tuple[bytes, bytes | None]],
    prefix: bytes,
    start: bytes,
) -> None:
    engine, _ = opened(tmp_path_factory.mktemp("engine"))
    model: dict[bytes, bytes] = {}
    with engine.write() as batch:
        batch.put("kvr", b"neighbour", b"1")
        batch.put("kvt", b"neighbour", b"1")
        for key, value in writes:
            if value is None:
                assert batch.delete("kvs", key) == (model.pop(key, None) is not None)
            else:
                batch.put("kvs", key, value)
                model[key] = value
        seen_by_its_writer = list(batch.scan("kvs"))
    view = engine.newest()
    everything = sorted(model.items())
    assert seen_by_its_writer == everything
    assert list(view.scan("kvs")) == everything
    under = [(key, value) for key, value in everything if key.startswith(prefix)]
    assert list(view.scan("kvs", prefix)) == under
    assert list(view.keys("kvs", prefix, start)) == [key for key, _ in under if key >= start]
    for key, _ in writes:
        assert view.get("kvs", key) == model.get(key)
    engine.close()


def test_a_nested_transaction_is_undone_alone(engine: LmdbEngine) -> None:
    with engine.write() as batch:
        batch.put("kvs", b"kept", b"1")
        with suppress(ZeroDivisionError), batch.child() as child:
            child.put("kvs", b"kept", b"2")
            child.put("kvs", b"undone", b"2")
            raise ZeroDivisionError
        with batch.child() as child:
            child.put("kvs", b"too", b"3")
    assert list(engine.newest().scan("kvs")) == [(b"kept", b"1"), (b"too", b"3")]


def test_a_transaction_that_raises_leaves_nothing(engine: LmdbEngine) -> None:
    put(engine, b"a", b"1")
    with suppress(ZeroDivisionError), engine.write() as batch:
        batch.put("kvs", b"a", b"2")
        raise ZeroDivisionError
    assert engine.newest().get("kvs", b"a") == b"1"


def test_a_shared_view_ends_with_the_next_commit(engine: LmdbEngine) -> None:
    put(engine, b"a", b"1")
    old = engine.newest()
    put(engine, b"a", b"2")
    with pytest.raises(lmdb.Error):
        old.get("kvs", b"a")
    assert engine.newest().get("kvs", b"a") == b"2"


def test_a_held_view_stays_as_it_was_also_on_another_thread(engine: LmdbEngine) -> None:
    put(engine, b"a", b"1")
    seen: list[bytes | None] = []
    with engine.view() as held:
        put(engine, b"a", b"2")
        reader = Thread(target=lambda: seen.append(held.get("kvs", b"a")))
        reader.start()
        reader.join()
    assert seen == [b"1"]


def test_a_state_that_was_closed_is_trusted_in_any_boot(tmp_path: Path) -> None:
    engine, trusted = opened(tmp_path)
    assert not trusted  # there was none
    put(engine, b"a")
    engine.close()
    pretend_another_boot(tmp_path)
    engine, trusted = opened(tmp_path)
    assert trusted
    assert engine.newest().get("kvs", b"a") == b"v"
    engine.close()


def test_after_a_crash_of_the_process_alone_it_is_trusted(tmp_path: Path) -> None:
    crashed, _ = opened(tmp_path)
    put(crashed, b"a")
    del crashed  # the process ends without closing
    engine, trusted = opened(tmp_path)
    assert trusted
    assert engine.newest().get("kvs", b"a") == b"v"
    engine.close()


def test_after_a_crash_of_the_system_it_is_empty(tmp_path: Path) -> None:
    crashed, _ = opened(tmp_path)
    put(crashed, b"a")
    del crashed
    pretend_another_boot(tmp_path)
    engine, trusted = opened(tmp_path)
    assert not trusted
    assert engine.newest().get("kvs", b"a") is None
    engine.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b"[]"])
def test_a_mark_that_says_nothing_is_no_reason_to_trust(tmp_path: Path, content: bytes) -> None:
    engine, _ = opened(tmp_path)
    engine.close()
    (tmp_path / "trust.json").write_bytes(content)
    engine, trusted = opened(tmp_path)
    assert not trusted
    engine.close()


def test_a_file_that_is_no_state_is_replaced(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path)
    engine.close()
    folder = (tmp_path / "current").read_text()
    (tmp_path / folder / "data.mdb").write_bytes(b"x" * 16_384)
    engine, trusted = opened(tmp_path)
    assert not trusted
    put(engine, b"a")
    engine.close()


def test_a_replacement_takes_over_whole_and_old_readers_finish(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path)
    put(engine, b"old")
    with engine.view() as held:
        with engine.replace() as batch:
            batch.put("kvs", b"new", b"v")
            assert engine.newest().get("kvs", b"old") == b"v"  # not yet
        assert list(engine.newest().keys("kvs")) == [b"new"]
        assert list(held.keys("kvs")) == [b"old"]
    assert [folder.name for folder in tmp_path.glob("state-*")] == ["state-2"]
    engine.close()
    engine, trusted = opened(tmp_path)
    assert trusted
    assert list(engine.newest().keys("kvs")) == [b"new"]
    engine.close()


def test_a_replacement_that_fails_leaves_the_state_as_it_was(engine: LmdbEngine) -> None:
    put(engine, b"old")
    with suppress(ZeroDivisionError), engine.replace() as batch:
        batch.put("kvs", b"new", b"v")
        raise ZeroDivisionError
    assert list(engine.newest().keys("kvs")) == [b"old"]


def test_a_replacement_may_be_committed_on_another_thread(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path)
    put(engine, b"old")
    with ThreadPoolExecutor(1) as thread:
        with engine.replace() as batch:
            thread.submit(batch.put, "kvs", b"new", b"v").result()
            thread.submit(engine.settle).result()
            assert list(engine.newest().keys("kvs")) == [b"old"]  # not yet
        assert list(engine.newest().keys("kvs")) == [b"new"]
        put(engine, b"newer")
        with suppress(ZeroDivisionError), engine.replace() as batch:
            batch.put("kvs", b"never", b"v")
            thread.submit(engine.settle).result()
            raise ZeroDivisionError
    assert list(engine.newest().keys("kvs")) == [b"new", b"newer"]
    engine.close()
    engine, trusted = opened(tmp_path)
    assert trusted
    assert list(engine.newest().keys("kvs")) == [b"new", b"newer"]
    engine.close()


def test_wiping_leaves_an_empty_state(engine: LmdbEngine) -> None:
    put(engine, b"old")
    engine.wipe()
    assert list(engine.newest().keys("kvs")) == []


def test_the_map_grows_as_the_state_does(tmp_path: Path) -> None:
    engine, _ = LmdbEngine.open(tmp_path, map_bytes=MIB, reserve_bytes=0)
    for number in range(64):
        put(engine, b"%d" % number, bytes(MIB // 16))
    assert len(list(engine.newest().keys("kvs"))) == 64
    engine.close()


def test_a_transaction_larger_than_the_map_is_undone_and_fits_when_tried_again(
    tmp_path: Path,
) -> None:
    engine, _ = LmdbEngine.open(tmp_path, map_bytes=MIB, reserve_bytes=0)
    put(engine, b"a", b"1")

    def write_much() -> None:
        with engine.write() as batch:
            for number in range(20):
                batch.put("kvs", b"%d" % number, bytes(MIB // 16))

    with pytest.raises(StateFullError):
        write_much()
    assert list(engine.newest().keys("kvs")) == [b"a"]
    write_much()
    assert len(list(engine.newest().keys("kvs"))) == 21
    engine.close()


def test_a_full_disk_refuses_the_transaction_and_later_takes_it(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path, in_place=False)
    put(engine, b"a", b"1")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))  # no file may grow past it
    try:
        with pytest.raises(StateFullError):
            put(engine, b"big", bytes(MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(engine.newest().keys("kvs")) == [b"a"]
    put(engine, b"big", bytes(MIB))
    assert list(engine.newest().keys("kvs")) == [b"a", b"big"]
    engine.close()


@pytest.mark.parametrize("in_place", [True, False])
def test_the_file_has_room_ahead_of_what_is_used(tmp_path: Path, in_place: bool) -> None:
    engine, _ = LmdbEngine.open(
        tmp_path, map_bytes=64 * MIB, reserve_bytes=4 * MIB, in_place=in_place
    )
    put(engine, b"a", bytes(3 * MIB))
    put(engine, b"b", b"1")
    file = tmp_path / "state-1" / "data.mdb"
    assert file.stat().st_blocks * 512 >= 3 * MIB + 2 * MIB
    engine.close()


def test_a_file_that_is_written_in_place_is_no_larger_than_what_it_holds_once_it_is_closed(
    tmp_path: Path,
) -> None:
    engine, _ = opened(tmp_path)
    put(engine, b"a", bytes(MIB))
    file = tmp_path / "state-1" / "data.mdb"
    assert file.stat().st_size == 16 * MIB
    engine.close()
    assert MIB < file.stat().st_size < 3 * MIB
    engine, trusted = opened(tmp_path)
    assert trusted
    assert engine.newest().get("kvs", b"a") == bytes(MIB)
    engine.close()


@pytest.mark.parametrize("before", [True, False])
def test_a_state_can_be_read_and_written_in_the_other_way(tmp_path: Path, before: bool) -> None:
    engine, _ = opened(tmp_path, in_place=before)
    put(engine, b"a", bytes(MIB))
    engine.close()
    engine, trusted = opened(tmp_path, in_place=not before)
    assert trusted
    put(engine, b"b", bytes(MIB))
    assert list(engine.newest().keys("kvs")) == [b"a", b"b"]
    engine.close()


def pretend_another_boot(path: Path) -> None:
    mark = json.loads((path / "trust.json").read_text())
    mark["boot_id"] = "another"
    (path / "trust.json").write_text(json.dumps(mark))


def test_a_state_whose_write_failed_is_not_trusted_again_though_it_was_closed(
    tmp_path: Path,
) -> None:
    engine, _ = LmdbEngine.open(tmp_path)
    with pytest.raises(lmdb.Error), engine.write():
        raise lmdb.PanicError("the disk gave an error")
    engine.close()
    engine, trusted = LmdbEngine.open(tmp_path)
    engine.close()
    assert not trusted


def test_a_new_state_in_place_of_a_damaged_one_is_trusted(tmp_path: Path) -> None:
    engine, _ = LmdbEngine.open(tmp_path)
    with pytest.raises(lmdb.Error), engine.write():
        raise lmdb.PanicError("the disk gave an error")
    engine.wipe()
    engine.close()
    engine, trusted = LmdbEngine.open(tmp_path)
    engine.close()
    assert trusted
