"""Blocking queries at the end of the process: answered, instead of cut off.

A client that waits for a change hears 503 and asks another server; one that was cut off cannot
know whether it ever will. Only requests with an `?index` are looked after: all others are done
within the moment that the end gives them.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from proconsul.api.http import Handler, Request, Response

MESSAGE = "this agent is about to end: ask another one"


class LongPolls:
    """Between a listener and the API."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """Answer all that wait now, and those that come."""
        if not self._ending.done():
            self._ending.set_result(None)

    def handle(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        """What the listener calls."""
        answer = self._handler(request)
        if isinstance(answer, Response) or "index=" not in request.raw_query:
            return answer
        return self._until_the_end(answer)

    async def _until_the_end(self, answer: Coroutine[Any, Any, Response]) -> Response:
        work = asyncio.ensure_future(answer)
        try:
            await asyncio.wait((work, self._ending), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            return Response.text(503, MESSAGE)
        finally:
            if not work.done():
                work.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await work
