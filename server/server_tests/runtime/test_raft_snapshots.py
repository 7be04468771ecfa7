"""Snapshots under load, and a user's snapshot with everything that can go wrong in the middle."""

import asyncio
import errno
import random
from collections.abc import AsyncIterator

import pytest

from proconsul.endpoints.context import Woken
from proconsul.errors import NoLeaderError, ProconsulError, RpcError
from proconsul.fsm.archive import ArchiveMeta, write_archive
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.model.catalog import RegisterRequest
from proconsul.model.session import Session, SessionRequest
from proconsul.runtime.raft_snapshots import SnapshotPolicy
from proconsul.runtime.storage import NO_SNAPSHOT
from proconsul.store import kv
from proconsul.store.events import SessionCreated
from proconsul.store.watch import WatchSet
from server_tests.runtime.driver_world import DATA, SEGMENT_BYTES, Life, World, begin
from server_tests.sim.disk import Lands, SimDisk

OFTEN = SnapshotPolicy(interval_s=0.2, threshold=20, trailing=5)
SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def world() -> World:
    return World(SimDisk(random.Random(1).randrange))


async def upload(archive: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(archive), 1000):
        yield archive[start : start + 1000]


async def saved(life: Life) -> bytes:
    _, pieces = await life.snapshots.save()
    return b"".join([piece async for piece in pieces])


def archive_of(state: bytes) -> bytes:
    """A well-formed archive around any bytes."""
    meta = ArchiveMeta(
        id="2-10-1",
        index=10,
        term=2,
        peers=b"\x90",
        servers=(),
        configuration_index=1,
        size_bytes=len(state),
    )
    return b"".join(write_archive(meta, (state,), 1))


# ---------------------------------------------------------------- our own


async def test_the_log_is_cut_under_load_and_a_restart_goes_on_from_the_snapshot() -> None:
    here = world()
    life = await begin(here, OFTEN)
    work = asyncio.ensure_future(life.snapshots.run())
    for number in range(300):
        await life.put(f"key{number % 7}", b"%d" % number + bytes(300))
        await asyncio.sleep(0.01)
    assert life.driver.node.snapshot.index > 200
    work.cancel()
    await asyncio.wait([work])
    await life.stop()
    assert life.storage.wal.first_index > 100
    here.rebooted = True
    life = await begin(here)
    assert life.driver.node.snapshot.index > 200
    for number in range(293, 300):
        assert life.get(f"key{number % 7}") == b"%d" % number + bytes(300)
    await life.stop()


async def test_a_value_in_pieces_survives_a_snapshot_between_them() -> None:
    here = world()
    life = await begin(here, SnapshotPolicy(interval_s=1e6, threshold=1, trailing=0))
    value = bytes(range(256)) * 2400
    first = asyncio.ensure_future(life.put("large", value))
    while life.replicated.applied_index < 4 and not first.done():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    await life.snapshots.take()
    await first
    await life.kill()
    here.rebooted = True
    life = await begin(here)
    assert life.get("large") == value
    await life.stop()


async def test_a_snapshot_that_finds_no_room_is_a_line_in_the_log_and_holds_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = world()
    life = await begin(here, OFTEN)
    work = asyncio.ensure_future(life.snapshots.run())
    for number in range(30):
        await life.put(f"key{number}", b"v")
    here.disk.capacity_bytes = here.disk.used_bytes()
    await asyncio.sleep(1)
    assert "failed to take a snapshot" in caplog.text
    assert not work.done()
    assert life.failure is None
    here.disk.capacity_bytes = None
    await asyncio.sleep(1)
    assert life.driver.node.snapshot.index >= 30
    work.cancel()
    await asyncio.wait([work])
    await life.stop()


async def test_a_state_that_is_being_saved_is_let_go_of_when_the_server_ends() -> None:
    life = await begin(world(), OFTEN)
    for number in range(500):
        await life.put(f"key{number % 50}", bytes(100))
    work = asyncio.ensure_future(life.snapshots.run())
    taking = asyncio.ensure_future(life.snapshots.take())
    await asyncio.sleep(0)
    taking.cancel()
    work.cancel()
    await asyncio.wait([taking, work])
    await life.stop()
    assert not [name for name in life.world.disk.names(DATA.snapshots) if name.endswith(".tmp")]


# ---------------------------------------------------------------- a user's


async def test_a_users_snapshot_comes_back_whole_and_the_log_goes_on_beyond_it() -> None:
    here = world()
    life = await begin(here)
    await life.put("colour", b"red")
    archive = await saved(life)
    await life.put("colour", b"blue")
    await life.put("shape", b"round")
    last = life.driver.node.last_index
    await life.snapshots.restore(upload(archive))
    assert life.get("colour") == b"red"
    assert life.get("shape") is None
    assert life.driver.node.snapshot.index == last + 2  # a barrier went in front of it
    await life.put("shape", b"square")
    await life.stop()
    for rebooted in (False, True):
        here.rebooted = rebooted
        life = await begin(here)
        assert life.get("colour") == b"red"
        assert life.get("shape") == b"square"
        await life.stop()


async def test_an_archive_from_far_ahead_takes_the_log_with_it() -> None:
    here, other = world(), world()
    source = await begin(other)
    for number in range(100):
        await source.put("count", b"%d" % number)
    archive = await saved(source)
    index = source.driver.node.applied_index
    await source.stop()
    life = await begin(here)
    await life.snapshots.restore(upload(archive))
    assert life.get("count") == b"99"
    assert life.driver.node.snapshot.index == index + 1
    await life.kill()
    life = await begin(here)
    assert life.get("count") == b"99"
    await life.stop()


async def test_writes_during_a_restore_wait_for_its_end_and_none_is_lost() -> None:
    life = await begin(world())
    for number in range(200):
        await life.put(f"old{number}", b"v")
    archive = await saved(life)
    acknowledged: list[int] = []
    stop = asyncio.Event()

    async def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await life.put("count", b"%d" % number)
            acknowledged.append(number)

    writers = asyncio.ensure_future(write())
    await asyncio.sleep(0)
    await life.snapshots.restore(upload(archive))
    before = len(acknowledged)
    await life.driver.barrier()
    stop.set()
    await writers
    assert len(acknowledged) >= before
    assert life.get("count") == b"%d" % acknowledged[-1]
    assert life.get("old7") == b"v"
    await life.stop()


async def test_everybody_who_waits_is_woken_once_and_told_why() -> None:
    life = await begin(world())
    await life.put("colour", b"red")
    archive = await saved(life)
    watch = WatchSet()
    kv.get(life.replicated.state.read(), watch, "colour")
    waiting = [asyncio.ensure_future(life.replicated.waiting.wait(watch, 600)) for _ in range(3)]
    await asyncio.sleep(0)
    await life.snapshots.restore(upload(archive))
    assert await asyncio.gather(*waiting) == [Woken.ABANDONED] * 3
    assert len(life.replicated.waiting) == 0
    await life.stop()


async def test_the_sessions_of_a_restored_state_are_told_with_their_times() -> None:
    life = await begin(world())
    node = RegisterRequest(datacenter="dc1", node="n1", address="10.0.0.1")
    await life.driver.propose(encode_command(MessageType.REGISTER, node))
    session = Session(id=SESSION, node="n1", ttl="30s", checks=[])
    await life.driver.propose(
        encode_command(
            MessageType.SESSION, SessionRequest(datacenter="dc1", op="create", session=session)
        )
    )
    await life.snapshots.restore(upload(await saved(life)))
    assert life.restored == [[SessionCreated(SESSION, "30s")]]
    await life.stop()


# ---------------------------------------------------------------- in the middle


BAD = {
    "no archive": b"not a gzip stream",
    "an empty one": b"",
    "a record of no known type": archive_of(b"\x81\xa9LastIndex\x0a\x7f\xc0"),
    "a record cut short": archive_of(b"\x81\xa9LastIndex\x0a\x02\x84"),
    "a record that does not fit": archive_of(b"\x81\xa9LastIndex\x0a\x02\x93\x01\x02\x03"),
    "a header that does not fit": archive_of(b"\x81\xa9LastIndex\xa3abc"),
    "no header": archive_of(b"\x02\x80"),
}


@pytest.mark.parametrize("archive", BAD.values(), ids=BAD.keys())
async def test_a_bad_archive_changes_nothing_and_writes_go_on(archive: bytes) -> None:
    here = world()
    life = await begin(here)
    await life.put("colour", b"red")
    with pytest.raises(RpcError):
        await life.snapshots.restore(upload(archive))
    await unharmed(life)


async def unharmed(life: Life) -> None:
    """The old state is there, writes go on, and so it is after a restart."""
    assert life.get("colour") == b"red"
    await life.put("shape", b"round")
    assert not life.restored
    await life.stop()
    life.world.rebooted = True
    life = await begin(life.world)
    assert life.driver.node.snapshot == NO_SNAPSHOT
    assert life.get("colour") == b"red"
    assert life.get("shape") == b"round"
    await life.stop()


async def with_another_archive(here: World) -> tuple[Life, bytes]:
    life = await begin(here)
    await life.put("colour", b"blue")
    archive = await saved(life)
    await life.put("colour", b"red")
    return life, archive


async def test_a_full_disk_under_a_restore_changes_nothing() -> None:
    here = world()
    life, archive = await with_another_archive(here)
    here.disk.capacity_bytes = here.disk.used_bytes()
    with pytest.raises(RpcError, match=r"failed to restore snapshot: .*no space left"):
        await life.snapshots.restore(upload(archive))
    here.disk.capacity_bytes = None
    await unharmed(life)


async def test_a_state_without_room_after_the_snapshot_was_durable_takes_it_back() -> None:
    here = world()
    life, archive = await with_another_archive(here)
    here.engine.has_room_for_another = False
    with pytest.raises(RpcError, match=r"failed to restore snapshot: .*no room"):
        await life.snapshots.restore(upload(archive))
    here.engine.has_room_for_another = True
    await unharmed(life)


async def test_a_snapshot_that_cannot_be_taken_back_ends_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = world()
    life, archive = await with_another_archive(here)
    here.engine.has_room_for_another = False
    monkeypatch.setattr(life.storage.snapshot_files, "forget", fails)
    with pytest.raises(RpcError, match="failed to restore snapshot"):
        await life.snapshots.restore(upload(archive))
    assert "the next start restores it" in str(life.failure)
    with pytest.raises(ProconsulError):
        await life.put("colour", b"green")
    await life.stop()
    here.engine.has_room_for_another = True
    life = await begin(here)
    assert life.get("colour") == b"blue"
    await life.stop()


def fails(_: object) -> None:
    raise OSError(errno.EIO, "I/O error")


@pytest.mark.interpreted
async def test_who_leads_no_more_when_all_is_written_restores_nothing_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = world()
    life, archive = await with_another_archive(here)
    with monkeypatch.context() as patched:
        patched.setattr(life.driver, "confirm_leadership", nobody_agrees)
        with pytest.raises(RpcError, match="failed to restore snapshot: No cluster leader"):
            await life.snapshots.restore(upload(archive))
    await unharmed(life)


async def nobody_agrees() -> None:
    raise NoLeaderError


async def test_a_client_that_goes_while_it_uploads_leaves_everything_as_it_was() -> None:
    here = world()
    life, archive = await with_another_archive(here)

    async def half() -> AsyncIterator[bytes]:
        yield archive[: len(archive) // 2]
        await asyncio.Event().wait()

    restoring = asyncio.ensure_future(life.snapshots.restore(half()))
    await asyncio.sleep(0.1)
    restoring.cancel()
    await asyncio.wait([restoring])
    assert restoring.cancelled()
    await unharmed(life)


async def test_a_client_that_goes_during_the_restore_does_not_stop_it() -> None:
    life, archive = await with_another_archive(world())
    restoring = asyncio.ensure_future(life.snapshots.restore(upload(archive)))
    while not life.snapshots.is_restoring:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    restoring.cancel()
    await asyncio.wait([restoring])
    async with asyncio.timeout(60):
        while not life.restored:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    await life.put("shape", b"round")
    assert life.get("colour") == b"blue"
    await life.stop()


async def test_a_server_that_ends_in_the_middle_says_so_and_keeps_the_old_state() -> None:
    here = world()
    life, archive = await with_another_archive(here)
    work = asyncio.ensure_future(life.snapshots.run())
    restoring = asyncio.ensure_future(life.snapshots.restore(upload(archive)))
    while not life.snapshots.is_restoring:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    work.cancel()
    await asyncio.wait([work, restoring])
    with pytest.raises(RpcError, match="the server ends"):
        await restoring
    with pytest.raises(RpcError, match="the server ends"):
        await life.snapshots.restore(upload(archive))
    await unharmed(life)


async def test_a_restore_behind_writes_that_find_no_room_is_refused_and_holds_nothing_back() -> (
    None
):
    here = world()
    life, archive = await with_another_archive(here)
    here.engine.is_full = True
    stuck = asyncio.ensure_future(life.put("stuck", b"v"))
    await asyncio.sleep(0)
    with pytest.raises(RpcError):
        await life.snapshots.restore(upload(archive))
    here.engine.is_full = False
    await asyncio.wait([stuck])
    assert isinstance(stuck.exception(), ProconsulError)
    await asyncio.sleep(1)
    assert life.get("stuck") == b"v"
    await unharmed(life)


@pytest.mark.parametrize("calls", range(0, 40, 2))
async def test_a_power_loss_at_any_point_of_a_restore_ends_with_the_one_state_or_the_other(
    calls: int,
) -> None:
    here = world()
    life, archive = await with_another_archive(here)
    here.disk.calls_left = calls
    restored = asyncio.ensure_future(life.snapshots.restore(upload(archive)))
    await asyncio.wait([restored], timeout=60)
    acknowledged = restored.done() and restored.exception() is None
    await life.crash(random.Random(calls).choice(tuple(Lands)))
    await asyncio.wait([restored])
    here.rebooted = calls % 4 == 0
    life = await begin(here)
    assert life.get("colour") in ((b"blue",) if acknowledged else (b"blue", b"red"))
    await life.put("shape", bytes(SEGMENT_BYTES))
    await life.stop()
    life = await begin(here)
    assert life.get("shape") == bytes(SEGMENT_BYTES)
    await life.stop()
