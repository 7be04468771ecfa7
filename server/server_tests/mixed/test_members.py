"""Servers of one kind are added, promoted and removed by a leader of the other kind."""

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


@pytest.mark.parametrize(
    ("names", "leader", "newcomer"),
    [(TWO_OF_OURS, "ours1", "theirs2"), (TWO_OF_THEIRS, "theirs1", "ours2")],
    ids=["ours-adds-theirs", "theirs-adds-ours"],
)
async def test_a_newcomer_first_listens_then_votes_then_leads_and_removes(
    tmp_path: Path, names: tuple[str, ...], leader: str, newcomer: str
) -> None:
    async with cluster(tmp_path, *names, later=[newcomer]) as here:
        await here.write(5)
        where = here[newcomer].address
        await here.order(leader, "/addnonvoter", id=newcomer, addr=where)
        await here.members_are(*names, non_voters=[newcomer])
        await here.agree()

        # Its copy does not count: two of four, and only one of three voters.
        others = [name for name in names if name != leader]
        for name in others:
            here[name].kill()
        await here.write_in_vain(here[leader], 3)
        for name in others:
            await here[name].start()
        await here.agree()

        await here.order(leader, "/addvoter", id=newcomer, addr=where)
        await here.members_are(*names, newcomer)
        # Now it does: without it there would be two of four.
        here[others[0]].kill()
        await here.write(5)
        await here.make_lead(newcomer)
        await here.write(5)
        await here[others[0]].start()
        await here.agree()

        await here.order(newcomer, "/remove", id=leader)
        rest = [*others, newcomer]
        await here.members_are(*rest)
        await here.write(5)
        await here.agree(without=[leader])


@pytest.mark.parametrize("pre_vote", ["-prevote=true", "-prevote=false"])
@pytest.mark.parametrize(
    ("names", "leader", "removed"),
    [(THREE_OF_OURS, "ours1", "theirs1"), (THREE_OF_THEIRS, "theirs1", "ours1")],
    ids=["ours-removes-theirs", "theirs-removes-ours"],
)
async def test_a_server_that_does_not_know_it_was_removed_disturbs_nobody(
    tmp_path: Path, names: tuple[str, ...], leader: str, removed: str, pre_vote: str
) -> None:
    async with cluster(tmp_path, *names, their_flags=[pre_vote]) as here:
        await here.write(5)
        await here.caught_up(removed)
        here[removed].kill()
        await here.order(leader, "/remove", id=removed)
        rest = [name for name in names if name != removed]
        await here.members_are(*rest)
        term = await here[leader].number("term")
        await here[removed].start()
        await here.stands_for_election(removed)
        if not here[removed].is_ours and pre_vote == "-prevote=false":
            await here.until(removed, "term", term + 2)  # it may, nobody follows it there
            assert await here[leader].number("term") < await here[removed].number("term")
        await here.write(50)
        await here.agree(without=[removed])


@pytest.mark.parametrize(
    ("names", "leader"),
    [(TWO_OF_THEIRS, "ours1"), (TWO_OF_OURS, "theirs1")],
    ids=["ours", "theirs"],
)
async def test_a_leader_removes_itself(tmp_path: Path, names: tuple[str, ...], leader: str) -> None:
    async with cluster(tmp_path, *names) as here:
        await here.write(5)
        await here.order(leader, "/remove", id=leader)
        rest = [name for name in names if name != leader]
        await here.leader(among=rest)
        await here.members_are(*rest)
        await here.write(5)
        await here.agree(without=[leader])
