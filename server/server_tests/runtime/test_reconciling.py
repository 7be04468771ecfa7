"""A leader among very many members. What it does with each is in test_leader_members.py."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import suppress

from proconsul.leader.pool import LanMember, PoolMember, ServerMember, Status
from proconsul.runtime.reconciling import LOOKED_AT_MAX, Reconciling
from server_tests.runtime.leader_world import MEMBER, leader

MEMBERS = 10 * LOOKED_AT_MAX


class Counted(list[LanMember]):
    """Counts who was looked at."""

    taken = 0

    def __iter__(self) -> Iterator[LanMember]:
        for member in super().__iter__():
            self.taken += 1
            yield member


class Crowd:
    """A pool of very many that have failed, of whom the catalog knows nothing."""

    def __init__(self) -> None:
        self.looked_at = Counted(
            LanMember(
                node=f"n{number}",
                node_id="",
                address="10.0.0.1",
                status=Status.FAILED,
                server=None,
            )
            for number in range(MEMBERS)
        )

    def members(self) -> list[PoolMember]:
        return []

    def agents(self) -> list[LanMember]:
        return self.looked_at

    def force_out(self, node: str) -> None:
        pass


async def test_between_so_many_members_all_else_has_its_turn() -> None:
    crowd = Crowd()

    async def no_peers(server: ServerMember) -> list[str]:
        return []

    async with leader() as one:
        reconciling = Reconciling(
            one.context, one.life.driver, MEMBER, crowd, no_peers, lambda: None
        )
        running = asyncio.ensure_future(reconciling.run())
        turns = [0]
        while crowd.looked_at.taken < MEMBERS:
            await asyncio.sleep(0)
            turns.append(crowd.looked_at.taken)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert max(after - before for before, after in itertools.pairwise(turns)) == LOOKED_AT_MAX
