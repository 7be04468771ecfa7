"""From the pool's thread to the main loop."""

import asyncio
import threading
from functools import partial

from proconsul.runtime.gossip_courier import (
    TURN_MAX,
    WAITING_CHANGES_MAX,
    WAITING_MAX,
    Courier,
)


class Inbox:
    """A courier, and what it delivered."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.failures: list[Exception] = []
        self.courier = Courier(asyncio.get_running_loop(), self.failures.append)

    def post(self, number: int, *, is_change: bool = False) -> None:
        self.courier.post(partial(self.got.append, number), is_change=is_change)

    async def turn(self) -> None:
        """Let the loop make one more turn: all that it has begun is done then."""
        await asyncio.sleep(0)


async def test_what_another_thread_posts_comes_in_order() -> None:
    inbox = Inbox()

    def post() -> None:
        for number in range(5000):
            inbox.post(number)

    thread = threading.Thread(target=post)
    thread.start()
    await asyncio.to_thread(thread.join)
    async with asyncio.timeout(60):
        while len(inbox.got) < 5000:
            await inbox.turn()
    assert inbox.got == list(range(5000))


async def test_a_turn_of_the_loop_takes_a_bounded_number() -> None:
    inbox = Inbox()
    for number in range(3 * TURN_MAX):
        inbox.post(number)
    turns = []
    while len(inbox.got) < 3 * TURN_MAX:
        before = len(inbox.got)
        await inbox.turn()
        turns.append(len(inbox.got) - before)
    assert max(turns) == TURN_MAX


async def test_a_loop_that_is_held_loses_events_before_changes_and_says_how_many() -> None:
    inbox = Inbox()
    for number in range(WAITING_MAX + 5):
        inbox.post(number)
    inbox.post(-1, is_change=True)
    assert inbox.courier.take_left_out() == 5
    assert inbox.courier.take_left_out() == 0
    while len(inbox.got) < WAITING_MAX + 1:
        await inbox.turn()
    assert inbox.got == [*range(WAITING_MAX), -1]


async def test_even_changes_have_a_limit() -> None:
    inbox = Inbox()
    for number in range(WAITING_CHANGES_MAX + 3):
        inbox.post(number, is_change=True)
    assert inbox.courier.take_left_out() == 3


async def test_a_delivery_that_fails_keeps_none_back() -> None:
    inbox = Inbox()

    def fail() -> None:
        raise ValueError("a mistake of the one who listens")

    inbox.courier.post(fail)
    inbox.post(1)
    await inbox.turn()
    await inbox.turn()
    assert inbox.got == [1]
    assert [str(failure) for failure in inbox.failures] == ["a mistake of the one who listens"]


def test_a_loop_that_is_closed_hears_nothing_and_nobody_minds() -> None:
    got: list[int] = []

    async def make() -> Courier:
        return Courier(asyncio.get_running_loop(), lambda failure: None)

    courier = asyncio.run(make())
    courier.post(partial(got.append, 1))
    assert got == []
