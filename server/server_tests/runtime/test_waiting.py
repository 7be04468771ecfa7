"""Queries that wait: woken by what they read, by the clock, or by another state."""

import asyncio

from proconsul.endpoints.context import Woken
from proconsul.runtime.waiting import WaitingRoom
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
