"""A survivor gets other members by peers.json: wholly or not at all, wherever a crash comes."""

import contextlib
import copy
import itertools
import json
import random
from pathlib import Path

import pytest

from proconsul.fsm.commands import MessageType
from proconsul.raft.codec import encode_configuration
from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    Configuration,
    EntryKind,
    HardState,
    Index,
    Peer,
    Server,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Suffrage,
    Term,
)
from proconsul.raft.peers_file import PEERS_INFO, PeersFileError
from proconsul.runtime.data_dir import DataDir, DataDirError
from proconsul.runtime.disk import Disk, RealDisk
from proconsul.runtime.log_entries import record_of, wal_hard_state
from proconsul.runtime.peers_recovery import RecoveryError, recover_from_peers_file
from proconsul.runtime.snapshot_files import SnapshotFiles
from proconsul.runtime.storage import Storage, open_storage
from proconsul.store import kv
from server_tests.loopback import address
from server_tests.process import ServerProcess
from server_tests.runtime.driver_world import (
    DATA,
    ME,
    Life,
    World,
    begin,
    set_command,
)
from server_tests.sim.disk import Lands, PowerLostError, SimDisk

PEERS = f"{DATA.snapshots}/peers.json"
INFO = f"{DATA.snapshots}/peers.info"
CLOCK_MS = itertools.count(1_700_000_000_000)


def member(number: int) -> Server:
    return Server(ServerId(f"dead-{number}"), ServerAddress(f"10.0.0.{number}:8300"))


ALONE = Configuration((Server(ME.id, ME.address),))
THREE = Configuration((*ALONE.servers, member(1), member(2)))
MOVED = Configuration(
    (
        Server(ME.id, ServerAddress("10.9.9.9:8300")),
        Server(ServerId("follower"), ServerAddress("10.9.9.8:8300"), Suffrage.NONVOTER),
    )
)


def file_of(configuration: Configuration) -> bytes:
    """peers.json with those members."""
    servers = [
        {"id": one.id, "address": one.address, "non_voter": one.suffrage is Suffrage.NONVOTER}
        for one in configuration.servers
    ]
    return json.dumps(servers).encode()


def put_file(disk: Disk, path: str, content: bytes) -> None:
    """As an operator does."""
    file = disk.create(path)
    file.pwrite(content, 0)
    file.fdatasync()
    file.close()
    disk.fsync_dir(str(Path(path).parent))


def value_of(storage: Storage, key: str) -> bytes | None:
    _, entry = kv.get(storage.replicated.state.read(), None, key)
    return None if entry is None else entry.value


def start(world: World, now_ms: int | None = None) -> Storage:
    """What a start does before raft."""
    storage = world.open()
    try:
        return recover_from_peers_file(DATA, world.disk, storage, now_ms or next(CLOCK_MS))
    except BaseException:
        storage.close()
        raise


def append(storage: Storage, kind: EntryKind, data: bytes) -> None:
    """An entry at the end of the log, which nobody has committed."""
    wal = storage.wal
    entry = Entry(Index(wal.last_index + 1), Term(wal.last_term), kind, data)
    wal.append([record_of(entry)], None)


async def survivor(*, snapshot: bool = False) -> World:
    """The disk of the last of three: `colour` is red, and blue in an entry that is not committed.

    Its term is one in which it has written nothing yet.
    """
    world = World(SimDisk(random.Random(1).randrange))
    start(world).close()
    life = await begin(world)
    await life.put("colour", b"red")
    if snapshot:
        await life.snapshots.take()
    await life.stop()
    storage = world.open()
    append(storage, EntryKind.CONFIGURATION, encode_configuration(THREE))
    append(storage, EntryKind.COMMAND, set_command("colour", b"blue"))
    vote = Peer(member(1).id, member(1).address)
    storage.wal.append([], wal_hard_state(HardState(Term(storage.wal.last_term + 3), vote)))
    storage.close()
    world.disk.crash(Lands.ALL)
    return world


def require_recovered(storage: Storage, before: Storage, configuration: Configuration) -> None:
    """It has these members, and all entries of the log."""
    wal = storage.wal
    assert storage.snapshot == SnapshotMeta(
        index=Index(before.wal.last_index),
        term=Term(before.wal.last_term),
        configuration=configuration,
        configuration_index=Index(1),
    )
    assert (wal.first_index, wal.last_index) == (before.wal.last_index + 1, before.wal.last_index)
    assert (wal.last_term, wal.hard_state) == (before.wal.last_term, before.wal.hard_state)
    assert storage.replicated.applied_index == before.wal.last_index
    assert value_of(storage, "colour") == b"blue"


def as_it_is(world: World) -> Storage:
    """The storage of a copy of that world: what there is to compare with."""
    return copy.deepcopy(world).open()


def contents(disk: SimDisk, folder: str) -> dict[str, bytes]:
    """All files in a folder and below."""
    found: dict[str, bytes] = {}
    for name in disk.names(folder):
        path = f"{folder}/{name}"
        try:
            found[path] = disk.read(path)
        except FileNotFoundError:
            found |= contents(disk, path)
    return found


def test_a_first_start_explains_the_file_and_removes_a_stray_one() -> None:
    world = World(SimDisk(random.Random(1).randrange))
    world.disk.make_dirs(DATA.snapshots)
    put_file(world.disk, PEERS, file_of(THREE))
    storage = start(world)
    assert (storage.snapshot.index, storage.wal.last_index) == (0, 0)
    storage.close()
    world.disk.crash(Lands.NONE)
    assert world.disk.read(INFO) == PEERS_INFO.encode()
    assert "peers.json" not in world.disk.names(DATA.snapshots)


def test_a_stray_file_is_never_taken_after_a_crash_in_the_first_start() -> None:
    for calls in range(20):
        world = World(SimDisk(random.Random(calls).randrange))
        world.open().close()
        put_file(world.disk, PEERS, file_of(THREE))
        world.disk.calls_left = calls
        with contextlib.suppress(PowerLostError):
            start(world).close()
        world.disk.crash(Lands.SOME)
        start(world).close()
        assert "peers.json" not in world.disk.names(DATA.snapshots)
        assert world.disk.read(INFO) == PEERS_INFO.encode()


async def test_without_the_file_nothing_happens() -> None:
    world = await survivor()
    before = contents(world.disk, DATA.root)
    storage = start(world)
    assert storage.snapshot.index == 0
    assert value_of(storage, "colour") == b"red"
    storage.close()
    assert contents(world.disk, DATA.root) == before


@pytest.mark.parametrize("snapshot", [False, True])
@pytest.mark.parametrize("rebooted", [False, True])
async def test_the_members_are_replaced_and_all_entries_count(
    snapshot: bool, rebooted: bool
) -> None:
    world = await survivor(snapshot=snapshot)
    before = as_it_is(world)
    put_file(world.disk, PEERS, file_of(MOVED))
    world.rebooted = rebooted
    storage = start(world)
    require_recovered(storage, before, MOVED)
    storage.close()
    world.disk.crash(Lands.NONE)
    assert "peers.json" not in world.disk.names(DATA.snapshots)
    for world.rebooted in (False, True):
        storage = start(world)
        require_recovered(storage, before, MOVED)
        storage.close()


async def test_it_leads_and_goes_on_behind_the_snapshot() -> None:
    world = await survivor()
    before = as_it_is(world)
    put_file(world.disk, PEERS, file_of(ALONE))
    start(world).close()
    life = await begin(world)
    assert life.get("colour") == b"blue"
    assert life.driver.node.configuration == ALONE
    await life.put("colour", b"green")
    assert life.driver.node.last_index > before.wal.last_index
    await life.snapshots.take()
    await life.stop()
    world.rebooted = True
    life = await begin(world)
    assert life.get("colour") == b"green"
    assert life.driver.node.configuration == ALONE
    await life.stop()


async def test_it_wins_over_a_snapshot_of_the_same_entry_whatever_the_clock_says() -> None:
    world = World(SimDisk(random.Random(1).randrange))
    start(world).close()
    life = await begin(world)
    await life.put("colour", b"blue")
    await life.snapshots.take()
    last_index = life.driver.node.last_index
    await life.stop()
    before = as_it_is(world)
    assert before.snapshot.index == last_index == before.wal.last_index
    put_file(world.disk, PEERS, file_of(MOVED))
    start(world, now_ms=5).close()
    for configuration in (THREE, MOVED):
        put_file(world.disk, PEERS, file_of(configuration))
        storage = start(world, now_ms=5)
        require_recovered(storage, before, configuration)
        storage.close()
        world.rebooted = True
        storage = start(world)
        require_recovered(storage, before, configuration)
        storage.close()


REFUSED = [b"", b"[]", b'["10.0.0.1:8300"]', file_of(THREE).replace(b":8300", b"", 1)]


@pytest.mark.parametrize("content", REFUSED)
async def test_a_file_with_a_mistake_ends_the_start_and_changes_nothing(content: bytes) -> None:
    world = await survivor(snapshot=True)
    put_file(world.disk, PEERS, content)
    before = contents(world.disk, DATA.root)
    for _ in range(2):
        with pytest.raises(PeersFileError, match=f"{PEERS}: .*Nothing was changed"):
            start(world)
    assert contents(world.disk, DATA.root) == before
    assert world.disk.open_files == 0
    world.disk.remove(PEERS)
    require_old(world)


def require_old(world: World) -> None:
    """A start finds what there was before the recovery; a state may be built anew first."""
    rebooted = world.rebooted
    life = Life(world)
    assert life.driver.node.configuration == THREE
    assert value_of(life.storage, "colour") in ((None, b"red") if rebooted else (b"red",))
    assert life.replicated.applied_index < life.driver.node.last_index - 1
    life.storage.close()


def test_a_server_without_any_data_refuses() -> None:
    world = World(SimDisk(random.Random(1).randrange))
    start(world).close()
    put_file(world.disk, PEERS, file_of(ALONE))
    with pytest.raises(RecoveryError, match="refused to recover cluster with no initial state"):
        start(world)
    assert "peers.json" in world.disk.names(DATA.snapshots)


async def test_a_snapshot_that_is_newer_than_the_log_is_not_thrown_away() -> None:
    world = await survivor()
    newer = SnapshotMeta(
        index=Index(900), term=Term(50), configuration=THREE, configuration_index=Index(1)
    )
    writer = SnapshotFiles(DATA.snapshots, world.disk).create(newer, now_ms=1)
    writer.write(b"of a term that the log has not heard of")
    writer.finish()
    put_file(world.disk, PEERS, file_of(ALONE))
    before = contents(world.disk, DATA.root)
    with pytest.raises(RecoveryError, match=r"the snapshot 50-900-1 .* is newer than the log"):
        start(world)
    assert contents(world.disk, DATA.root) == before


async def test_an_entry_that_cannot_be_applied_leaves_all_as_it_was() -> None:
    world = await survivor()
    storage = world.open()
    append(storage, EntryKind.COMMAND, bytes([MessageType.KVS]) + b"\xff")
    storage.close()
    put_file(world.disk, PEERS, file_of(ALONE))
    with pytest.raises(RecoveryError, match=r"recovery failed: entry \d+ .* cannot be applied"):
        start(world)
    world.disk.remove(PEERS)
    require_old(world)


async def test_a_full_disk_puts_it_off() -> None:
    world = await survivor()
    before = as_it_is(world)
    put_file(world.disk, PEERS, file_of(ALONE))
    world.disk.capacity_bytes = world.disk.used_bytes()
    with pytest.raises(DataDirError, match="no space left for the data under /data"):
        start(world)
    world.disk.capacity_bytes = None
    world.engine.has_room_for_another = False
    with pytest.raises(DataDirError, match="no space left for the data under /data"):
        start(world)
    world.engine.has_room_for_another = True
    storage = start(world)
    require_recovered(storage, before, ALONE)
    storage.close()


def crashed(world: World, die: random.Random, calls: int, lands: Lands) -> bool:
    """Start until the power is lost at that call to the disk; whether it was."""
    world.disk.calls_left = calls
    try:
        storage = start(world)
    except PowerLostError:
        world.disk.crash(lands)
        world.rebooted = die.random() < 0.5
        return True
    world.disk.calls_left = None
    storage.close()
    return False


@pytest.mark.parametrize("lands", Lands)
@pytest.mark.parametrize("snapshot", [False, True])
async def test_after_a_crash_at_any_point_it_recovers_once_more(
    snapshot: bool, lands: Lands
) -> None:
    """Twice: the second start is cut off, too."""
    template = await survivor(snapshot=snapshot)
    before = as_it_is(template)
    put_file(template.disk, PEERS, file_of(MOVED))
    template.disk.crash(Lands.ALL)
    die = random.Random(1)
    calls = 0
    while crashed(world := copy.deepcopy(template), die, calls, lands):
        crashed(world, die, die.randrange(calls + 2), lands)
        storage = start(world)
        require_recovered(storage, before, MOVED)
        storage.close()
        assert "peers.json" not in world.disk.names(DATA.snapshots)
        calls += 1
    assert calls > 15, "there was hardly anything to cut off"


@pytest.mark.parametrize("lands", Lands)
@pytest.mark.parametrize("snapshot", [False, True])
async def test_a_file_that_is_taken_away_after_a_crash_leaves_all_or_nothing(
    snapshot: bool, lands: Lands
) -> None:
    template = await survivor(snapshot=snapshot)
    put_file(template.disk, PEERS, file_of(MOVED))
    template.disk.crash(Lands.ALL)
    die = random.Random(1)
    calls, recovered = 0, 0
    while crashed(world := copy.deepcopy(template), die, calls, lands):
        calls += 1
        if "peers.json" in world.disk.names(DATA.snapshots):
            world.disk.remove(PEERS)
        life = Life(copy.deepcopy(world))
        node = life.driver.node
        if node.configuration != MOVED:
            require_old(world)
            continue
        recovered += 1
        assert node.applied_index == node.last_index
        assert value_of(life.storage, "colour") == b"blue"
    assert 0 < recovered < calls


def test_a_server_with_a_new_address_and_no_other_members_leads_again(tmp_path: Path) -> None:
    folder, data = tmp_path / "data", DataDir(str(tmp_path / "data"))
    with ServerProcess(address(131), folder) as server:
        assert server.request("PUT", "/v1/kv/colour", b"red") == (200, b"true")
        assert server.stop() == 0
    disk = RealDisk()
    storage = open_storage(data, disk)
    append(storage, EntryKind.CONFIGURATION, encode_configuration(THREE))
    append(storage, EntryKind.COMMAND, set_command("colour", b"blue"))
    last_index = storage.wal.last_index
    storage.close()

    peers = folder / "raft" / "peers.json"
    assert (folder / "raft" / "peers.info").read_bytes() == PEERS_INFO.encode()
    moved = ServerProcess(address(132), folder)
    peers.write_text(f'["{address(132)}:8300"]')
    code, said = moved.start_in_vain()
    assert code == 1
    assert f"recovery failed to parse peers.json: {peers}: " in said
    assert "the form of raft protocol 2" in said

    node_id = (folder / "node-id").read_text()
    servers = [{"id": node_id, "address": f"{address(132)}:8300", "non_voter": False}]
    peers.write_text(json.dumps(servers))
    with moved:
        assert moved.request("GET", "/v1/kv/colour?raw&consistent") == (200, b"blue")
        assert moved.request("PUT", "/v1/kv/colour", b"green") == (200, b"true")
        _, body = moved.request("GET", "/v1/operator/raft/configuration")
        found = [(one["ID"], one["Address"]) for one in json.loads(body)["Servers"]]
        assert found == [(node_id, f"{address(132)}:8300")]
        assert not peers.exists()
        meta = json.loads(next((folder / "raft").glob("*/meta.json")).read_text())
        assert (meta["Index"], meta["ConfigurationIndex"]) == (last_index, 1)
        assert moved.stop() == 0
    with moved:
        assert moved.request("GET", "/v1/kv/colour?raw") == (200, b"green")


def test_the_snapshots_folder_may_hold_what_an_editor_left_in_it() -> None:
    world = World(SimDisk(random.Random(1).randrange))
    start(world).close()
    put_file(world.disk, f"{DATA.snapshots}/peers.json.tmp", b"[")
    start(world).close()
    assert "peers.json.tmp" in world.disk.names(DATA.snapshots)
