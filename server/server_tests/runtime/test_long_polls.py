"""Who waits when the process ends is answered; everybody else does not notice."""

import asyncio

from proconsul.api.http import Request, Response
from proconsul.runtime.long_polls import LongPolls


class Slow:
    """A handler that waits until it is told; and what became of its requests."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.cancelled = 0

    async def handle(self, request: Request) -> Response:
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Response.text(200, request.path)


def asked(polls: LongPolls, target: str) -> "asyncio.Future[Response]":
    answer = polls.handle(Request("GET", target))
    assert not isinstance(answer, Response)
    return asyncio.ensure_future(answer)


async def test_a_blocking_query_is_told_to_go_elsewhere_and_its_work_is_given_up() -> None:
    slow = Slow()
    polls = LongPolls(slow.handle)
    waiting = [asked(polls, "/v1/kv/a?index=4"), asked(polls, "/v1/kv/b?wait=5m&index=4")]
    await asyncio.sleep(1)
    assert not any(one.done() for one in waiting)
    polls.end()
    polls.end()
    assert [(await one).status for one in waiting] == [503, 503]
    assert slow.cancelled == 2
    assert (await asked(polls, "/v1/kv/c?index=4")).status == 503


async def test_a_query_that_finds_something_is_answered_as_ever() -> None:
    slow = Slow()
    polls = LongPolls(slow.handle)
    waiting = asked(polls, "/v1/kv/a?index=4")
    await asyncio.sleep(1)
    slow.go_on.set()
    assert (await waiting).status == 200


async def test_what_does_not_wait_is_left_to_its_end() -> None:
    slow = Slow()
    polls = LongPolls(slow.handle)
    write = asked(polls, "/v1/kv/a")
    polls.end()
    await asyncio.sleep(1)
    assert not write.done()
    slow.go_on.set()
    assert (await write).status == 200


async def test_a_client_that_goes_takes_its_query_with_it() -> None:
    slow = Slow()
    waiting = asked(LongPolls(slow.handle), "/v1/kv/a?index=4")
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert slow.cancelled == 1


async def test_a_failure_is_the_handlers_own() -> None:
    async def fails(request: Request) -> Response:
        raise ValueError(request.path)

    polls = LongPolls(fails)
    waiting = asked(polls, "/v1/kv/a?index=4")
    await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), ValueError)


async def test_who_has_an_answer_of_its_own_at_the_end_gives_it_and_goes_on() -> None:
    async def stubborn(request: Request) -> Response:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return Response.text(200, request.path)
        raise AssertionError("nobody sets it")

    polls = LongPolls(stubborn)
    waiting = asked(polls, "/v1/kv/a?index=4")
    await asyncio.sleep(1)
    polls.end()
    assert (await waiting).status == 200


async def test_a_task_that_was_told_of_the_end_can_wait_again() -> None:
    slow = Slow()
    polls = LongPolls(slow.handle)

    async def connection() -> int:
        answer = polls.handle(Request("GET", "/v1/kv/a?index=4"))
        assert not isinstance(answer, Response)
        status = (await answer).status
        await asyncio.sleep(1)  # as it sends that answer
        return status

    task = asyncio.ensure_future(connection())
    await asyncio.sleep(1)
    polls.end()
    assert await task == 503
    assert task.cancelling() == 0


async def test_a_client_that_goes_at_the_end_is_gone() -> None:
    slow = Slow()
    polls = LongPolls(slow.handle)
    waiting = asked(polls, "/v1/kv/a?index=4")
    await asyncio.sleep(1)
    polls.end()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert slow.cancelled == 1
