"""The state on the engine that servers use: the same story as in memory, and over a restart."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from proconsul.errors import RpcError
from proconsul.model.catalog import NodeService
from proconsul.model.kv import DirEntry
from proconsul.runtime.lmdb_engine import LmdbEngine
from proconsul.store import health, kv
from proconsul.store.state import State
from server_tests.store.stories import World
from server_tests.store.test_store_against_a_model import StoreAgainstModel

MAP_BYTES = 64 << 20


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LmdbEngine]:
    engine, _ = LmdbEngine.open(tmp_path, map_bytes=MAP_BYTES, reserve_bytes=0)
    yield engine
    engine.close()


class StoreOnDiskAgainstModel(StoreAgainstModel):
    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(prefix="proconsul-state-")
        self.engine, _ = LmdbEngine.open(
            Path(self.folder.name), map_bytes=MAP_BYTES, reserve_bytes=0
        )
        self.state = State(self.engine)

    def teardown(self) -> None:
        self.engine.close()
        self.folder.cleanup()


TestStoreOnDiskAgainstModel = StoreOnDiskAgainstModel.TestCase
TestStoreOnDiskAgainstModel.settings = settings(
    max_examples=10, stateful_step_count=30, deadline=None
)


def test_a_reader_of_an_old_state_does_not_disturb_the_new_one(engine: LmdbEngine) -> None:
    world = World(engine)
    world.register("a", service=NodeService(id="web", service="web"))
    with world.state.snapshot() as old:
        world.register("b", service=NodeService(id="web", service="web"))
        assert len(health.check_service_nodes(old, None, "web")[1]) == 1
        assert len(health.check_service_nodes(world.read(), None, "web")[1]) == 2
        assert len(health.check_service_nodes(old, None, "web")[1]) == 1


def test_keys_as_long_as_consul_takes_are_kept_in_order(engine: LmdbEngine) -> None:
    world = World(engine)
    keys = ["k" * length for length in (3000, 1, 511, 487, 488, 470)] + ["k" * 2999 + "a"]
    for key in keys:
        world.put(key)
    _, entries = kv.list_entries(world.read(), None, "k" * 480)
    assert [entry.key for entry in entries] == sorted(key for key in keys if len(key) >= 480)
    world.apply(lambda txn: kv.delete_tree(txn, "k" * 500))
    assert [entry.key for entry in kv.list_entries(world.read(), None, "")[1]] == sorted(
        key for key in keys if len(key) < 500
    )


def test_a_refused_command_leaves_what_was_applied_with_it(engine: LmdbEngine) -> None:
    state = State(engine)
    with state.write(1) as txn:
        kv.set_key(txn, DirEntry(key="a"))
        txn.index = 2
        with suppress(RpcError), txn.undoable():
            kv.set_key(txn, DirEntry(key="b"))
            kv.lock(txn, DirEntry(key="c"))  # refused: without a session
        txn.set_applied(2)
    assert [entry.key for entry in kv.list_entries(state.read(), None, "")[1]] == ["a"]
    assert state.applied_index() == 2


def test_the_state_and_its_index_are_there_after_a_restart(tmp_path: Path) -> None:
    engine, _ = LmdbEngine.open(tmp_path, map_bytes=MAP_BYTES, reserve_bytes=0)
    with State(engine).write(5) as txn:
        kv.set_key(txn, DirEntry(key="a", value=b"1"))
        txn.set_applied(5)
    engine.close()
    engine, trusted = LmdbEngine.open(tmp_path, map_bytes=MAP_BYTES, reserve_bytes=0)
    state = State(engine)
    assert trusted
    assert state.applied_index() == 5
    assert kv.get(state.read(), None, "a")[0] == 5
    engine.close()
