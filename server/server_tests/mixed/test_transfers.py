"""Leadership is handed over: TimeoutNow from ours to theirs and from theirs to ours."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from server_tests.mixed.cluster import MIXED, THREE_OF_THEIRS, TWO_OF_OURS, Cluster, cluster

pytestmark = MIXED


async def hand_over(here: Cluster, source: str, target: str) -> None:
    """By request, and the one who was asked says that it worked."""
    await here.order(source, "/transfer", id=target, addr=here[target].address)
    assert (await here.leader()).name == target


@pytest.mark.parametrize("time_form", ["-newtime=true", "-newtime=false"])
async def test_leadership_goes_to_each_kind_and_back(tmp_path: Path, time_form: str) -> None:
    """Entries bear the time of their proposal in two forms; ours skip both."""
    async with cluster(tmp_path, *TWO_OF_OURS, their_flags=[time_form]) as here:
        await here.write()
        await here.make_lead("ours1")
        for source, target in pairwise(["ours1", "theirs1", "ours2", "ours1", "theirs1", "ours1"]):
            await here.caught_up(target)
            await hand_over(here, source, target)
            await here.write(3)
        await here.agree()


async def test_writes_go_on_while_leadership_moves_among_five(tmp_path: Path) -> None:
    async with cluster(tmp_path, *THREE_OF_THEIRS) as here:
        writing = asyncio.create_task(here.write(200))
        for name in ["ours1", "theirs1", "theirs2", "ours2", "theirs3", "ours1"]:
            await here.make_lead(name)
        await writing
        assert len(await here.agree()) > 200
