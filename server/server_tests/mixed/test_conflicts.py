"""A leader that is cut off takes commands that nobody commits; its log gives way afterwards."""

from pathlib import Path

import pytest

from server_tests.mixed.cluster import (
    MIXED,
    THREE_OF_OURS,
    THREE_OF_THEIRS,
    TWO_OF_OURS,
    TWO_OF_THEIRS,
    Cluster,
    cluster,
)

pytestmark = MIXED

COMMANDS = 10


async def strand(here: Cluster, leader: str, *with_it: str) -> list[bytes]:
    """Cut a leader off, alone or with a minority, and have its log grow there."""
    while True:
        server = await here.make_lead(leader)
        await here.write(3)
        for name in here.servers:
            await here.caught_up(name)
        before = await server.number("last_log_index")
        here.network.cut_off([leader, *with_it])
        commands = await here.write_in_vain(server, COMMANDS)
        if await server.number("last_log_index") >= before + COMMANDS:
            for name in with_it:
                await here.until(name, "last_log_index", before + COMMANDS)
            return commands
        here.network.heal()  # it had stepped down before it heard of them: once more


@pytest.mark.parametrize(
    ("names", "leader"),
    [
        (TWO_OF_OURS, "ours1"),
        (TWO_OF_OURS, "theirs1"),
        (TWO_OF_THEIRS, "ours1"),
        (TWO_OF_THEIRS, "theirs1"),
    ],
)
async def test_the_log_of_a_leader_that_was_cut_off_gives_way(
    tmp_path: Path, names: tuple[str, ...], leader: str
) -> None:
    async with cluster(tmp_path, *names, can_be_cut=True) as here:
        stranded = await strand(here, leader)
        await here.leader(among=[name for name in names if name != leader])
        await here.write(3)
        assert here.last_index <= await here[leader].number("last_log_index"), "they conflict"
        here.network.heal()
        assert not set(stranded) & set(await here.agree())


@pytest.mark.parametrize(
    ("names", "minority"),
    [
        (THREE_OF_OURS, ("ours1", "theirs1")),
        (THREE_OF_THEIRS, ("theirs1", "ours1")),
    ],
    ids="-".join,
)
async def test_what_a_minority_of_both_kinds_holds_gives_way(
    tmp_path: Path, names: tuple[str, ...], minority: tuple[str, str]
) -> None:
    async with cluster(tmp_path, *names, can_be_cut=True) as here:
        stranded = await strand(here, *minority)
        await here.leader(among=[name for name in names if name not in minority])
        await here.write(3)
        for name in minority:
            assert here.last_index <= await here[name].number("last_log_index"), "they conflict"
        here.network.heal()
        assert not set(stranded) & set(await here.agree())


@pytest.mark.parametrize(("names", "leader"), [(TWO_OF_OURS, "ours1"), (TWO_OF_THEIRS, "theirs1")])
async def test_what_it_brings_back_from_its_disk_gives_way_too(
    tmp_path: Path, names: tuple[str, ...], leader: str
) -> None:
    """The leader that was cut off dies before it is heard again."""
    async with cluster(tmp_path, *names, can_be_cut=True) as here:
        stranded = await strand(here, leader)
        here[leader].kill()
        await here.write(COMMANDS + 5)
        here.network.heal()
        await here[leader].start()
        assert not set(stranded) & set(await here.agree())
