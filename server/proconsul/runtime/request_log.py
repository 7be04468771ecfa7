"""Lines about requests and raft, in the words of the agent's log; tokens are never in them."""

import logging

from proconsul.api.failure import HttpError
from proconsul.api.http import Request
from proconsul.runtime.logs import LEVELS, logger


def raft_line(level: str, line: str) -> None:
    """A line of the raft driver."""
    logger("raft").log(LEVELS[level], "%s", line)


def log_failure(request: Request, failure: HttpError) -> None:
    """A request that was refused."""
    level = logging.DEBUG if failure.status in (404, 405) else logging.ERROR
    logger("http").log(
        level,
        "request error: method=%s url=%s from=%s error=%s",
        request.method,
        _without_token(request),
        request.remote_address,
        failure.text,
    )


def _without_token(request: Request) -> str:
    """The target with tokens hidden."""
    target = request.target
    if request.raw_query and request.query.has("token"):
        for token in request.query.all("token"):
            target = target.replace(token, "<hidden>") if token else target
    return target


def log_crash(request: Request, failure: Exception) -> None:
    """A handler that raised what it should not."""
    logger("http").error("a handler failed: %s %s", request.method, request.path, exc_info=failure)
