"""Servers of either kind are killed and paused under load."""

import asyncio
from pathlib import Path

import pytest

from server_tests.mixed.cluster import (
    MIXED,
    THREE_OF_OURS,
    THREE_OF_THEIRS,
    TWO_OF_OURS,
    TWO_OF_THEIRS,
    cluster,
)

pytestmark = MIXED


@pytest.mark.parametrize("names", [TWO_OF_OURS, TWO_OF_THEIRS], ids=["two-ours", "two-theirs"])
async def test_each_is_killed_under_load_then_all_are(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    async with cluster(tmp_path, *names) as here:
        writing = [asyncio.create_task(here.write(150)) for _ in range(4)]
        for name in names:
            here[name].kill()
            await here.write(3)
            await here[name].start()
            await here.caught_up(name)
        (await here.leader()).kill()
        await here.write(3)
        await asyncio.gather(*writing)
        for name in names:
            here[name].kill()
        for name in names:
            await here[name].start()
        assert len(await here.agree()) > 600


@pytest.mark.parametrize(
    "names", [THREE_OF_OURS, THREE_OF_THEIRS], ids=["three-ours", "three-theirs"]
)
async def test_five_go_on_without_one_of_each_kind(tmp_path: Path, names: tuple[str, ...]) -> None:
    async with cluster(tmp_path, *names) as here:
        await here.write(5)
        for leader, other in [("ours1", "theirs1"), ("theirs2", "ours2")]:
            await here.make_lead(leader)
            writing = asyncio.create_task(here.write(50))
            here[leader].kill()
            here[other].kill()
            await writing
            await here[leader].start()
            await here[other].start()
            await here.agree()


@pytest.mark.parametrize("leader", ["ours1", "theirs1"])
async def test_a_leader_that_sleeps_loses_its_place_and_no_write(
    tmp_path: Path, leader: str
) -> None:
    """It wakes with the commands of a client, and finds another leader."""
    names = TWO_OF_THEIRS if leader == "ours1" else TWO_OF_OURS
    async with cluster(tmp_path, *names) as here:
        await here.make_lead(leader)
        await here.write(5)
        here[leader].freeze()
        asked = asyncio.gather(
            *(here.write_to(here[leader]) for _ in range(5)), return_exceptions=True
        )
        await here.leader(among=[name for name in names if name != leader])
        await here.write(5)
        here[leader].thaw()
        await asked
        await here.agree()


@pytest.mark.parametrize("leader", ["ours1", "theirs1"])
async def test_hundreds_of_writes_at_once(tmp_path: Path, leader: str) -> None:
    names = TWO_OF_OURS if leader == "ours1" else TWO_OF_THEIRS
    async with cluster(tmp_path, *names) as here:
        await here.write_at_once(leader, 300)
        await here.write_at_once(leader, 20, size_bytes=400_000)
        await here.agree()
