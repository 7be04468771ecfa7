"""Snapshots that a server of one kind takes and one of the other kind installs."""

from pathlib import Path

import pytest

from server_tests.mixed.chain import Head
from server_tests.mixed.cluster import MIXED, TWO_OF_OURS, TWO_OF_THEIRS, Cluster, cluster

pytestmark = MIXED

FLAGS = ["-trailing=4"]
BOTH_WAYS = pytest.mark.parametrize(
    ("names", "leader", "behind"),
    [(TWO_OF_OURS, "ours1", "theirs1"), (TWO_OF_THEIRS, "theirs1", "ours1")],
    ids=["ours-to-theirs", "theirs-to-ours"],
)


async def snapshot_beyond(here: Cluster, leader: str, behind: str) -> int:
    """While one server is away, so much is written that it needs the leader's snapshot; its index.

    Whoever else might lead has no log in front of it, either.
    """
    await here.make_lead(leader)
    here[behind].kill()
    await here.write(30)
    indexes = []
    for server in here.running:
        await here.caught_up(server.name)
        await server.ask("/snapshot")
        indexes.append(await server.number("last_snapshot_index"))
    await here.make_lead(leader)
    return min(indexes)


async def has_installed(here: Cluster, name: str, index: int) -> None:
    """What it holds began with that snapshot."""
    assert await here[name].number("last_snapshot_index") >= index
    applied = (await here[name].ask("/log"))["Applied"]
    assert min(one["Index"] for one in applied) > index


@BOTH_WAYS
async def test_a_server_that_is_far_behind_gets_a_snapshot_and_goes_on_from_it(
    tmp_path: Path, names: tuple[str, ...], leader: str, behind: str
) -> None:
    async with cluster(tmp_path, *names, flags=FLAGS) as here:
        await here.write(5)
        await here.agree()
        index = await snapshot_beyond(here, leader, behind)
        await here[behind].start()
        await here.agree()
        await has_installed(here, behind, index)
        here[behind].kill()
        await here[behind].start()
        await here.agree()
        await here.make_lead(behind)
        await here.write(10)
        await here.agree()


@BOTH_WAYS
async def test_a_server_whose_disk_was_lost_gets_a_snapshot(
    tmp_path: Path, names: tuple[str, ...], leader: str, behind: str
) -> None:
    async with cluster(tmp_path, *names, flags=FLAGS) as here:
        await here.write(5)
        index = await snapshot_beyond(here, leader, behind)
        here[behind].wipe()
        here[behind].bootstrap = ""
        await here[behind].start()
        await here.agree()
        await has_installed(here, behind, index)


@BOTH_WAYS
async def test_a_snapshot_replaces_entries_that_conflict_with_it(
    tmp_path: Path, names: tuple[str, ...], leader: str, behind: str
) -> None:
    """The one that needs it had led, and died with commands that nobody else has."""
    async with cluster(tmp_path, *names, flags=FLAGS) as here:
        await here.write(5)
        await here.make_lead(behind)
        await here.agree()
        others = [name for name in names if name != behind]
        for name in others:
            here[name].kill()
        stranded = await here.write_in_vain(here[behind], 10)
        index = await here[behind].number("last_log_index")
        here[behind].kill()
        for name in others:
            await here[name].start()
        beyond = await snapshot_beyond(here, leader, behind)
        assert beyond > index - 10
        await here[behind].start()
        assert not set(stranded) & set(await here.agree())
        await has_installed(here, behind, beyond)


@BOTH_WAYS
async def test_a_large_state_that_a_user_restores_reaches_everybody(
    tmp_path: Path, names: tuple[str, ...], leader: str, behind: str
) -> None:
    """It leaves a hole in the log, so that everybody installs it; three megabytes of it."""
    async with cluster(tmp_path, *names, flags=FLAGS) as here:
        await here.write(5)
        await here.agree()
        state = Head("long" * 750_000, 7)
        await here.order(leader, "/restore", state.encode())
        here.ledger.begin_at(state)
        await here.write(5)
        await here.agree()
        here[behind].kill()
        await here[behind].start()
        await here.agree()
