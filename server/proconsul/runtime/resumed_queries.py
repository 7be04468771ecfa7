"""A blocking query that was parked goes on in the ordinary way, as if it had done so all the time.

It is where its answer may not be given without somebody's word: leadership is in doubt, or gone.
What it counted when it began is not counted again, how long it has waited is not forgotten, and it
waits no longer than it would have.
"""

import dataclasses
from collections.abc import Coroutine
from typing import Any, cast

from msgspec import structs

from proconsul.api.http import Handler, Request, Response
from proconsul.api.surface import Surface
from proconsul.endpoints.context import Woken, World
from proconsul.errors import NoLeaderError
from proconsul.runtime.default_token import bearing
from proconsul.runtime.kept_answers import Counted
from proconsul.runtime.read_recording import RecordedWay
from proconsul.store.watch import WatchSet
from proconsul.telemetry import Labels, Telemetry


class Resumed:
    """When it began to wait, until when it may (by the world's clock), what it has counted."""

    __slots__ = ("began_s", "counted", "until_s")

    def __init__(self, began_s: float, until_s: float, counted: Counted) -> None:
        self.began_s = began_s
        self.until_s = until_s
        self.counted = counted


def resumed(way: RecordedWay, resuming: Resumed) -> Handler:
    """What answers the query."""

    def handle(request: Request) -> Response | Coroutine[Any, Any, Response]:
        return _Resumption(way, resuming).answer(request)

    return handle


class _RestOfTelemetry(Telemetry):
    """What the rest of it counts."""

    def __init__(self, passes_to: Telemetry, counted: Counted, waited_ms: float) -> None:
        super().__init__()
        self._passes_to = passes_to
        self._counted = frozenset(name for name, _, _ in counted)
        self._waited_ms = waited_ms

    def count(self, name: str, value: float = 1.0, labels: Labels = (), times: int = 1) -> None:
        """Add to a counter, unless that was done when it began."""
        if name not in self._counted:
            self._passes_to.count(name, value, labels, times)

    def sample(self, name: str, value: float, labels: Labels = (), times: int = 1) -> None:
        """Add to a sample."""
        self._passes_to.sample(name, value + self._waited_ms, labels, times)


class _RestOfWorld:
    """Where one waits until then, and no longer."""

    def __init__(self, real: World, until_s: float) -> None:
        self._world = real
        self._until_s = until_s
        self.now_s = real.now_s
        self.unix_ns = real.unix_ns
        self.die = real.die
        self.new_uuid = real.new_uuid

    async def wait(self, watch: WatchSet, until_s: float) -> Woken:
        """Until something that was read changes."""
        return await self._world.wait(watch, self._until_s)


class _Resumption:
    def __init__(self, way: RecordedWay, resuming: Resumed) -> None:
        self._way = way
        context, api = way.context, way.surface.api
        waited_ms = (context.world.now_s() - resuming.began_s) * 1000
        telemetry = _RestOfTelemetry(way.telemetry, resuming.counted, waited_ms)
        self._hold_until_s = resuming.began_s + context.facts.rpc_hold_timeout_s
        self._context = structs.replace(
            context,
            telemetry=telemetry,
            world=cast("World", _RestOfWorld(context.world, resuming.until_s)),
        )
        api = dataclasses.replace(
            api,
            call=self._call,
            telemetry=telemetry,
            settings=dataclasses.replace(
                api.settings, block_endpoints=(), refuse_unprintable=False
            ),
        )
        self._surface = Surface(api, way.surface.router)

    async def answer(self, request: Request) -> Response:
        """The answer, in the end."""
        telemetry = self._way.telemetry
        telemetry.blocking_queries += 1
        try:
            answer = self._surface.handle(request)
            return answer if isinstance(answer, Response) else await answer
        finally:
            telemetry.blocking_queries -= 1

    async def _call(self, method: str, request: Any) -> Any:
        """It was at work here: only if nobody leads here any more it may be made elsewhere."""
        way, context = self._way, self._context
        bears = bearing(request, way.token())
        try:
            return await way.methods.call(context, method, bears)
        except NoLeaderError:
            hold_left_s = self._hold_until_s - context.world.now_s()
            if hold_left_s <= 0:
                raise
        held = structs.replace(
            context, facts=structs.replace(context.facts, rpc_hold_timeout_s=hold_left_s)
        )
        return await way.forwarder.call_in(held, method, bears)
