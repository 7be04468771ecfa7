"""`?cached`: which reads the agent's cache would know, and what it says of them.

Consul's agent keeps answers that clients ask with `?cached` and renews most of them in the
background, so that a hit is as new as the network allows. This agent is a server: reading anew
costs no network and is never older. So the cache remembers which questions were asked, not the
answers: an answer is always read anew, and what the headers say of it (HIT, its age) is true of
the background renewal too. Source: agent/cache/cache.go.
"""

from typing import Any

from msgspec.structs import replace

from proconsul.api.reading import read
from proconsul.api.surface import Api
from proconsul.model.query import QueryMeta, QueryOptions
from proconsul.wire.golang import SECOND, Duration
from proconsul.wire.gostruct import encode

Headers = tuple[tuple[str, str], ...]
MISS: Headers = (("X-Cache", "MISS"),)


async def read_renewed(api: Api, method: str, request: QueryOptions) -> tuple[Any, Headers]:
    """(answer, headers) of a read that the cache renews in the background."""
    if not request.use_cache:
        return await read(api, method, request), ()
    key = (method, encode(_question(request)))
    known = api.cached_reads.fetched_s(key, api.now_s()) is not None
    if known:
        answer: QueryMeta = await read(api, method, _at_once(request))
        if answer.index > request.min_query_index:
            return answer, _hit(int(api.out_of_touch_s(method, request)))
    answer = await read(api, method, request)
    api.cached_reads.keep(key, api.now_s())
    return answer, MISS


async def read_aging(api: Api, method: str, request: QueryOptions) -> tuple[Any, Headers]:
    """The same for a read that is not renewed: `Cache-Control` bounds its age."""
    if not request.use_cache:
        return await read(api, method, request), ()
    key = (method, encode(_question(request)))
    now_s = api.now_s()
    fetched_s = api.cached_reads.fetched_s(key, now_s)
    answer = await read(api, method, request)
    if fetched_s is not None and not request.must_revalidate:
        age_s = now_s - fetched_s
        if not request.max_age or age_s * SECOND <= request.max_age:
            return answer, _hit(int(age_s))
    api.cached_reads.keep(key, now_s)
    return answer, MISS


def _hit(age_s: int) -> Headers:
    return (("Age", str(age_s)), ("X-Cache", "HIT"))


def _at_once(request: QueryOptions) -> QueryOptions:
    return replace(request, min_query_index=0)


def _question(request: QueryOptions) -> QueryOptions:
    """The request without what only says how to answer it."""
    return replace(
        request,
        min_query_index=0,
        max_query_time=Duration(0),
        allow_stale=False,
        max_stale_duration=Duration(0),
        max_age=Duration(0),
        must_revalidate=False,
        stale_if_error=Duration(0),
    )
