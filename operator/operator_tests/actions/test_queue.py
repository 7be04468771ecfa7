"""The work queue: waking, failing, ending."""

import asyncio
from collections.abc import Awaitable, Callable

from proconsul_operator.actions.queue import Item, Queue
from server_tests.virtual_time import VirtualTimeLoop

ITEM: Item = ("ProconsulCluster", "n", "c")


class TroubleError(Exception):
    """What the world does."""


class Bench:
    """A queue whose cycles answer what a test says, and the times at which they ran."""

    def __init__(self, *answers: float | Exception | None) -> None:
        self.answers = list(answers)
        self.ran_s: list[float] = []
        self.failures: list[int] = []
        self.longer_s = 0.0
        self.queue = Queue(self.cycle, self.failed, expected=(TroubleError,))

    async def cycle(self, item: Item) -> float | None:
        """The next answer."""
        self.ran_s.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def failed(self, item: Item, error: Exception, failures: int) -> float:
        """Counted."""
        self.failures.append(failures)
        return self.longer_s


def on_virtual_time(act: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await act()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


def test_a_cycle_comes_again_when_its_time_has_come_and_ends_with_its_object() -> None:
    async def act() -> None:
        bench = Bench(10.0, 20.0, None)
        bench.queue.wake(ITEM)
        await asyncio.sleep(100)
        first = bench.ran_s[0]
        assert [round(each - first) for each in bench.ran_s] == [0, 10, 30]
        assert len(bench.queue) == 0

    on_virtual_time(act)


def test_waking_often_is_waking_once_and_soon() -> None:
    async def act() -> None:
        bench = Bench(1000.0, 1000.0, None)
        bench.queue.wake(ITEM)
        await asyncio.sleep(5)
        for _ in range(9):
            bench.queue.wake(ITEM)
        await asyncio.sleep(5)
        assert len(bench.ran_s) == 2
        assert bench.ran_s[1] - bench.ran_s[0] < 6
        await bench.queue.close()

    on_virtual_time(act)


def test_failures_wait_longer_each_time_and_never_end_the_task() -> None:
    async def act() -> None:
        bench = Bench(
            *(TroubleError() for _ in range(8)), ValueError("ours"), 5.0, TroubleError(), None
        )
        bench.queue.wake(ITEM)
        await asyncio.sleep(2000)
        waits = [b - a for a, b in zip(bench.ran_s, bench.ran_s[1:], strict=False)]
        assert waits[:4] == sorted(waits[:4])
        assert max(waits) < 75
        assert bench.failures == [1, 2, 3, 4, 5, 6, 7, 8, 9, 1]
        assert len(bench.queue) == 0

    on_virtual_time(act)


def test_who_is_told_to_wait_longer_does() -> None:
    async def act() -> None:
        bench = Bench(TroubleError(), None)
        bench.longer_s = 42.0
        bench.queue.wake(ITEM)
        await asyncio.sleep(100)
        assert bench.ran_s[1] - bench.ran_s[0] >= 42

    on_virtual_time(act)


def test_who_is_gone_and_woken_again_is_looked_at_again() -> None:
    async def act() -> None:
        bench = Bench(None, None)
        bench.queue.wake(ITEM)
        await asyncio.sleep(1)
        bench.queue.wake(ITEM)
        await asyncio.sleep(1)
        assert len(bench.ran_s) == 2

    on_virtual_time(act)
