"""The load is what it says, and complains of a server that does less."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from server_tests.gossip_pool.pool_load import BLOCKED, HTTP_PORT, BrokenError, Connection, Load
from server_tests.runtime.gossip_node import place

pytestmark = pytest.mark.real_clock
HOST = place(131)
Answer = Callable[[str], bytes]


class Answering(asyncio.Protocol):
    """A connection to a server that answers so."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._data += data
        while b"\r\n\r\n" in self._data:  # none has a body
            head, _, self._data = self._data.partition(b"\r\n\r\n")
            self._transport.write(self._answer(head.decode().splitlines()[0]))


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[None]:
    """It gives `answer` the first line of a request."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Answering(answer), HOST, HTTP_PORT):
        yield


def said(body: bytes, status: str = "200 OK") -> bytes:
    """An answer."""
    head = f"HTTP/1.1 {status}\r\nX-Consul-Index: 7\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def connected() -> Connection:
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(Connection, HOST, HTTP_PORT))[1]


async def test_answers_come_whole_one_after_the_other() -> None:
    async with server(lambda request: said(request.encode() * 5000)):
        connection = await connected()
        for path in ("/a", "/b"):
            _, body = await connection.ask("GET", path)
            assert body == f"GET {path} HTTP/1.1".encode() * 5000
        connection.close()


async def test_an_answer_that_is_no_success_is_told() -> None:
    async with server(lambda request: said(b"why", "500 Internal Server Error")):
        connection = await connected()
        with pytest.raises(BrokenError, match="500 Internal"):
            await connection.ask("GET", "/a")
        connection.close()


@pytest.mark.slow
async def test_queries_that_do_not_block_are_errors() -> None:
    async with server(lambda request: said(b"[]")):
        load = Load(HOST)
        await load.run(0.1)
    assert "a blocked query was answered after 0.0 s" in load.result.errors[0]
    assert load.result.error_count > len(load.result.errors)


@pytest.mark.slow
async def test_a_thousand_queries_are_held_and_a_listing_that_is_short_is_an_error() -> None:
    held: set[str] = set()

    def answer(request: str) -> bytes:
        if "index=7" not in request:
            return said(b"[{}, {}]")
        held.add(request)
        return b""

    async with server(answer):
        load = Load(HOST)
        await load.run(2.0)
    assert len(held) == load.result.blocked_least == BLOCKED
    assert load.result.blocked_answers == 0
    assert {one.partition(" ")[2] for one in load.result.errors} == {"a listing of 2 instances"}
    assert load.result.requests > 0
