"""Blocking queries at the end of the process: answered, instead of cut off.

A client that waits for a change hears 503 and asks another server; one that was cut off cannot
know whether it ever will. Only requests with an `?index` are looked after: all others are done
within the moment that the end gives them.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from proconsul.api.http import Handler, Request, Response

MESSAGE = "this agent is about to end: ask another one"


class LongPolls:
    """Between a listener and the API.

    It cancels who waits, and answers in his stead: a task more for each of thousands of queries,
    that waits for both, would take as long to wake as the query itself.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._waiting: set[asyncio.Task[Any]] = set()
        self._told: set[asyncio.Task[Any]] = set()  # cancelled by us
        self._is_ending = False

    def end(self) -> None:
        """Answer all that wait now, and those that come."""
        self._is_ending = True
        for task in list(self._waiting):
            self._told.add(task)
            task.cancel()

    def handle(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        """What the listener calls."""
        answer = self._handler(request)
        if isinstance(answer, Response) or "index=" not in request.raw_query:
            return answer
        return self._until_the_end(answer)

    async def _until_the_end(self, answer: Coroutine[Any, Any, Response]) -> Response:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._waiting.add(task)
        if self._is_ending:  # it may have an answer at once
            asyncio.get_running_loop().call_soon(self.end)
        try:
            return await answer
        except asyncio.CancelledError:
            if task not in self._told:
                raise  # the client has gone
            task.uncancel()
            return Response.text(503, MESSAGE)
        finally:
            self._waiting.discard(task)
            self._told.discard(task)
