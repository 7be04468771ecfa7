"""The ordinary way of a plain read, with notes of what it read and what it counted.

The same surface, handlers and methods answer the request; only the state and the telemetry that
they are given write down what they are asked. So a kept answer is the ordinary one by construction.
"""

import dataclasses
from collections.abc import Callable, Coroutine
from typing import Any, cast

from msgspec import structs

from proconsul.api.http import Request, Response
from proconsul.api.plain_reads import Level, may_be_kept
from proconsul.api.surface import Surface
from proconsul.endpoints.context import Context, Facts, Log, State
from proconsul.endpoints.methods import Methods
from proconsul.runtime.default_token import bearing
from proconsul.runtime.kept_answers import Counted, Sampled
from proconsul.runtime.leaders_word import LeadersStead, LeadersWord
from proconsul.runtime.own_calls import OwnCalls
from proconsul.runtime.read_rounds import Rounds
from proconsul.runtime.rpc_forwarding import Forwarder
from proconsul.runtime.server_calls import count_own_call
from proconsul.store.traced_reads import Notes, TracedTransaction
from proconsul.store.transaction import ReadTransaction
from proconsul.telemetry import Labels, Telemetry

SPARE_MAX = 64  # recordings that are used again


class _NotedTelemetry(Telemetry):
    """Counts where it is counted anyway, and remembers what."""

    def __init__(self, passes_to: Telemetry) -> None:
        super().__init__()
        self._passes_to = passes_to
        self.counted: list[tuple[str, float, Labels]] = []
        self.sampled: list[tuple[str, Labels]] = []

    def count(self, name: str, value: float = 1.0, labels: Labels = (), times: int = 1) -> None:
        """Add to a counter."""
        self._passes_to.count(name, value, labels, times)
        self.counted.append((name, value * times, labels))

    def sample(self, name: str, value: float, labels: Labels = (), times: int = 1) -> None:
        """Add to a sample."""
        self._passes_to.sample(name, value, labels, times)
        self.sampled.append((name, labels))


class TracedState:
    """The state for one request at a time (endpoints.context.State): notes what is read of it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.begin()

    def begin(self) -> None:
        """For another request."""
        self._reads = 0
        self._newest: ReadTransaction | None = None
        self._traced: TracedTransaction | None = None

    def read(self) -> ReadTransaction:
        """The newest committed state."""
        self._reads += 1
        self._newest = self._state.read()
        self._traced = TracedTransaction(self._newest)
        return self._traced

    def noted(self, response: Response) -> Notes | None:
        """All that this answer was read from; None: it may not be kept, or is no longer so."""
        traced = self._traced
        if traced is None or self._reads != 1 or not may_be_kept(response):
            return None
        return traced.notes if self._state.read() is self._newest else None


class Recording:
    """One request on its way."""

    def __init__(self, way: "RecordedWay") -> None:
        self._way = way
        self._telemetry = _NotedTelemetry(way.telemetry)
        self._state = TracedState(way.context.state)
        self._context = structs.replace(way.context, state=self._state, telemetry=self._telemetry)
        self._in_leaders_stead = structs.replace(self._context, log=cast("Log", LeadersStead()))
        api = dataclasses.replace(way.surface.api, call=self._call, telemetry=self._telemetry)
        self._surface = Surface(api, way.surface.router)
        self.age = way.age

    def begin(self, whole: bytes, level: Level, word: Rounds | None) -> None:
        """For the request with these bytes."""
        self.whole = whole
        self.level = level
        self._word = word
        self._state.begin()
        self._telemetry.counted.clear()
        self._telemetry.sampled.clear()

    def handle(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        """What the surface says."""
        return self._surface.handle(request)

    async def _call(self, method: str, request: Any) -> Any:
        way = self._way
        count_own_call(way.calls.limit, way.context.world.now_s(), self._telemetry)
        bears = bearing(request, way.token())
        # In the turn in which it is given the word is about the state; this is a later one.
        if self._word is not None and await self._word.given() and way.word.is_of_now:
            return await way.methods.call(self._in_leaders_stead, method, bears)
        return await way.forwarder.call_in(self._context, method, bears)

    def end(self, response: Response) -> "Recorded | None":
        """What was noted, if it is all about this answer, and the state is still as it was read.

        Nothing can be recorded with this one afterwards.
        """
        notes = self._state.noted(response)
        self._state.begin()  # it holds what was read no longer than it must
        counted, sampled = tuple(self._telemetry.counted), tuple(self._telemetry.sampled)
        is_of_now = self._way.take_back(self)
        return Recorded(notes, counted, sampled) if is_of_now and notes is not None else None


class Recorded:
    """What an answer was read from, and what answering it counts."""

    __slots__ = ("counted", "notes", "sampled")

    def __init__(self, notes: Notes, counted: Counted, sampled: Sampled) -> None:
        self.notes = notes
        self.counted = counted
        self.sampled = sampled


class RecordedWay:
    """From a request to its answer through recordings."""

    def __init__(
        self,
        surface: Surface,
        context: Context,
        calls: OwnCalls,
        forwarder: Forwarder,
        methods: Methods,
        word: LeadersWord,
        token: Callable[[], str],
    ) -> None:
        """The parts of the ordinary way; `token` is the agent's default one."""
        self.surface = surface
        self.context = context
        self.calls = calls
        self.forwarder = forwarder
        self.methods = methods
        self.word = word
        self.token = token
        self.telemetry = context.telemetry
        self.age = 0  # grows with each change of the settings
        self._spare: list[Recording] = []

    @property
    def facts(self) -> Facts:
        """As they are now."""
        return self.context.facts

    def begin(self, whole: bytes, level: Level, word: Rounds | None) -> Recording:
        """A recording of one request; with `word`, it is read here once that is given."""
        recording = self._spare.pop() if self._spare else Recording(self)
        recording.begin(whole, level, word)
        return recording

    def take_back(self, recording: Recording) -> bool:
        """It is done; False if it answered by settings that are no longer in force."""
        if recording.age != self.age:
            return False
        if len(self._spare) < SPARE_MAX:
            self._spare.append(recording)
        return True

    def renew(self) -> None:
        """Settings or facts have changed: recordings hold a copy of them."""
        self.age += 1
        self._spare.clear()
