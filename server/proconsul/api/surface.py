"""From a request to a response: the route, the verb, the handler, the JSON, the failure.

What is common to all paths is here and nowhere else (agent/http.go `wrap`); the table of paths
is api/routes.py.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from proconsul.api.bodies import SHAPES
from proconsul.api.event_desk import EventDesk
from proconsul.api.failure import HttpError, MethodNotAllowedError, failure_of
from proconsul.api.http import Request, Response
from proconsul.api.process import OwnServer, Process
from proconsul.api.read_cache import CachedReads
from proconsul.api.reply import NULL, Encoded, Reply, meta_headers
from proconsul.api.routing import Route, Router
from proconsul.endpoints.context import Facts
from proconsul.telemetry import Labels, Telemetry
from proconsul.wire import json
from proconsul.wire.json_decode import BodyDecoder

PLAIN_TEXT = ("Content-Type", "text/plain; charset=utf-8")


@dataclass(slots=True, kw_only=True)
class HttpSettings:
    """What `http_config` and its neighbours say; replaced as a whole at a reload."""

    always_pretty: bool = False  # -dev
    response_headers: tuple[tuple[str, str], ...] = ()
    translate_wan_addresses: bool = False
    refuse_unprintable: bool = True
    block_endpoints: tuple[str, ...] = ()
    ui_enabled: bool = False
    write_allowed_from: Callable[[str], bool] | None = None  # by remote address; None: all


@dataclass(slots=True, kw_only=True)
class Api:
    """All that an HTTP handler may reach."""

    facts: Facts
    call: Callable[[str, Any], Awaitable[Any]]  # RPC method and request to its reply
    process: Process
    telemetry: Telemetry
    now_s: Callable[[], float]
    settings: HttpSettings
    log_failure: Callable[[Request, HttpError], None]
    decoder: BodyDecoder = field(default_factory=lambda: BodyDecoder(SHAPES))
    cached_reads: CachedReads = field(default_factory=CachedReads)
    event_desk: EventDesk | None = None
    own_server: OwnServer | None = None  # None: a client agent
    # For how long an answer that `?cached` gives could not be renewed: a server's always can.
    out_of_touch_s: Callable[[str, Any], float] = lambda method, request: 0.0


ApiHandler = Callable[[Api, Request], Coroutine[Any, Any, Reply | Response]]


class Surface:
    """The HTTP API as one function from request to response."""

    def __init__(self, api: Api, router: Router[ApiHandler]) -> None:
        self.api = api
        self.router = router

    def handle(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        """What the HTTP server calls."""
        path = request.path
        settings = self.api.settings
        if settings.refuse_unprintable and not path.isprintable() and _unprintable(path):
            return _outside(Response(400, b"", []))
        if "//" in path or "/." in path:
            cleaned = self.router.redirect(path)
            if cleaned is not None:
                return _redirect(request, cleaned)
        route = self.router.find(path)
        if route is None:
            return self._no_route(request)
        return self._serve(route, request)

    async def _serve(self, route: Route[ApiHandler], request: Request) -> Response:
        api = self.api
        began_s = api.now_s()
        try:
            early = self._before(route, request)
            if early is not None:
                return self._finish(early)
            answer = await route.handler(api, request)
        except Exception as error:
            return self.failed(request, error)
        finally:
            took_ms = (api.now_s() - began_s) * 1000
            name, labels = metrics_of(request.method, route.metric)
            api.telemetry.sample(name, took_ms)
            api.telemetry.sample("api.http", took_ms, labels)
        return self.answer(request, answer)

    def answer(self, request: Request, answer: Reply | Response) -> Response:
        """What a handler said of it, as it is sent."""
        if isinstance(answer, Reply):
            answer = _encoded(answer, self._pretty(request))
        return self._finish(answer)

    def failed(self, request: Request, error: Exception) -> Response:
        """What is said of it when it failed for this."""
        failure = failure_of(error)
        self.api.log_failure(request, failure)
        return self._finish(_failed(failure))

    def _before(self, route: Route[ApiHandler], request: Request) -> Response | None:
        settings = self.api.settings
        if request.raw_query and request.query.malformed:
            return Response(500, b"", [])
        if settings.block_endpoints and request.path.startswith(settings.block_endpoints):
            raise HttpError(403, "Endpoint is blocked by agent configuration")
        if not route.methods:
            return None
        if request.method == "OPTIONS":
            return Response(200, b"", [("Allow", ",".join(("OPTIONS", *route.methods)))])
        if request.method not in route.methods:
            raise MethodNotAllowedError(request.method, route.methods)
        allowed = settings.write_allowed_from
        if (
            allowed is not None
            and request.method not in ("GET", "HEAD", "OPTIONS")
            and not allowed(request.remote_address)
        ):
            raise HttpError(403, "Access is restricted")
        return None

    def _pretty(self, request: Request) -> bool:
        return self.api.settings.always_pretty or (
            bool(request.raw_query) and request.query.has("pretty")
        )

    def _finish(self, response: Response) -> Response:
        settings = self.api.settings
        if settings.translate_wan_addresses:
            response.headers.append(("X-Consul-Translate-Addresses", "true"))
        if settings.response_headers:
            own = {name for name, _ in response.headers}
            response.headers.extend(
                pair for pair in settings.response_headers if pair[0] not in own
            )
        return response

    def _no_route(self, request: Request) -> Response:
        cleaned = self.router.redirect(request.path)
        if cleaned is not None:
            return _redirect(request, cleaned)
        if request.path == "/":
            return _outside(Response(200, b"Consul Agent", [PLAIN_TEXT]))
        return _outside(Response(404, b"", []))


@lru_cache(maxsize=1024)  # a client may invent methods
def metrics_of(method: str, path: str) -> tuple[str, Labels]:
    """The name of a path's own sample, and the labels of the one of all paths."""
    return f"http.{method}.{path}", (("method", method), ("path", path.replace(".", "_")))


def _unprintable(path: str) -> bool:
    # Bytes that are no UTF-8 are replacement characters to Go, which can be printed.
    return any(not (char.isprintable() or 0xDC80 <= ord(char) <= 0xDCFF) for char in path)


def _outside(response: Response) -> Response:
    response.is_endpoint = False
    return response


def _redirect(request: Request, path: str) -> Response:
    target = quote(path, errors="surrogateescape") + (
        f"?{request.raw_query}" if request.raw_query else ""
    )
    body = b""
    if request.method in ("GET", "HEAD"):
        from html import escape  # here: it has a table of all of HTML's characters

        body = f'<a href="{escape(target)}">Moved Permanently</a>.\n\n'.encode()
    headers = [("Location", target)]
    if body:
        headers.append(("Content-Type", "text/html; charset=utf-8"))
    return _outside(Response(301, body, headers))


def _failed(failure: HttpError) -> Response:
    body = failure.text.encode("utf-8", "replace")
    headers = list(failure.headers)
    if body:
        headers.append(PLAIN_TEXT)
    return Response(failure.status, body, headers)


def _encoded(reply: Reply, pretty: bool) -> Response:
    headers = list(reply.headers)
    if reply.meta is not None:
        headers.extend(meta_headers(reply.meta))
    if reply.value is None:
        return Response(reply.status, b"", headers)
    headers.append(("Content-Type", reply.content_type))
    if reply.content_type.startswith("text/"):
        return Response(reply.status, str(reply.value).encode(), headers)
    if isinstance(reply.value, Encoded):
        text = reply.value.text
        return Response(reply.status, json.prettified(text) if pretty else text, headers)
    value = None if reply.value is NULL else reply.value
    return Response(reply.status, json.encode(value, pretty=pretty, floats=reply.floats), headers)
