"""Lines about requests and raft, in the words of the agent's log; tokens are never in them."""

import logging
import re
from collections.abc import Callable, Coroutine
from typing import Any

from proconsul.api.failure import HttpError
from proconsul.api.http import Handler, Request, Response
from proconsul.runtime.logs import LEVELS, logger
from proconsul.wire.golang import SECOND, format_duration

# In the query, however it is escaped, and in the paths of the old ACL API.
_TOKEN = re.compile(r"(?<=[?&]token=)[^&#]+|(?<=^/v1/acl/)((?:info|clone|destroy)/)[^/?]+")

_http = logger("http")


def raft_line(level: str, line: str) -> None:
    """A line of the raft driver."""
    logger("raft").log(LEVELS[level], "%s", line)


def log_failure(request: Request, failure: HttpError) -> None:
    """A request that was refused; that something is not there is no error of anybody's."""
    _http.log(
        logging.DEBUG if failure.status == 404 else logging.ERROR,
        'Request error: method=%s url=%s from=%s error="%s"',
        request.method,
        without_token(request.target),
        request.remote_address,
        failure.text,
    )


def without_token(target: str) -> str:
    """The target with tokens hidden."""
    return _TOKEN.sub(lambda found: f"{found[1] or ''}<hidden>", target)


def log_crash(request: Request, failure: Exception) -> None:
    """A handler that raised what it should not."""
    _http.error("a handler failed: %s %s", request.method, request.path, exc_info=failure)


def has_lines() -> bool:
    """Whether each answer of an endpoint has a line now."""
    return _http.isEnabledFor(logging.DEBUG)


def with_lines(handler: Handler, now_s: Callable[[], float]) -> Handler:
    """`handler`, with a line about each answer of an endpoint while the level is DEBUG."""

    def finished(request: Request, began_s: float, response: Response) -> Response:
        if response.is_endpoint:
            _http.debug(
                "Request finished: method=%s url=%s from=%s latency=%s",
                request.method,
                without_token(request.target),
                request.remote_address,
                format_duration(round((now_s() - began_s) * SECOND)),
            )
        return response

    async def waited_for(
        request: Request, began_s: float, coroutine: Coroutine[Any, Any, Response]
    ) -> Response:
        return finished(request, began_s, await coroutine)

    def handle(request: Request) -> Response | Coroutine[Any, Any, Response]:
        if not has_lines():
            return handler(request)
        began_s = now_s()
        answer = handler(request)
        if isinstance(answer, Response):
            return finished(request, began_s, answer)
        return waited_for(request, began_s, answer)

    return handle
