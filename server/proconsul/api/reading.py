"""Calls that read: what their failures carry, and how fresh their answers are said to be.

Consul's handlers set the X-Consul headers of a read also when the call behind it fails, from an
empty answer; clients may see an index of 1 then.
"""

from typing import Any, TypeVar

from msgspec.structs import replace

from proconsul.api.failure import HttpError, failure_of
from proconsul.api.reply import meta_headers
from proconsul.api.surface import Api
from proconsul.errors import ProconsulError
from proconsul.model.query import QueryMeta, QueryOptions

M = TypeVar("M", bound=QueryMeta)

_NO_ANSWER = QueryMeta()


async def read(api: Api, method: str, request: QueryOptions) -> Any:
    """The reply of a call that reads; a failure of it carries the headers of no answer."""
    try:
        return await api.call(method, request)
    except ProconsulError as failure:
        error = failure_of(failure)
        raise HttpError(
            error.status, error.text, (*error.headers, *meta_headers(_NO_ANSWER))
        ) from failure


def with_level(answer: M, request: QueryOptions) -> M:
    """The answer with the consistency that was asked for."""
    if request.require_consistent:
        level = "consistent"
    elif request.allow_stale:
        level = "stale"
    else:
        level = "leader"
    return replace(answer, consistency_level=level)
