"""Leaders die, and servers of either kind follow them."""

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


@pytest.mark.parametrize("pre_vote", ["-prevote=true", "-prevote=false"])
@pytest.mark.parametrize("names", [TWO_OF_OURS, TWO_OF_THEIRS], ids=["two-ours", "two-theirs"])
async def test_each_kind_of_three_is_elected_in_turn(
    tmp_path: Path, names: tuple[str, ...], pre_vote: str
) -> None:
    async with cluster(tmp_path, *names, their_flags=[pre_vote]) as here:
        for leader, heir in [("ours1", "theirs1"), ("theirs1", "ours1")]:
            await here.write(5)
            await here.make_succeed(leader, heir)
            await here.write(5)
            await here[leader].start()
            await here.agree()


@pytest.mark.parametrize(
    "names", [THREE_OF_OURS, THREE_OF_THEIRS], ids=["three-ours", "three-theirs"]
)
async def test_each_kind_of_five_is_elected_in_turn(tmp_path: Path, names: tuple[str, ...]) -> None:
    async with cluster(tmp_path, *names) as here:
        for leader, heirs in [
            ("ours1", ("theirs1", "theirs2")),
            ("theirs1", ("ours1", "ours2")),
        ]:
            await here.write(5)
            await here.make_succeed(leader, *heirs)
            await here.write(5)
            await here[leader].start()
            await here.agree()
