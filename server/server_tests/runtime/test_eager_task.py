"""An eager task behaves as asyncio's do, but for beginning at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from proconsul.runtime.eager_task import EagerTask


class Ran:
    """A task that was started, and how it ended."""

    def __init__(self, coroutine: Coroutine[Any, Any, str]) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self.task = EagerTask(asyncio.get_running_loop(), coroutine, self._note)
        # Not inside the current task, but where protocols are called from.
        asyncio.get_running_loop().call_soon(self.task.start)

    def _note(self, result: str | None, error: BaseException | None) -> None:
        self.ended.set_result((result, error))

    async def outcome(self) -> tuple[str | None, BaseException | None]:
        """Its result or its exception."""
        result, error = await self.ended
        return result, error


async def test_a_coroutine_that_never_waits_ends_inside_start() -> None:
    outcomes: list[tuple[str | None, BaseException | None]] = []

    async def quick() -> str:
        return "quick"

    def start() -> None:
        task = EagerTask(
            asyncio.get_running_loop(), quick(), lambda *outcome: outcomes.append(outcome)
        )
        task.start()
        assert task.done()
        assert not task.cancel()
        assert outcomes == [("quick", None)]
        started.set()

    started = asyncio.Event()
    asyncio.get_running_loop().call_soon(start)
    await started.wait()


async def test_results_and_exceptions_of_what_it_waits_for_arrive() -> None:
    async def waits() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(1)
        try:
            await asyncio.wait_for(asyncio.sleep(10), 1)
        except TimeoutError:
            return "late"
        raise AssertionError("ten seconds do not pass in one")

    assert await Ran(waits()).outcome() == ("late", None)

    async def fails() -> str:
        await asyncio.sleep(1)
        raise KeyError("x")

    result, error = await Ran(fails()).outcome()
    assert result is None
    assert isinstance(error, KeyError)


async def test_it_is_the_current_task_while_it_steps_and_only_then() -> None:
    seen: list[object] = []

    async def looks() -> str:
        seen.append(asyncio.current_task())
        await asyncio.sleep(1)
        seen.append(asyncio.current_task())
        return ""

    ran = Ran(looks())
    me = asyncio.current_task()
    await asyncio.sleep(0.5)
    assert asyncio.current_task() is me
    await ran.outcome()
    assert seen == [ran.task, ran.task]
    assert ran.task.get_name().endswith("looks")


@pytest.mark.parametrize("delay_s", [0, 0.5])
async def test_cancelling_raises_where_it_waits(delay_s: float) -> None:
    cleaned: list[str] = []

    async def waits() -> str:
        try:
            await asyncio.sleep(10)
        finally:
            cleaned.append("up")
        return "never"

    ran = Ran(waits())
    await asyncio.sleep(delay_s or 0.001)
    assert ran.task.cancel()
    _, error = await ran.outcome()
    assert isinstance(error, asyncio.CancelledError)
    assert cleaned == ["up"]


async def test_a_cancelled_one_may_still_finish_its_work() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "done"

    ran = Ran(stubborn())
    await asyncio.sleep(1)
    ran.task.cancel()
    assert await ran.outcome() == ("done", None)


async def test_timeouts_inside_do_not_look_like_a_cancellation_from_outside() -> None:
    async def nested() -> str:
        try:
            async with asyncio.timeout(1):
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio.sleep(10))
        except TimeoutError:
            current = asyncio.current_task()
            assert current is not None
            return f"{current.cancelling()} pending"
        raise AssertionError("the timeout comes first")

    assert await Ran(nested()).outcome() == ("0 pending", None)


async def test_a_failing_child_fails_its_group_and_nothing_more() -> None:
    async def child() -> None:
        await asyncio.sleep(1)
        raise ValueError("child")

    async def parent() -> str:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                group.create_task(asyncio.sleep(10))
                await asyncio.sleep(10)
        except* ValueError:
            pass
        await asyncio.sleep(1)
        return "alive"

    assert await Ran(parent()).outcome() == ("alive", None)
