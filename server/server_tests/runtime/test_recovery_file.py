"""Recovery by epoch: once a disk, whole or not at all, wherever a crash comes."""

import copy
import json
import random
from collections.abc import Callable

import pytest

from proconsul.config.schema import Config
from proconsul.raft.messages import Configuration, Server
from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.disk import Disk
from proconsul.runtime.left_marker import LeftMarker, LeftMarkerError
from proconsul.runtime.own_files import exists
from proconsul.runtime.own_server import DECOMMISSIONED
from proconsul.runtime.recovery_file import (
    RecoveryFileError,
    applied_epoch,
    begin_recovery,
    objection_to_founding,
    parse_recovery,
    reform,
)
from proconsul.runtime.storage import Storage
from server_tests.runtime.driver_world import DATA, ME, World, begin
from server_tests.runtime.test_own_server import configured
from server_tests.runtime.test_peers_recovery import (
    CLOCK_MS,
    contents,
    put_file,
    survivor,
    value_of,
)
from server_tests.sim.disk import Lands, PowerLostError, SimDisk

FILE = "/etc/recovery.json"
NODE_ID, BACKUP = f"{DATA.root}/node-id", f"{DATA.root}/raft.epoch-4.bak"
OTHER = "99999999-2222-3333-4444-555555555555"
ALONE = Configuration((Server(ME.id, ME.address),))
CONFIG: Config = configured(f'recovery_file = "{FILE}"')
CALLS_MAX = 400  # more than any of these takes


def text_of(mode: str, epoch: int = 4, voter: str = "") -> bytes:
    return json.dumps({"epoch": epoch, "mode": mode, "voter": voter, "restoreUID": "r"}).encode()


async def disk_of_a_member(text: bytes) -> World:
    """A disk with a log, a state and an ID; and the file, which wants something of it."""
    world = await survivor(snapshot=True)
    put_file(world.disk, NODE_ID, ME.id.encode())
    world.disk.make_dirs(DATA.state)
    put_file(world.disk, f"{DATA.state}/data.mdb", b"what was made of the log")
    world.disk.make_dirs("/etc")
    put_file(world.disk, FILE, text)
    return world


def start(world: World) -> Storage | None:
    """What a start does to the disk before raft; the storage of a survivor."""
    recovery = begin_recovery(DATA, world.disk, CONFIG)
    if recovery is None:
        return None
    storage = world.open()
    try:
        return reform(DATA, world.disk, recovery, storage, ALONE.servers[0], next(CLOCK_MS))
    except BaseException:
        storage.close()
        raise


def at_every_call(
    world: World, require: Callable[[World], None], between: Callable[[World], None]
) -> int:
    """Cut the power at each call of a start in turn, start again, and look; how many there were.

    `between` looks at the disk as the crash left it.
    """
    for calls in range(CALLS_MAX):
        for lands in Lands:
            here = copy.deepcopy(world)
            here.disk.calls_left = calls
            try:
                storage = start(here)
            except PowerLostError:
                here.disk.crash(lands)
                here.rebooted = True
                between(here)
                storage = start(here)
            else:
                if lands is Lands.SOME:
                    return calls
            if storage is not None:
                storage.close()
            here.disk.crash(Lands.NONE)
            require(here)
            before = contents(here.disk, DATA.root)
            assert start(here) is None  # it was seen
            assert contents(here.disk, DATA.root) == before
    raise AssertionError("it never ended")


def never_the_id_without_its_log(world: World) -> None:
    """A server like that could vote twice."""
    if exists(world.disk, NODE_ID):
        assert exists(world.disk, DATA.log)


# ---------------------------------------------------------------- who is to begin anew


@pytest.mark.parametrize("text", [text_of("Rebootstrap"), text_of("Reform", voter=OTHER)])
async def test_wherever_a_crash_comes_the_data_are_aside_and_the_id_is_gone(text: bytes) -> None:
    world = await disk_of_a_member(text)
    log = contents(world.disk, DATA.snapshots)

    def require(here: World) -> None:
        assert here.disk.names(DATA.root) == ["applied_epoch", "raft.epoch-4.bak"]
        kept = contents(here.disk, BACKUP)
        assert kept == {path.replace(DATA.snapshots, BACKUP): log[path] for path in log}
        assert applied_epoch(DATA, here.disk) == 4

    assert at_every_call(world, require, never_the_id_without_its_log) > 5


async def test_an_empty_disk_only_notes_the_epoch() -> None:
    for text in (text_of("Rebootstrap"), text_of("Reform", voter=OTHER)):
        world = World(SimDisk(random.Random(1).randrange))
        for folder in (DATA.root, "/etc"):
            world.disk.make_dirs(folder)
        put_file(world.disk, FILE, text)
        assert start(world) is None
        assert world.disk.names(DATA.root) == ["applied_epoch"]


async def test_a_fixed_id_in_the_configuration_stands_in_the_way_and_nothing_is_touched() -> None:
    world = await disk_of_a_member(text_of("Rebootstrap"))
    before = contents(world.disk, DATA.root)
    fixed = configured(f'recovery_file = "{FILE}" node_id = "{ME.id}"')
    with pytest.raises(RecoveryFileError, match="take node_id out of it"):
        begin_recovery(DATA, world.disk, fixed)
    assert contents(world.disk, DATA.root) == before


@pytest.mark.parametrize("node_id", [b"", b"\xff\xfe", b"s1"])
async def test_whose_id_cannot_be_read_is_not_taken_for_another(node_id: bytes) -> None:
    world = await disk_of_a_member(text_of("Reform", voter=ME.id))
    world.disk.remove(NODE_ID)
    put_file(world.disk, NODE_ID, node_id)
    before = contents(world.disk, DATA.root)
    with pytest.raises(RecoveryFileError, match="holds no UUID"):
        start(world)
    assert contents(world.disk, DATA.root) == before


async def test_a_survivor_that_was_to_be_another_one_takes_its_log_with_it_nowhere() -> None:
    """It had its copy when it crashed; and the file changed under the same epoch."""
    world = await disk_of_a_member(text_of("Reform", voter=ME.id))
    log = contents(world.disk, DATA.snapshots)
    assert begin_recovery(DATA, world.disk, CONFIG) is not None
    world.disk.crash(Lands.NONE)
    world.disk.remove(FILE)
    put_file(world.disk, FILE, text_of("Reform", voter=OTHER))

    def require(here: World) -> None:
        second = f"{BACKUP}.2"
        assert here.disk.names(DATA.root) == [
            "applied_epoch",
            "raft.epoch-4.bak",
            "raft.epoch-4.bak.2",
        ]
        kept = contents(here.disk, second)
        assert kept == {path.replace(DATA.snapshots, second): log[path] for path in log}

    assert at_every_call(world, require, never_the_id_without_its_log) > 5


async def test_who_stepped_aside_for_a_survivor_founds_nothing_until_a_new_beginning() -> None:
    world = await disk_of_a_member(text_of("Reform", voter=OTHER))
    assert objection_to_founding(DATA, world.disk) == ""
    start(world)
    assert OTHER in objection_to_founding(DATA, world.disk)
    world.disk.remove(FILE)
    put_file(world.disk, FILE, text_of("Rebootstrap", epoch=5))
    start(world)
    assert objection_to_founding(DATA, world.disk) == ""


# ---------------------------------------------------------------- who survives


async def test_wherever_a_crash_comes_the_survivor_goes_on_alone_with_all_it_had() -> None:
    world = await disk_of_a_member(text_of("Reform", voter=ME.id.upper()))
    log = contents(world.disk, DATA.snapshots)
    old = copy.deepcopy(world).open()
    term, last_index = old.wal.hard_state.term, old.wal.last_index

    def require(here: World) -> None:
        kept = contents(here.disk, BACKUP)
        assert kept == {path.replace(DATA.snapshots, BACKUP): log[path] for path in log}
        assert here.disk.read(NODE_ID) == ME.id.encode()
        assert applied_epoch(DATA, here.disk) == 4
        assert objection_to_founding(DATA, here.disk) == ""
        storage = copy.deepcopy(here).open()
        assert storage.snapshot.configuration == ALONE
        assert storage.snapshot.index == storage.wal.last_index == last_index
        assert storage.wal.hard_state.term > term
        assert not storage.wal.hard_state.vote
        assert value_of(storage, "colour") == b"blue"
        storage.close()

    assert at_every_call(world, require, never_the_id_without_its_log) > 20


async def test_the_survivor_leads_and_takes_writes() -> None:
    world = await disk_of_a_member(text_of("Reform", voter=ME.id))
    storage = start(world)
    assert storage is not None
    storage.close()
    life = await begin(world)
    assert life.driver.node.configuration == ALONE
    await life.put("colour", b"green")
    await life.stop()


async def test_a_later_epoch_is_done_and_an_older_one_is_not() -> None:
    world = await disk_of_a_member(text_of("Reform", voter=ME.id))
    storage = start(world)
    assert storage is not None
    storage.close()
    for epoch, wanted in ((3, 4), (4, 4), (5, 5)):
        world.disk.remove(FILE)
        put_file(world.disk, FILE, text_of("Rebootstrap", epoch))
        assert start(world) is None
        assert applied_epoch(DATA, world.disk) == wanted
        assert exists(world.disk, f"{DATA.root}/raft.epoch-{epoch}.bak") == (epoch != 3)


async def test_who_stepped_aside_by_mistake_is_brought_back_by_hand_with_all_it_had() -> None:
    world = await disk_of_a_member(text_of("Reform", voter=OTHER))
    start(world)
    put_file(world.disk, NODE_ID, b"77777777-2222-3333-4444-555555555555")  # its new ID
    world.rebooted = True  # as if its state had been removed
    world.disk.rename(BACKUP, DATA.snapshots)
    world.disk.remove(NODE_ID)
    put_file(world.disk, NODE_ID, ME.id.encode())
    world.disk.remove(FILE)
    put_file(world.disk, FILE, text_of("Reform", epoch=5, voter=ME.id))
    storage = start(world)
    assert storage is not None
    assert storage.snapshot.configuration == ALONE
    assert value_of(storage, "colour") == b"blue"
    storage.close()
    assert objection_to_founding(DATA, world.disk) == ""


# ---------------------------------------------------------------- the file


async def test_without_a_file_nothing_happens() -> None:
    world = await disk_of_a_member(text_of("Rebootstrap"))
    before = contents(world.disk, DATA.root)
    world.disk.remove(FILE)
    assert start(world) is None
    assert begin_recovery(DATA, world.disk, configured("")) is None
    assert contents(world.disk, DATA.root) == before


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"epoch": 0, "mode": "Rebootstrap"}',
        b'{"epoch": true, "mode": "Rebootstrap"}',
        b'{"epoch": "4", "mode": "Rebootstrap"}',
        b'{"epoch": 4, "mode": "reform"}',
        b'{"epoch": 4, "mode": "Reform"}',
        b'{"epoch": 4, "mode": "Reform", "voter": "s1"}',
        # Other ways to write an ID: the server itself would not be meant by them.
        *(
            json.dumps({"epoch": 4, "mode": "Reform", "voter": voter}).encode()
            for voter in (f"urn:uuid:{ME.id}", f"{{{ME.id}}}", ME.id.replace("-", ""), f" {ME.id}")
        ),
        b'{"epoch": 4, "mode": "Reform", "voter": {"a": 1}}',
        # A folder's name must be made of it.
        b'{"epoch": 1' + b"0" * 300 + b', "mode": "Rebootstrap"}',
        b'{"epoch": 9223372036854775808, "mode": "Rebootstrap"}',
        b'{"epoch": ' + b"9" * 5000 + b', "mode": "Rebootstrap"}',
        b"[" * 100_000,
        b'\xff\xfe{"epoch": 4',
        b" " * (1 << 20) + text_of("Rebootstrap"),
    ],
    ids=lambda text: repr(text[:60]),
)
async def test_a_file_with_a_mistake_ends_the_start_and_changes_nothing(text: bytes) -> None:
    world = await disk_of_a_member(text)
    before = contents(world.disk, DATA.root)
    with pytest.raises(RecoveryFileError, match=FILE):
        start(world)
    assert contents(world.disk, DATA.root) == before


def test_what_is_not_known_in_the_file_is_left_to_those_who_know_it() -> None:
    recovery = parse_recovery(FILE, b'{"epoch": 1, "mode": "Rebootstrap", "why": "x"}')
    assert (recovery.epoch, recovery.mode, recovery.voter) == (1, "Rebootstrap", "")


@pytest.mark.parametrize("text", [b"four", b"", b"4 joins", b"4 leads x", b"9" * 40, b"\xd9\xa4"])
def test_a_damaged_epoch_is_not_taken_for_none(text: bytes) -> None:
    disk = SimDisk(random.Random(1).randrange)
    disk.make_dirs(DATA.root)
    put_file(disk, f"{DATA.root}/applied_epoch", text)
    with pytest.raises(RecoveryFileError, match="which is no epoch"):
        applied_epoch(DATA, disk)


# ---------------------------------------------------------------- the marker


def marker_of(disk: Disk) -> LeftMarker:
    return LeftMarker(DataDir(DATA.root), disk)


async def test_with_the_marker_a_server_is_idle_and_its_data_stay() -> None:
    world = await disk_of_a_member(b"")
    marker_of(world.disk).put()
    world.disk.crash(Lands.NONE)
    before = contents(world.disk, DATA.root)
    for _ in range(2):
        idle = marker_of(world.disk).begin("")
        assert idle is not None
        assert idle.reason == DECOMMISSIONED
    assert contents(world.disk, DATA.root) == before


async def test_without_a_marker_there_is_nothing_to_clear() -> None:
    world = await disk_of_a_member(b"")
    assert marker_of(world.disk).begin("") is None
    assert not marker_of(world.disk).clear(ME.id)
    assert marker_of(world.disk).begin("") is None


async def test_wherever_a_crash_comes_who_may_rejoin_is_another_server() -> None:
    world = await disk_of_a_member(b"")
    log = contents(world.disk, DATA.snapshots)
    marker_of(world.disk).put()
    assert marker_of(world.disk).clear(ME.id)
    for calls in range(CALLS_MAX):
        here = copy.deepcopy(world)
        here.disk.calls_left = calls
        try:
            assert marker_of(here.disk).begin("") is None
        except PowerLostError:
            here.disk.crash(Lands.SOME)
            never_the_id_without_its_log(here)
            assert marker_of(here.disk).begin("") is None
        else:
            assert calls > 5
            return
        here.disk.crash(Lands.NONE)
        backup = f"raft.left-{ME.id}.bak"
        assert here.disk.names(DATA.root) == [backup]
        kept = contents(here.disk, f"{DATA.root}/{backup}")
        assert [kept[path.replace("/raft/", f"/{backup}/")] for path in log] == list(log.values())


async def test_who_may_rejoin_needs_an_id_that_is_free_to_be_another() -> None:
    world = await disk_of_a_member(b"")
    marker_of(world.disk).put()
    marker_of(world.disk).clear(ME.id)
    before = contents(world.disk, DATA.root)
    with pytest.raises(LeftMarkerError, match="take node_id out of it"):
        marker_of(world.disk).begin(ME.id)
    assert contents(world.disk, DATA.root) == before
