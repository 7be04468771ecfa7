"""One timer for all who wait: each is called in its time, and who is gone is not kept."""

import asyncio
from dataclasses import dataclass
from typing import Self

from proconsul.runtime.query_deadlines import GONE_MIN, SLICE_LENGTH, QueryDeadlines


@dataclass(eq=False)
class Query:
    """One that waits."""

    until_s: float
    is_gone: bool = False

    def __lt__(self, other: Self) -> bool:
        return self.until_s < other.until_s


class Crowd:
    """Those who wait, and when each was called."""

    def __init__(self) -> None:
        self.waiting = 0
        self.called: list[tuple[Query, float]] = []
        self._loop = asyncio.get_running_loop()
        self.deadlines: QueryDeadlines[Query] = QueryDeadlines(
            self._loop.time, lambda: self.waiting, self._over
        )

    def wait(self, for_s: float) -> Query:
        """One more."""
        query = Query(self._loop.time() + for_s)
        self.waiting += 1
        self.deadlines.add(query)
        return query

    def leave(self, query: Query) -> None:
        """One that does not wait until its time."""
        query.is_gone = True
        self.waiting -= 1

    def _over(self, query: Query) -> None:
        assert not query.is_gone
        self.leave(query)
        self.called.append((query, self._loop.time()))


async def test_each_is_called_in_its_time_whatever_the_order_in_which_they_came() -> None:
    crowd = Crowd()
    queries = [crowd.wait(for_s) for for_s in (5, 1, 9, 1, 3)]
    await asyncio.sleep(20)
    assert [at_s for _, at_s in crowd.called] == [1, 1, 3, 5, 9]
    assert {query for query, _ in crowd.called} == set(queries)


async def test_who_is_gone_is_not_called() -> None:
    crowd = Crowd()
    first, second = crowd.wait(1), crowd.wait(2)
    crowd.leave(first)
    await asyncio.sleep(5)
    assert [query for query, _ in crowd.called] == [second]
    assert len(crowd.deadlines) == 0


async def test_those_who_are_gone_are_cleared_out_when_they_are_the_most() -> None:
    crowd = Crowd()
    for _ in range(10_000):
        crowd.leave(crowd.wait(300))
    assert len(crowd.deadlines) <= GONE_MIN + 2


async def test_many_at_one_moment_are_called_in_slices() -> None:
    crowd = Crowd()
    for _ in range(3 * SLICE_LENGTH):
        crowd.wait(1)
    asyncio.get_running_loop().call_at(1, lambda: seen.append(len(crowd.called)))
    seen: list[int] = []
    await asyncio.sleep(1.5)
    assert len(crowd.called) == 3 * SLICE_LENGTH
    assert seen[0] <= SLICE_LENGTH


async def test_one_that_waits_again_while_another_is_called_is_called_in_its_time() -> None:
    crowd = Crowd()
    crowd.wait(1)
    await asyncio.sleep(1)
    crowd.wait(0.5)
    crowd.wait(0.2)
    await asyncio.sleep(1)
    assert [round(at_s, 1) for _, at_s in crowd.called] == [1.0, 1.2, 1.5]
