"""A server that takes plain writes of keys beside one that knows only the ordinary way."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from proconsul.api.http import Request as HttpRequest
from proconsul.api.routes import ROUTER
from proconsul.api.surface import HttpSettings, Surface
from proconsul.endpoints.context import Log
from proconsul.endpoints.table import METHODS
from proconsul.errors import ProconsulError
from proconsul.fsm.commands import MessageType, Skipped, decode_command
from proconsul.local.token_bucket import TokenBucket
from proconsul.runtime.default_token import with_default_token
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.http_server import HttpServer
from proconsul.runtime.own_calls import OwnCalls
from proconsul.runtime.pending import Waiter
from proconsul.runtime.plain_writes import PlainWrites
from proconsul.runtime.rpc_client import RpcClient
from proconsul.runtime.rpc_forwarding import Forwarder
from proconsul.runtime.rpc_snapshots import SnapshotHandler
from proconsul.store import kv
from proconsul.store.state import State
from proconsul.telemetry import Aggregate
from server_tests.endpoints.site import MemoryLog, Site, open_site
from server_tests.runtime.kept_site import Line


class OfferedMemoryLog(MemoryLog):
    """Takes what it is offered, too, and fails as a test says."""

    def __init__(self, site: Site) -> None:
        super().__init__(cast("State", site.context.state), site.context.lock_delays)
        self.leads = True
        self.takes_offers = True
        self.refusal: Exception | None = None  # at once, the next time: nothing is taken
        self.failure: ProconsulError | None = None  # later, of the next one
        self.gate: asyncio.Event | None = None  # what is taken waits for it
        self.offered = 0
        self.tokens: list[str] = []

    def is_leader(self) -> bool:
        return self.leads

    def offer(self, command: bytes, waiter: Waiter) -> bool:
        if self.refusal is not None:
            raise self.refusal  # and whoever proposes now hears the same
        if not self.takes_offers:
            return False
        self.offered += 1
        decoded = decode_command(command)
        assert not isinstance(decoded, Skipped)
        writing = asyncio.ensure_future(self._write(*decoded))

        def tell(done: asyncio.Future[Any]) -> None:
            if waiter.done():
                return
            failure = done.exception()
            if failure is None:
                waiter.set_result(done.result())
            else:
                waiter.set_exception(cast("Exception", failure))

        writing.add_done_callback(tell)
        return True

    async def propose(self, kind: MessageType, request: Any) -> Any:
        self._refuse()
        # Who asked may go; what is in the log stays there.
        return await asyncio.shield(self._write(kind, request))

    async def _write(self, kind: MessageType, request: Any) -> Any:
        self.tokens.append(request.token)
        if self.gate is not None:
            await self.gate.wait()
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        return await super().propose(kind, request)

    def _refuse(self) -> None:
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            raise refusal


class Half:
    """One of the two servers."""

    def __init__(self, *, plain: bool) -> None:
        self.site = open_site()
        self.log = OfferedMemoryLog(self.site)
        context = self.site.context
        context.log = cast("Log", self.log)
        forwarder = Forwarder(METHODS, context, cast("RpcClient", None), lambda: False)
        self.calls = OwnCalls(
            call=forwarder.call,
            snapshots=cast("SnapshotHandler", None),
            limit=TokenBucket(math.inf, 0, 0.0),
            now_s=context.world.now_s,
            telemetry=context.telemetry,
        )
        self.token = ""
        api = self.site.api
        api.call = with_default_token(self.calls.call, lambda: self.token)
        self.failures: list[str] = []
        api.log_failure = lambda request, failure: self.failures.append(
            f"{request.method} {request.target} {request.remote_address} {failure.text}"
        )
        surface = Surface(api, ROUTER)
        self.writes = PlainWrites(
            surface,
            self.calls,
            self.log,
            lambda: self.token,
            lambda key: context.lock_delays.delayed(key, context.world.now_s()),
            surface.handle,
        )
        self.server = HttpServer(
            surface.handle,
            body_limit=lambda request: context.facts.kv_value_bytes_max,
            on_error=_crashed,
            deadlines=Deadlines(),
            writes=self.writes if plain else None,
        )

    def take(self, settings: HttpSettings) -> None:
        """Other settings, as at a reload."""
        self.site.api.settings = settings
        self.server.set_response_headers(settings.response_headers)
        self.writes.clear()

    def value(self, key: str) -> bytes | None:
        """What the state has."""
        entry = kv.get(self.site.context.state.read(), None, key)[1]
        return None if entry is None else entry.value

    def told(self) -> dict[str, float]:
        """How often telemetry was told of what."""
        totals = self.site.context.telemetry.totals()
        counts = {str(key): value for key, value in totals.counters.items()}
        taken = {str(key): _count(one.total) for key, one in totals.samples.items()}
        return {**counts, **taken}


def _crashed(request: HttpRequest, failure: Exception) -> None:
    raise AssertionError("a handler crashed") from failure


def _count(total: Aggregate) -> float:
    return float(total.count)


class PlainSite:
    """Both of them, asked the same."""

    def __init__(self) -> None:
        self.with_plain, self.without = Half(plain=True), Half(plain=False)

    async def same(self, *requests: bytes) -> bytes:
        """What both say to these, one after another on a connection of each, when all is said."""
        said = []
        for half in (self.with_plain, self.without):
            line = Line(half.server)
            for request in requests:
                line.transport.spoken.clear()
                line.send(request)
                await asyncio.wait_for(line.transport.spoken.wait(), 60.0)
            said.append(line.said)
            line.connection.connection_lost(None)
        assert said[0] == said[1]
        return said[0]


@asynccontextmanager
async def plain_site() -> AsyncIterator[PlainSite]:
    """Two leaders with nothing in their states."""
    site = PlainSite()
    try:
        yield site
    finally:
        for half in (site.with_plain, site.without):
            half.server._ticker.cancel()
