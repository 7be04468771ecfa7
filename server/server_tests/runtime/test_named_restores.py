"""Restores with a name, and whose state it is: the marks of a cluster survive a user's snapshot."""

import asyncio

import pytest

from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.model.cluster_mark import ClusterMark
from proconsul.store.cluster_marks import marks
from server_tests.runtime.driver_world import Life, begin
from server_tests.runtime.test_raft_snapshots import saved, upload, with_another_archive, world

OWN, OTHERS = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"


async def marked(life: Life, cluster_id: str, restore_uid: str = "") -> None:
    mark = ClusterMark(cluster_id=cluster_id, restore_uid=restore_uid)
    await life.driver.propose(encode_command(MessageType.CLUSTER_MARK, mark))


def marks_of(life: Life) -> ClusterMark:
    return marks(life.replicated.state.read())


async def of_another_cluster() -> bytes:
    """An archive: `colour` is blue."""
    source = await begin(world())
    await marked(source, OTHERS, "long-ago")
    await source.put("colour", b"blue")
    archive = await saved(source)
    await source.stop()
    return archive


@pytest.mark.parametrize("rebooted", [False, True])
async def test_a_cluster_keeps_its_id_when_it_takes_anothers_state(rebooted: bool) -> None:
    here = world()
    life = await begin(here)
    await marked(life, OWN)
    assert await life.snapshots.restore(upload(await of_another_cluster()))
    assert life.get("colour") == b"blue"
    assert marks_of(life) == ClusterMark(cluster_id=OWN)
    await life.kill()
    here.rebooted = rebooted  # then the state is made of the snapshot that followers get
    life = await begin(here)
    assert life.get("colour") == b"blue"
    assert marks_of(life) == ClusterMark(cluster_id=OWN)
    await life.stop()


async def test_a_restore_of_the_same_name_is_done_once() -> None:
    here = world()
    life = await begin(here)
    archive = await of_another_cluster()
    assert await life.snapshots.restore(upload(archive), "restore-1")
    await life.put("colour", b"green")
    await life.kill()
    life = await begin(here)
    assert not await life.snapshots.restore(upload(archive), "restore-1")
    assert life.get("colour") == b"green"
    assert life.restored == []
    assert await life.snapshots.restore(upload(archive), "restore-2")
    assert life.get("colour") == b"blue"
    assert marks_of(life).restore_uid == "restore-2"
    await life.stop()


async def test_two_restores_of_one_name_at_once_are_one() -> None:
    life = await begin(world())
    archive = await of_another_cluster()
    both = (life.snapshots.restore(upload(archive), "restore-1") for _ in range(2))
    assert sorted(await asyncio.gather(*both)) == [False, True]
    assert len(life.restored) == 1
    await life.put("colour", b"green")  # nothing is held back
    assert life.get("colour") == b"green"
    await life.stop()


async def test_a_restore_without_a_name_leaves_the_last_name() -> None:
    life = await begin(world())
    archive = await of_another_cluster()
    await life.snapshots.restore(upload(archive), "restore-1")
    assert await life.snapshots.restore(upload(archive))
    assert marks_of(life).restore_uid == "restore-1"
    assert await life.snapshots.restore(upload(archive))
    await life.stop()


async def test_a_restore_that_failed_is_not_taken_for_done() -> None:
    life, archive = await with_another_archive(world())
    life.world.engine.has_room_for_another = False
    with pytest.raises(RpcError):
        await life.snapshots.restore(upload(archive), "restore-1")
    life.world.engine.has_room_for_another = True
    assert await life.snapshots.restore(upload(archive), "restore-1")
    assert life.get("colour") == b"blue"
    await life.stop()
