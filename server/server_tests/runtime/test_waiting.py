"""Queries that wait: woken by what they read, by the clock, or by another state."""

import asyncio

from proconsul.endpoints.context import Woken
from proconsul.runtime.waiting import SLICE_LENGTH, WaitingRoom
from proconsul.store.watch import Watchers, WatchSet


def reading(key: bytes) -> WatchSet:
    watch = WatchSet()
    watch.exact("kvs", key)
    return watch


async def test_a_change_of_what_was_read_wakes_and_another_does_not() -> None:
    watchers = Watchers()
    room = WaitingRoom(watchers)
    waiting = asyncio.ensure_future(room.wait(reading(b"a"), 60))
    await asyncio.sleep(1)
    watchers.fire([("kvs", b"b")])
    await asyncio.sleep(1)
    assert not waiting.done()
    watchers.fire([("kvs", b"a")])
    assert await waiting is Woken.CHANGED
    assert len(room) == 0


async def test_time_over_is_told_at_the_time() -> None:
    room = WaitingRoom(Watchers())
    began_s = asyncio.get_running_loop().time()
    assert await room.wait(reading(b"a"), 60) is Woken.TIMEOUT
    assert 60 <= asyncio.get_running_loop().time() - began_s < 61
    assert len(room) == 0


async def test_no_patience_is_no_wait() -> None:
    room = WaitingRoom(Watchers())
    assert await room.wait(reading(b"a"), 0) is Woken.TIMEOUT


async def test_another_state_wakes_everybody_and_says_so() -> None:
    watchers = Watchers()
    room = WaitingRoom(watchers)
    waiting = [asyncio.ensure_future(room.wait(reading(b"%d" % key), 60)) for key in range(3)]
    await asyncio.sleep(1)
    room.state_replaced()
    watchers.abandon()
    assert await asyncio.gather(*waiting) == [Woken.ABANDONED] * 3


async def test_who_waits_again_after_that_waits_as_ever() -> None:
    watchers = Watchers()
    room = WaitingRoom(watchers)
    room.state_replaced()
    watchers.abandon()
    waiting = asyncio.ensure_future(room.wait(reading(b"a"), 60))
    await asyncio.sleep(1)
    watchers.fire([("kvs", b"a")])
    assert await waiting is Woken.CHANGED


async def test_a_client_that_goes_is_forgotten_at_once() -> None:
    room = WaitingRoom(Watchers())
    waiting = asyncio.ensure_future(room.wait(reading(b"a"), 60))
    await asyncio.sleep(1)
    assert len(room) == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    assert len(room) == 0


async def test_the_writer_goes_on_first_and_those_who_wait_are_woken_in_slices() -> None:
    watchers = Watchers()
    room = WaitingRoom(watchers)
    order: list[str] = []

    async def query() -> None:
        assert await room.wait(reading(b"a"), 60) is Woken.CHANGED
        order.append("query")

    async def other() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        order.append("other")

    async def write(done: "asyncio.Future[None]") -> None:
        await done
        order.append("writer")

    written = asyncio.get_running_loop().create_future()
    waiting = [asyncio.ensure_future(query()) for _ in range(10 * SLICE_LENGTH)]
    writing = asyncio.ensure_future(write(written))
    await asyncio.sleep(1)
    watchers.fire([("kvs", b"a")])
    written.set_result(None)
    await asyncio.gather(*waiting, writing, other())
    assert order[0] == "writer"
    assert order.index("other") < len(order) - SLICE_LENGTH


async def test_a_change_at_the_end_of_the_time_is_a_change() -> None:
    watchers = Watchers()
    room = WaitingRoom(watchers)
    loop = asyncio.get_running_loop()
    waiting = asyncio.ensure_future(room.wait(reading(b"a"), 60))
    await asyncio.sleep(0)
    loop.call_at(loop.time() + 60 - 1e-9, watchers.fire, [("kvs", b"a")])
    assert await waiting is Woken.CHANGED


async def test_a_client_that_goes_between_the_change_and_the_news_hears_nothing() -> None:
    watchers = Watchers()
    room = WaitingRoom(watchers)
    waiting = [asyncio.ensure_future(room.wait(reading(b"a"), 60)) for _ in range(2)]
    await asyncio.sleep(1)
    watchers.fire([("kvs", b"a")])
    waiting[0].cancel()
    await asyncio.wait(waiting)
    assert waiting[0].cancelled()
    assert waiting[1].result() is Woken.CHANGED
