"""Calls that read: what their failures carry, and how fresh their answers are said to be.

Consul's handlers set the X-Consul headers of a read also when the call behind it fails, from an
empty answer; clients may see an index of 1 then.
"""

from collections.abc import Awaitable
from typing import Any, TypeVar

from msgspec.structs import replace

from proconsul.api.failure import HttpError, failure_of
from proconsul.api.reply import meta_headers
from proconsul.api.surface import Api
from proconsul.errors import ProconsulError
from proconsul.model.query import QueryMeta, QueryOptions
from proconsul.wire.golang import Duration

M = TypeVar("M", bound=QueryMeta)

_NO_ANSWER = QueryMeta()


async def read(api: Api, method: str, request: QueryOptions) -> Any:
    """The reply of a call that reads; a failure of it carries the headers of no answer."""
    try:
        return await ask(api, method, request)
    except ProconsulError as failure:
        error = failure_of(failure)
        raise HttpError(
            error.status, error.text, (*error.headers, *meta_headers(_NO_ANSWER))
        ) from failure


def ask(api: Api, method: str, request: QueryOptions) -> Awaitable[Any]:
    """The same with the failure as it is.

    An answer that is older than `?max_stale` allows is asked for again, at the leader.
    """
    if request.allow_stale and request.max_stale_duration > 0:
        return _ask_for_fresh(api, method, request)
    return api.call(method, request)  # no coroutine of its own, which would take its time


async def _ask_for_fresh(api: Api, method: str, request: QueryOptions) -> Any:
    answer = await api.call(method, request)
    if getattr(answer, "last_contact", 0) <= request.max_stale_duration:
        return answer
    fresh = replace(request, allow_stale=False, max_stale_duration=Duration(0))
    return await api.call(method, fresh)


def with_level(answer: M, request: QueryOptions) -> M:
    """The answer with the consistency that was asked for."""
    if request.require_consistent:
        level = "consistent"
    elif request.allow_stale:
        level = "stale"
    else:
        level = "leader"
    return replace(answer, consistency_level=level)
