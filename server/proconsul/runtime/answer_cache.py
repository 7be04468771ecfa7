"""`?cached` on a client agent: answers that are kept, and renewed in the background.

A kept answer costs no server anything, and is there while no server is. Each is renewed by a
blocking query of its own, so that it is as new as the network allows; it is forgotten when nobody
has asked for it for three days. What is not renewed (the datacenters) only ages. What the HTTP
headers say of an answer is decided in api/cached_reads.py. After Consul's agent/cache/cache.go;
there nothing limits how many answers are kept.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from proconsul.errors import ProconsulError
from proconsul.local.pacing import Die, share
from proconsul.model.query import QueryMeta, QueryOptions
from proconsul.runtime.logs import logger
from proconsul.wire.golang import SECOND, Duration
from proconsul.wire.gostruct import encode

RENEWED = frozenset({"Catalog.ListServices", "Catalog.ServiceNodes", "Health.ServiceNodes"})
AGING = frozenset({"Catalog.ListDatacenters"})
ENTRIES_MAX = 1024  # each of them is a query that waits at a server
KEPT_S = 72 * 3600.0
ROUND_S = 600.0  # of one blocking query; also how long a reader waits that names no time
RETRIES_AT_ONCE = 3
PAUSE_S_MAX = 60.0  # between two attempts that fail
SAME_AGAIN_S = 1.0  # to wait if a server answers at once, and nothing new

Call = Callable[[str, Any], Awaitable[Any]]
Key = tuple[str, bytes]

log = logger("cache")


class _Entry(Struct, eq=False):
    """An answer; `changed` is set, and replaced, with each news of it."""

    used_s: float
    answer: QueryMeta | None = None
    failure: ProconsulError | None = None  # of the last attempt
    lost_s: float = 0.0  # when the first of the attempts failed that have failed since the answer
    is_gone: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    renewing: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """Wake who waits for news."""
        self.changed.set()
        self.changed = asyncio.Event()


class AnswerCache:
    """Calls like any other, but for those that ask with `use_cache`."""

    def __init__(self, call: Call, die: Die) -> None:
        """`call` asks a server."""
        self._call = call
        self._die = die
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._aging: OrderedDict[Key, tuple[Any, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def call(self, method: str, request: Any) -> Any:
        """The reply, kept or fresh. Raises ProconsulError."""
        if isinstance(request, QueryOptions) and request.use_cache:
            if method in RENEWED:
                return await self._kept(method, request)
            if method in AGING:
                return await self._aged(method, request)
        return await self._call(method, request)

    def out_of_touch_s(self, method: str, request: QueryOptions) -> float:
        """For how long a kept answer could not be renewed; 0 for one that is up to date."""
        entry = self._entries.get(_key(method, request))
        if entry is None or entry.failure is None:
            return 0.0
        return _now_s() - entry.lost_s

    async def stop(self) -> None:
        """Renew nothing more."""
        tasks = [entry.renewing for entry in self._entries.values() if entry.renewing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------ reading

    async def _kept(self, method: str, request: QueryOptions) -> Any:
        entry = self._entry(method, request)
        entry.used_s = _now_s()
        until_s = _now_s() + (request.max_query_time / SECOND or ROUND_S)
        while not entry.is_gone:
            if entry.answer is not None and entry.answer.index > request.min_query_index:
                return entry.answer
            if entry.answer is not None and entry.failure is not None:
                raise entry.failure  # who waits for news is told at once that there are none
            if not await _news(entry, until_s) and entry.answer is not None:
                return entry.answer
        if entry.failure is not None:
            raise entry.failure
        return await self._call(method, request)  # others have taken its place

    def _entry(self, method: str, request: QueryOptions) -> _Entry:
        key = _key(method, request)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(_now_s())
            entry.renewing = asyncio.create_task(self._renew(method, question(request), entry))
            entry.renewing.add_done_callback(lambda task: self._ended(key, task))
            if len(self._entries) > ENTRIES_MAX:
                self._forget(next(iter(self._entries)))
        self._entries.move_to_end(key)
        return entry

    async def _aged(self, method: str, request: QueryOptions) -> Any:
        key = _key(method, request)
        known = self._aging.get(key)
        if known is not None and not request.must_revalidate:
            age_s = _now_s() - known[1]
            if not request.max_age or age_s * SECOND <= request.max_age:
                return known[0]
        answer = await self._call(method, request)
        self._aging[key] = (answer, _now_s())
        self._aging.move_to_end(key)
        if len(self._aging) > ENTRIES_MAX:
            self._aging.popitem(last=False)
        return answer

    # ------------------------------------------------------------ renewing

    async def _renew(self, method: str, asked: QueryOptions, entry: _Entry) -> None:
        """Until nobody wants it any more; at once over if there never was an answer."""
        failures = 0
        while _now_s() - entry.used_s < KEPT_S:
            began_s = _now_s()
            index = 0 if entry.answer is None else max(entry.answer.index, 1)
            try:
                answer: QueryMeta = await self._call(method, replace(asked, min_query_index=index))
            except ProconsulError as failure:
                failures += 1
                if entry.failure is None:
                    entry.lost_s = _now_s()
                entry.failure = failure
                entry.tell()
                if entry.answer is None:
                    return
                await asyncio.sleep(self._pause_s(failures))
                continue
            failures, entry.failure, entry.answer = 0, None, answer
            entry.tell()
            if answer.index == index and _now_s() - began_s < SAME_AGAIN_S:
                await asyncio.sleep(SAME_AGAIN_S)

    def _pause_s(self, failures: int) -> float:
        doublings = failures - RETRIES_AT_ONCE
        if doublings <= 0:
            return 0.0
        return min(2.0 ** min(doublings, 16), PAUSE_S_MAX) * (1 + share(self._die))

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        entry = self._entries.get(key)
        if entry is not None and entry.renewing is task:
            self._forget(key)
        if not task.cancelled() and task.exception() is not None:
            log.error("an answer is not renewed any more", exc_info=task.exception())

    def _forget(self, key: Key) -> None:
        entry = self._entries.pop(key)
        entry.is_gone = True
        entry.tell()
        assert entry.renewing is not None, "made with its task"
        entry.renewing.cancel()


def question(request: QueryOptions) -> QueryOptions:
    """What is asked, in the form in which the cache itself asks it: of any server, patiently."""
    return replace(
        request,
        min_query_index=0,
        max_query_time=Duration(round(ROUND_S * SECOND)),
        allow_stale=True,
        require_consistent=False,
        use_cache=False,
        max_stale_duration=Duration(0),
        max_age=Duration(0),
        must_revalidate=False,
        stale_if_error=Duration(0),
    )


def _key(method: str, request: QueryOptions) -> Key:
    return method, encode(question(request))


async def _news(entry: _Entry, until_s: float) -> bool:
    """Wait for some; False if the time is over first. The first answer is waited for anyway."""
    changed = entry.changed
    try:
        async with asyncio.timeout_at(until_s if entry.answer is not None else None):
            await changed.wait()
    except TimeoutError:
        return False
    return True


def _now_s() -> float:
    return asyncio.get_running_loop().time()
