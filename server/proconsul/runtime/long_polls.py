"""Blocking queries at the end of the process: answered, instead of cut off.

A client that waits for a change hears 503 and asks another server; one that was cut off cannot
know whether it ever will. Only requests with an `?index` are looked after: all others are done
within the moment that the end gives them.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from proconsul.api.http import Handler, Request, Response

MESSAGE = "this agent is about to end: ask another one"


def ended() -> Response:
    """The answer to who waits at the end."""
    return Response.text(503, MESSAGE)


class LongPolls:
    """Between a listener and the API.

    A query runs in the task that asked for it, and the end cancels that task, as a timeout would.
    A future of the end that all of them wait for would cost each one a walk along all others.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._waiting: set[asyncio.Task[Any]] = set()
        self._told: set[asyncio.Task[Any]] = set()  # of these, who has not yet heard of the end
        self._is_ending = False

    def end(self) -> None:
        """Answer all that wait now, and those that come."""
        self._is_ending = True
        told, self._waiting = self._waiting, set()
        self._told |= told
        for task in told:
            task.cancel()

    def handle(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        """What the listener calls."""
        return self._look_after(self._handler, request)

    def looked_after(self, handler: Handler) -> Handler:
        """Another handler, whose queries are looked after as well."""
        return partial(self._look_after, handler)

    def _look_after(
        self, handler: Handler, request: Request
    ) -> Response | Coroutine[Any, Any, Response]:
        answer = handler(request)
        if isinstance(answer, Response) or "index=" not in request.raw_query:
            return answer
        return self._until_the_end(answer)

    async def _until_the_end(self, answer: Coroutine[Any, Any, Response]) -> Response:
        if self._is_ending:
            answer.close()
            return ended()
        task = asyncio.current_task()
        assert task is not None, "a listener answers in tasks"
        self._waiting.add(task)
        try:
            response = await answer
        except asyncio.CancelledError:
            if task not in self._told or task.uncancel() > 0:
                raise  # the client has gone
            return ended()
        else:
            if task in self._told:
                task.uncancel()  # it was done in the same moment
            return response
        finally:
            self._waiting.discard(task)
            self._told.discard(task)
