"""`?cached` on a client agent: what is kept, renewed, waited for and forgotten."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from proconsul.errors import ProconsulError, RpcError
from proconsul.model.catalog import IndexedServices
from proconsul.model.query import DatacentersRequest, DCSpecificRequest, QueryOptions
from proconsul.runtime.answer_cache import ENTRIES_MAX, AnswerCache
from proconsul.wire.golang import SECOND, Duration

SERVICES = "Catalog.ListServices"
DATACENTERS = "Catalog.ListDatacenters"
ASKED = DCSpecificRequest(datacenter="dc1", use_cache=True)
NAMES = DatacentersRequest(use_cache=True)
DAY_S = 24 * 3600.0


class Servers:
    """Servers with one index for everything, whose blocking queries wait for the next."""

    def __init__(self) -> None:
        self.index = 10
        self.failure: ProconsulError | None = None
        self.blocks = True
        self.asked: list[tuple[float, QueryOptions]] = []
        self._changed = asyncio.Event()

    def change(self, index: int | None = None) -> None:
        """Something new."""
        self.index = self.index + 1 if index is None else index
        self._wake()

    def fail(self, failure: ProconsulError | None) -> None:
        """From now on, and all that wait; None: all is well again."""
        self.failure = failure
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def call(self, method: str, request: Any) -> Any:
        self.asked.append((now_s(), request))
        if self.failure is not None:
            raise self.failure
        if method == DATACENTERS:
            return [f"dc{self.index}"]
        if self.blocks and request.min_query_index >= self.index:
            try:
                async with asyncio.timeout(request.max_query_time / SECOND):
                    await self._changed.wait()
            except TimeoutError:
                pass
        if self.failure is not None:
            raise self.failure
        return IndexedServices(index=self.index)

    @property
    def times_s(self) -> list[float]:
        """When they were asked."""
        return [at_s for at_s, _ in self.asked]


@asynccontextmanager
async def cache_of(servers: Servers) -> AsyncIterator[AnswerCache]:
    cache = AnswerCache(servers.call, lambda sides: 0)
    try:
        yield cache
    finally:
        await cache.stop()


def now_s() -> float:
    return asyncio.get_running_loop().time()


def waiting(index: int, wait_s: float = 60.0) -> DCSpecificRequest:
    return replace(ASKED, min_query_index=index, max_query_time=Duration(round(wait_s * SECOND)))


async def error_of(asked: Any) -> ProconsulError:
    with pytest.raises(ProconsulError) as raised:
        await asked
    return raised.value


async def test_who_does_not_want_the_cache_asks_a_server() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        for _ in range(2):
            await cache.call(SERVICES, DCSpecificRequest(datacenter="dc1"))
        await cache.call("KVS.Get", ASKED)  # the cache knows nothing of keys
        assert len(servers.asked) == 3
        assert len(cache) == 0


async def test_an_answer_is_kept_and_is_as_new_as_its_background_query() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        assert (await cache.call(SERVICES, ASKED)).index == 10
        for _ in range(5):
            assert (await cache.call(SERVICES, ASKED)).index == 10
        await asyncio.sleep(1)
        assert len(servers.asked) == 2  # the first one, and one that waits
        servers.change()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (await cache.call(SERVICES, ASKED)).index == 11


async def test_the_cache_asks_any_server_and_waits_patiently() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        await cache.call(SERVICES, ASKED)
        await asyncio.sleep(1500)
        first, *later = [request for _, request in servers.asked]
        assert (first.min_query_index, first.allow_stale, first.use_cache) == (0, True, False)
        assert [request.min_query_index for request in later] == [10, 10, 10]
        assert servers.times_s == pytest.approx([0, 0, 600, 1200])


async def test_readers_that_come_together_are_one_question() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        found = await asyncio.gather(*(cache.call(SERVICES, ASKED) for _ in range(10)))
        assert {one.index for one in found} == {10}
        assert len([one for _, one in servers.asked if not one.min_query_index]) == 1


async def test_other_tokens_and_filters_are_other_questions() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        for request in (ASKED, replace(ASKED, token="t"), replace(ASKED, filter="f")):
            await cache.call(SERVICES, request)
        # How it is to be answered makes no other question.
        await cache.call(SERVICES, replace(ASKED, max_age=Duration(1), allow_stale=True))
        assert len(cache) == 3


async def test_who_gives_an_index_waits_for_the_next() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        reading = asyncio.ensure_future(cache.call(SERVICES, waiting(10)))
        await asyncio.sleep(30)
        assert not reading.done()
        servers.change()
        assert (await reading).index == 11
        assert now_s() == pytest.approx(30)
        assert (await cache.call(SERVICES, waiting(11, wait_s=5))).index == 11
        assert now_s() == pytest.approx(35)


async def test_an_answer_outlives_the_servers_and_tells_for_how_long() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        await cache.call(SERVICES, ASKED)
        await asyncio.sleep(100)
        assert cache.out_of_touch_s(SERVICES, ASKED) == 0
        servers.fail(RpcError("No known Consul servers"))
        await asyncio.sleep(50)
        assert (await cache.call(SERVICES, ASKED)).index == 10
        assert cache.out_of_touch_s(SERVICES, ASKED) == pytest.approx(50)
        servers.change()
        servers.fail(None)
        await asyncio.sleep(60)
        assert (await cache.call(SERVICES, ASKED)).index == 11
        assert cache.out_of_touch_s(SERVICES, ASKED) == 0


async def test_who_waits_for_news_is_told_when_there_can_be_none() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        reading = asyncio.ensure_future(cache.call(SERVICES, waiting(10)))
        await asyncio.sleep(1)
        servers.fail(RpcError("gone"))
        assert str(await error_of(reading)) == "gone"
        assert str(await error_of(cache.call(SERVICES, waiting(10)))) == "gone"
        assert now_s() == pytest.approx(1)


async def test_attempts_become_rare() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        await cache.call(SERVICES, ASKED)
        servers.fail(RpcError("gone"))
        await asyncio.sleep(250)
        assert servers.times_s == pytest.approx(
            [0, 0, 0, 0, 0, 2, 6, 14, 30, 62, 122, 182, 242], abs=0.01
        )


async def test_without_a_first_answer_nothing_is_kept() -> None:
    servers = Servers()
    servers.fail(RpcError("gone"))
    async with cache_of(servers) as cache:
        for _ in range(2):
            assert str(await error_of(cache.call(SERVICES, ASKED))) == "gone"
        await asyncio.sleep(0)
        assert len(cache) == 0
        servers.fail(None)
        assert (await cache.call(SERVICES, ASKED)).index == 10


async def test_a_server_that_does_not_wait_is_not_asked_without_end() -> None:
    servers = Servers()
    servers.blocks = False
    async with cache_of(servers) as cache:
        await cache.call(SERVICES, ASKED)
        await asyncio.sleep(10)
        assert len(servers.asked) == pytest.approx(11, abs=1)


async def test_an_index_that_goes_back_is_followed() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        await cache.call(SERVICES, ASKED)
        await asyncio.sleep(1)
        servers.change(3)  # a snapshot was restored
        await asyncio.sleep(1)
        assert (await cache.call(SERVICES, ASKED)).index == 3
        servers.change()
        await asyncio.sleep(1)
        assert (await cache.call(SERVICES, ASKED)).index == 4


async def test_what_nobody_asks_for_is_forgotten() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        await cache.call(SERVICES, ASKED)
        await cache.call(SERVICES, replace(ASKED, filter="f"))
        await asyncio.sleep(2 * DAY_S)
        await cache.call(SERVICES, ASKED)
        await asyncio.sleep(2 * DAY_S)
        assert len(cache) == 1
        asked_before = len(servers.asked)
        await asyncio.sleep(3600)
        assert len(servers.asked) == asked_before + 6  # of the one that is left


async def test_only_so_many_answers_are_kept() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        evicted = replace(waiting(10), filter="0")
        reading = asyncio.ensure_future(cache.call(SERVICES, evicted))
        await asyncio.sleep(1)
        for number in range(1, ENTRIES_MAX + 1):
            await cache.call(SERVICES, replace(ASKED, filter=str(number)))
        assert len(cache) == ENTRIES_MAX
        await asyncio.sleep(1)
        assert not reading.done()  # it asks a server by itself now
        servers.change()
        assert (await reading).index == 11


async def test_what_only_ages_is_asked_again_when_it_is_too_old() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        assert await cache.call(DATACENTERS, NAMES) == ["dc10"]
        servers.change()
        await asyncio.sleep(30)
        assert await cache.call(DATACENTERS, NAMES) == ["dc10"]
        young = replace(NAMES, max_age=Duration(30 * SECOND))
        assert await cache.call(DATACENTERS, young) == ["dc10"]
        await asyncio.sleep(1)
        assert await cache.call(DATACENTERS, young) == ["dc11"]
        servers.change()
        assert await cache.call(DATACENTERS, NAMES) == ["dc11"]
        assert await cache.call(DATACENTERS, replace(NAMES, must_revalidate=True)) == ["dc12"]
        servers.fail(RpcError("gone"))
        assert await cache.call(DATACENTERS, NAMES) == ["dc12"]
        assert str(await error_of(cache.call(DATACENTERS, replace(NAMES, must_revalidate=True))))


async def test_tokens_cannot_fill_the_memory() -> None:
    servers = Servers()
    async with cache_of(servers) as cache:
        for number in range(ENTRIES_MAX + 1):
            await cache.call(DATACENTERS, replace(NAMES, token=str(number)))
        servers.change()
        assert await cache.call(DATACENTERS, replace(NAMES, token="1")) == ["dc10"]
        assert await cache.call(DATACENTERS, replace(NAMES, token="0")) == ["dc11"]
