"""One run of a blocking query for all who wait for the same: the ordinary one, that counts nothing.

The same surface, handlers and methods answer, with an index that no answer is beyond: so the query
always comes to the point where it would wait. There it hears that the time is over, and its answer
is made. What it waits for, and what it counts before and after that, is written down.
"""

import asyncio
import dataclasses
import math
from typing import Any, cast

from msgspec import structs

from proconsul.api.blocking_requests import Question
from proconsul.api.http import Request, Response
from proconsul.api.surface import HttpSettings, Surface
from proconsul.endpoints.context import Woken, World
from proconsul.local.token_bucket import TokenBucket
from proconsul.runtime.default_token import bearing
from proconsul.runtime.eager_task import EagerTask
from proconsul.runtime.kept_answers import Counted, Sampled
from proconsul.runtime.read_recording import RecordedWay, TracedState
from proconsul.runtime.server_calls import count_own_call
from proconsul.store.traced_reads import Notes
from proconsul.store.watch import WatchSet
from proconsul.telemetry import Labels, Telemetry

UNLIMITED = TokenBucket(math.inf, 0, 0.0)  # what counts are those who ask


class _Counts:
    """What was counted in one part of a run."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, float, Labels]] = []
        self.sampled: list[tuple[str, Labels]] = []

    @property
    def all(self) -> tuple[Counted, Sampled]:
        """As tallies take it."""
        return tuple(self.counted), tuple(self.sampled)


class _SilentTelemetry(Telemetry):
    """Counts nothing, and remembers what."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = _Counts()

    def count(self, name: str, value: float = 1.0, labels: Labels = (), times: int = 1) -> None:
        """Add to a counter."""
        self.counts.counted.append((name, value * times, labels))

    def sample(self, name: str, value: float, labels: Labels = (), times: int = 1) -> None:
        """Add to a sample."""
        self.counts.sampled.append((name, labels))


class _WorldWithoutTime:
    """Where nobody waits: it is noted for what, and the time is over."""

    def __init__(self, real: World, telemetry: _SilentTelemetry) -> None:
        self._telemetry = telemetry
        self.now_s = real.now_s
        self.unix_ns = real.unix_ns
        self.die = real.die
        self.new_uuid = real.new_uuid
        self.before = _Counts()
        self.watches: list[WatchSet] = []

    async def wait(self, watch: WatchSet, until_s: float) -> Woken:
        """Note it."""
        self.watches.append(watch)
        self.before, self._telemetry.counts = self._telemetry.counts, _Counts()
        return Woken.TIMEOUT


class Found:
    """What a run found: the answer, what it was read from, and what answering it counts."""

    __slots__ = ("after", "before", "notes", "response", "watch")

    def __init__(
        self,
        response: Response,
        notes: Notes,
        watch: WatchSet,
        before: tuple[Counted, Sampled],
        after: tuple[Counted, Sampled],
    ) -> None:
        self.response = response
        self.notes = notes
        self.watch = watch
        self.before = before
        self.after = after


class QueryRun:
    """One run."""

    def __init__(self, way: RecordedWay, settings: HttpSettings) -> None:
        self._way = way
        self._telemetry = _SilentTelemetry()
        self._world = _WorldWithoutTime(way.context.world, self._telemetry)
        world = cast("World", self._world)
        self._state = TracedState(way.context.state)
        self._context = structs.replace(
            way.context, state=self._state, telemetry=self._telemetry, world=world
        )
        api = dataclasses.replace(
            way.surface.api,
            call=self._call,
            telemetry=self._telemetry,
            settings=settings,
            log_failure=lambda request, failure: None,
        )
        self._surface = Surface(api, way.surface.router)
        self._response: Response | None = None

    async def _call(self, method: str, request: Any) -> Any:
        way = self._way
        count_own_call(UNLIMITED, self._world.now_s(), self._telemetry)
        return await way.forwarder.call_in(self._context, method, bearing(request, way.token()))

    def find(self, request: Request) -> Found | None:
        """Run the query at once; None if it cannot be, or would not wait, or is a failure."""
        answer = self._surface.handle(request)
        if isinstance(answer, Response):
            return None
        task: EagerTask[Response] = EagerTask(asyncio.get_running_loop(), answer, self._answered)
        task.start()
        if not task.done():
            task.cancel()
            return None
        response, watches = self._response, self._world.watches
        notes = None if response is None else self._state.noted(response)
        if response is None or notes is None or len(watches) != 1:
            return None
        before, after = self._world.before.all, self._telemetry.counts.all
        return Found(response, notes, watches[0], before, after)

    def _answered(self, response: Response | None, failure: BaseException | None) -> None:
        self._response = response


def found(way: RecordedWay, question: Question, *, is_let_in: bool) -> Found | None:
    """Run it once; who `is_let_in` is not judged by settings that came afterwards."""
    settings = way.surface.api.settings
    if is_let_in:
        settings = dataclasses.replace(settings, block_endpoints=(), refuse_unprintable=False)
    return QueryRun(way, settings).find(question.request_that_waits())
