"""A task whose first step is taken at once, in the caller's turn of the event loop.

Most handlers have their answer without waiting: for them a task of asyncio is a detour through the
loop. Like one (see "Extending" in asyncio's documentation) this is the current task while it
steps, so that timeouts and task groups work inside; unlike one it cannot be awaited: it calls back.
"""

import asyncio
from asyncio import tasks
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Outcome = Callable[[T | None, BaseException | None], None]


class EagerTask(Generic[T]):
    """Runs `coroutine` to its end, then tells `done` its result or its exception, once."""

    __slots__ = (
        "__weakref__",
        "_cancels",
        "_coroutine",
        "_done",
        "_loop",
        "_must_cancel",
        "_waits_for",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, T],
        done: Outcome[T],
    ) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._done: Outcome[T] | None = done
        self._waits_for: asyncio.Future[Any] | None = None
        self._must_cancel = False
        self._cancels = 0

    def start(self) -> None:
        """Take the first step now; `done` may be called before this returns."""
        self._step(None)

    def done(self) -> bool:
        """Whether the coroutine has ended."""
        return self._done is None

    def cancel(self, msg: str | None = None) -> bool:
        """Have CancelledError raised where the coroutine waits; False if it has ended."""
        if self._done is None:
            return False
        self._cancels += 1
        if self._waits_for is not None and self._waits_for.cancel(msg):
            return True
        self._must_cancel = True
        return True

    def cancelling(self) -> int:
        """How many cancellations are pending, as asyncio.Task counts them."""
        return self._cancels

    def uncancel(self) -> int:
        """Take one cancellation back; the number of those left."""
        self._cancels = max(0, self._cancels - 1)
        return self._cancels

    def get_name(self) -> str:
        """A name for logs."""
        return getattr(self._coroutine, "__qualname__", type(self._coroutine).__name__)

    def _step(self, failure: BaseException | None) -> None:
        if self._must_cancel:
            self._must_cancel = False
            if not isinstance(failure, asyncio.CancelledError):
                failure = asyncio.CancelledError()
        tasks._enter_task(self._loop, self)  # type: ignore[arg-type]  # documented for our use
        try:
            if failure is None:
                waits_for = self._coroutine.send(None)
            else:
                waits_for = self._coroutine.throw(failure)
        except StopIteration as stop:
            result, error = stop.value, None
        except BaseException as raised:
            result, error = None, raised
        else:
            self._wait_for(waits_for)
            return
        finally:
            tasks._leave_task(self._loop, self)  # type: ignore[arg-type]
        self._end(result, error)

    def _wait_for(self, future: Any) -> None:
        if future is None:  # a bare yield: asyncio.sleep(0)
            self._loop.call_soon(self._step, None)
            return
        assert getattr(future, "_asyncio_future_blocking", None), f"awaits no future: {future!r}"
        future._asyncio_future_blocking = False
        self._waits_for = future
        future.add_done_callback(self._wake)
        if self._must_cancel and future.cancel():
            self._must_cancel = False

    def _wake(self, future: "asyncio.Future[Any]") -> None:
        self._waits_for = None
        # The coroutine asks the future itself: its result, or what it raises.
        self._step(None)

    def _end(self, result: T | None, error: BaseException | None) -> None:
        done, self._done = self._done, None
        assert done is not None, "a coroutine ends once"
        done(result, error)
        if error is not None and not isinstance(error, (Exception, asyncio.CancelledError)):
            raise error  # KeyboardInterrupt and SystemExit are the loop's affair
