"""What a start makes of the remains it finds: trusted, built anew, or refused."""

import random
from pathlib import Path

import pytest

from proconsul.errors import ProconsulError
from proconsul.raft.messages import Configuration, Index, Server, SnapshotMeta, Term
from proconsul.runtime.data_dir import DataDir, DataDirError
from proconsul.runtime.lmdb_engine import LmdbEngine
from proconsul.runtime.raft_snapshots import SnapshotPolicy
from proconsul.runtime.snapshot_files import SnapshotFiles
from proconsul.runtime.storage import Storage, open_storage
from proconsul.store import kv
from proconsul.wal.record import HardState
from proconsul.wal.recovery import WalDamagedError
from server_tests.runtime.driver_world import (
    DATA,
    ME,
    SEGMENT_BYTES,
    Engine,
    World,
    begin,
)
from server_tests.sim.disk import Lands, SimDisk

KEEP_NOTHING = SnapshotPolicy(interval_s=1e6, threshold=1 << 30, trailing=0)


def world() -> World:
    return World(SimDisk(random.Random(1).randrange))


async def test_a_state_ahead_of_the_log_is_built_anew_and_not_trusted() -> None:
    here = world()
    life = await begin(here)
    await life.put("kept", b"yes")
    here.disk.ignores_syncs = True  # what comes now is only said to be on the disk
    await life.put("kept", b"no longer")
    await life.crash(Lands.NONE)  # but the pages of the state were written back
    here.disk.ignores_syncs = False
    life = await begin(here)
    assert life.get("kept") == b"yes"
    await life.put("kept", b"again")
    await life.stop()
    life = await begin(here)
    assert life.get("kept") == b"again"
    await life.stop()


async def test_a_state_behind_the_log_gets_what_it_lacks_from_there() -> None:
    here = world()
    life = await begin(here)
    await life.put("colour", b"red")
    old = here.engine.tables
    await life.put("colour", b"blue")
    await life.kill()
    here.engine.tables = old
    life = await begin(here)
    assert life.get("colour") == b"blue"
    await life.stop()


@pytest.mark.parametrize("rebooted", [False, True])
async def test_a_state_behind_the_snapshot_is_built_from_it(rebooted: bool) -> None:
    here = world()
    life = await begin(here, KEEP_NOTHING)
    await life.put("colour", b"red")
    old = here.engine.tables
    await life.put("colour", b"blue")
    await life.snapshots.take()
    await life.stop()
    here.engine.tables = old
    here.rebooted = rebooted
    life = await begin(here)
    assert life.get("colour") == b"blue"
    await life.stop()


async def two_snapshots(here: World, *, trailing: int) -> list[str]:
    """A world with two snapshots, newest first; the log reaches back to the older, or not."""
    policy = SnapshotPolicy(interval_s=1e6, threshold=1 << 30, trailing=trailing)
    life = await begin(here, policy)
    await life.put("colour", b"red")
    await life.snapshots.take()
    for number in range(40):  # over more than one segment
        await life.put("colour", b"%d" % number + bytes(SEGMENT_BYTES // 16))
    await life.put("colour", b"blue")
    await life.snapshots.take()
    await life.put("shape", b"round")
    await life.stop()
    names = [name for name in here.disk.names(DATA.snapshots) if name != "log"]
    return sorted(names, key=lambda name: int(name.split("-")[1]), reverse=True)


def rot(here: World, name: str) -> None:
    here.disk.flip_bit(f"{DATA.snapshots}/{name}/state.bin", 20, 3)


async def test_a_damaged_snapshot_is_replaced_by_the_older_one_and_the_log() -> None:
    here = world()
    newest, _ = await two_snapshots(here, trailing=1000)
    rot(here, newest)
    here.rebooted = True
    life = await begin(here)
    assert life.get("colour") == b"blue"
    assert life.get("shape") == b"round"
    await life.stop()


async def test_without_any_snapshot_a_whole_log_is_enough() -> None:
    here = world()
    for name in await two_snapshots(here, trailing=1000):
        rot(here, name)
    here.rebooted = True
    life = await begin(here)
    assert life.get("colour") == b"blue"
    assert life.get("shape") == b"round"
    await life.stop()


async def test_a_log_that_does_not_reach_back_to_a_usable_snapshot_is_refused() -> None:
    here = world()
    newest, _ = await two_snapshots(here, trailing=0)
    rot(here, newest)
    here.rebooted = True
    with pytest.raises(DataDirError, match=r"begins at entry \d+, and there is no usable snapshot"):
        here.open()
    with pytest.raises(DataDirError, match="restore the data directory or a snapshot"):
        here.open()  # it does not heal by itself either


async def test_a_trusted_state_does_not_hide_that_the_snapshot_cannot_be_read() -> None:
    here = world()
    for name in await two_snapshots(here, trailing=0):
        here.disk.flip_bit(f"{DATA.snapshots}/{name}/meta.json", 20, 3)
    with pytest.raises(DataDirError, match="no usable snapshot"):
        here.open()


async def test_a_log_that_is_gone_is_no_new_server() -> None:
    here = world()
    await two_snapshots(here, trailing=1000)
    for name in here.disk.names(DATA.log):
        here.disk.remove(f"{DATA.log}/{name}")
    with pytest.raises(DataDirError, match=r"the log was lost\. Bring it back"):
        here.open()
    with pytest.raises(DataDirError, match="the log was lost"):
        here.open()


async def test_rot_in_the_middle_of_the_log_is_refused_with_file_and_byte() -> None:
    here = world()
    await two_snapshots(here, trailing=1000)
    first = next(name for name in here.disk.names(DATA.log) if name.endswith(".wal"))
    here.disk.flip_bit(f"{DATA.log}/{first}", 900, 3)
    with pytest.raises(WalDamagedError, match=rf"{first} at byte \d+: .*Look for disk errors"):
        here.open()


async def test_a_full_disk_at_the_start_is_said_in_so_many_words() -> None:
    here = world()
    here.disk.capacity_bytes = SEGMENT_BYTES // 2
    with pytest.raises(DataDirError, match="no space left for the data under /data"):
        here.open()
    here.disk.capacity_bytes = None
    life = await begin(here)
    await life.stop()


def test_an_lmdb_state_whose_log_was_lost_is_no_new_server_either(tmp_path: Path) -> None:
    data = DataDir(str(tmp_path))

    def open_state(path: Path) -> tuple[LmdbEngine, bool]:
        return LmdbEngine.open(path, map_bytes=1 << 24, reserve_bytes=1 << 16)

    disk = SimDisk(random.Random(1).randrange)
    open_storage(data, disk, open_state, SEGMENT_BYTES).close()
    open_storage(data, disk, open_state, SEGMENT_BYTES).close()
    with pytest.raises(DataDirError, match=r"there is data in .*state: the log was lost"):
        open_storage(data, SimDisk(random.Random(1).randrange), open_state, SEGMENT_BYTES)


def test_the_data_of_hashicorps_server_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "raft").mkdir()
    (tmp_path / "raft" / "raft.db").touch()
    with pytest.raises(DataDirError, match="holds the data of HashiCorp's Consul"):
        open_storage(
            DataDir(str(tmp_path)),
            SimDisk(random.Random(1).randrange),
            lambda _: (Engine(), True),
            SEGMENT_BYTES,
        )


async def test_a_refused_start_lets_go_of_the_lock() -> None:
    here = world()
    newest, _ = await two_snapshots(here, trailing=0)
    rot(here, newest)
    here.rebooted = True
    for _ in range(2):
        with pytest.raises(ProconsulError, match="no usable snapshot"):
            here.open()
    assert here.disk.open_files == 0


def value_of(storage: Storage, key: str) -> bytes | None:
    _, entry = kv.get(storage.replicated.state.read(), None, key)
    return None if entry is None else entry.value


async def a_snapshot_inside_the_log(here: World, *, another_term: bool) -> SnapshotMeta:
    """Durable at an index that the log goes beyond, with `colour` red; the log makes it blue."""
    life = await begin(here)
    await life.put("colour", b"red")
    index = life.driver.node.last_index
    await life.put("colour", b"blue")
    term = life.driver.node.term
    await life.stop()
    there = World(SimDisk(random.Random(2).randrange))  # whose state the snapshot holds
    life = await begin(there)
    await life.put("colour", b"red")
    with life.replicated.held() as held:
        records = list(held.chunks())
    await life.stop()
    if another_term:
        term = Term(term + 1)
        storage = here.open()
        storage.wal.append([], HardState(term, b""))
        storage.close()
    meta = SnapshotMeta(
        index=Index(index),
        term=term,
        configuration=Configuration((Server(ME.id, ME.address),)),
        configuration_index=Index(1),
    )
    writer = SnapshotFiles(DATA.snapshots, here.disk).create(meta, now_ms=1)
    for piece in records:
        writer.write(piece)
    writer.finish()
    return meta


@pytest.mark.parametrize("rebooted", [False, True])
async def test_a_log_that_holds_the_snapshots_last_entry_goes_on_behind_it(rebooted: bool) -> None:
    here = world()
    snapshot = await a_snapshot_inside_the_log(here, another_term=False)
    here.rebooted = rebooted
    storage = here.open()
    assert storage.snapshot == snapshot
    assert storage.wal.last_index > snapshot.index
    storage.close()
    life = await begin(here)
    assert life.get("colour") == b"blue"
    await life.stop()


@pytest.mark.parametrize("rebooted", [False, True])
async def test_a_log_with_another_entry_at_the_snapshots_index_is_dropped(rebooted: bool) -> None:
    """Figure 13 of the paper: the leader's snapshot was durable, then came the crash."""
    here = world()
    snapshot = await a_snapshot_inside_the_log(here, another_term=True)
    here.rebooted = rebooted
    storage = here.open()
    assert storage.snapshot == snapshot
    assert (storage.wal.last_index, storage.wal.last_term) == (snapshot.index, snapshot.term)
    assert storage.wal.first_index == snapshot.index + 1
    assert storage.replicated.applied_index == snapshot.index
    assert value_of(storage, "colour") == b"red"
    storage.close()
    life = await begin(here)
    assert life.get("colour") == b"red"
    await life.stop()
