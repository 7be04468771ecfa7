"""A server at work on a port of its own, for the tests of the HTTP loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop

from proconsul.api.http import Handler, Request, Response
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.http_server import HttpServer
from server_tests.runtime.http_client import Client, connect
from server_tests.virtual_time import VirtualTimeLoop

HOST = "127.104.0.5"
BODY_MAX = 100
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n"


@dataclass
class Site:
    """A server at work, and what its handler did."""

    server: HttpServer
    port: int = 0
    errors: list[Exception] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    async def client(self) -> Client:
        """Another connection to it."""
        return self.keep(await connect(HOST, self.port))

    def keep(self, client: Client) -> Client:
        """A client that is closed at the end."""
        self.clients.append(client)
        return client

    async def ask(self, data: bytes) -> Client:
        """A connection with a request on its way."""
        client = await self.client()
        client.send(data)
        return client


def body_limit(request: Request) -> int | None:
    """Uploads have no limit."""
    return None if request.path == "/upload" else BODY_MAX


@asynccontextmanager
async def serving(handler: Handler, deadlines: Deadlines | None = None) -> AsyncIterator[Site]:
    """A server on a port of its own."""
    errors: list[Exception] = []
    server = HttpServer(
        handler,
        body_limit=body_limit,
        on_error=lambda _, error: errors.append(error),
        deadlines=deadlines or Deadlines(),
    )
    site = Site(server, errors=errors)
    try:
        _, site.port = await server.listen_tcp(HOST, 0)
        yield site
    finally:
        for client in site.clients:
            client.close()
        await server.stop(0)
        assert server.connection_count == 0, "a stopped server has no connection"


def echo(request: Request) -> Response:
    """Says what it got."""
    text = f"{request.method} {request.path} {request.raw_query} ".encode()
    return Response(200, text + request.body, [("X-Consul-Index", "7")])


class Waiting:
    """A handler of blocking queries, and what became of each."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Future[str]] = {}
        self.arrived = asyncio.Queue[str]()
        self.cancelled = asyncio.Queue[str]()

    def __call__(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        return self.wait(request) if request.query.has("index") else echo(request)

    async def wait(self, request: Request) -> Response:
        """Answer once the gate of this path opens."""
        gate = self.gates[request.path] = asyncio.get_running_loop().create_future()
        self.arrived.put_nowait(request.path)
        try:
            return Response.text(200, await gate)
        except asyncio.CancelledError:
            self.cancelled.put_nowait(request.path)
            raise


def run_on_uvloop(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The loop that the agent uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


def run_on_virtual_time(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The loop of the other tests, for one that is not a coroutine itself."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())
