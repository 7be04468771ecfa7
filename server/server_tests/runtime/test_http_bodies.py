"""Bodies that come in pieces, in either direction, and how answers are dressed."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from proconsul.api.http import Request, Response
from proconsul.runtime.http_connection import AHEAD_MAX, SLICE_BYTES
from server_tests.runtime.http_client import Client
from server_tests.runtime.http_site import (
    GET,
    echo,
    run_on_uvloop,
    serving,
)


class Monitor:
    """A handler whose answer is a log that grows."""

    def __init__(self) -> None:
        self.lines = asyncio.Queue[bytes | None]()
        self.closed = asyncio.Event()

    def __call__(self, request: Request) -> Response:
        return Response(200, self.pieces(), [])

    async def pieces(self) -> AsyncIterator[bytes]:
        """Until None."""
        try:
            while (line := await self.lines.get()) is not None:
                yield line
        finally:
            self.closed.set()


async def test_a_streamed_body_is_sent_piece_by_piece() -> None:
    monitor = Monitor()
    async with serving(monitor) as site:
        client = await site.ask(GET + b"\r\n" + GET + b"\r\n")
        head = await client.head()
        assert head.header("Transfer-Encoding") == "chunked"
        assert head.header("Content-Length") is None
        assert head.header("Content-Type") is None
        monitor.lines.put_nowait(b"one\n")
        assert await client.chunk() == b"one\n"
        assert await client.nothing_arrives(within_s=1)
        monitor.lines.put_nowait(b"two\n")
        assert await client.chunk() == b"two\n"
        monitor.lines.put_nowait(None)
        assert await client.chunk() == b""
        assert (await client.head()).status == "HTTP/1.1 200 OK"  # the second request's


async def test_a_streamed_body_can_be_read_as_gzip_while_it_grows() -> None:
    monitor = Monitor()
    async with serving(monitor) as site:
        client = await site.ask(GET + b"Accept-Encoding: gzip\r\n\r\n")
        assert (await client.head()).header("Content-Encoding") == "gzip"
        unzip = Client.unzipper()
        for line in (b"one\n", b"two\n"):
            monitor.lines.put_nowait(line)
            text = b""
            while not text:
                text = unzip.decompress(await client.chunk())
            assert text == line
        monitor.lines.put_nowait(None)
        while piece := await client.chunk():
            unzip.decompress(piece)
        assert unzip.eof


async def test_a_streamed_body_for_http_1_0_ends_with_the_connection() -> None:
    monitor = Monitor()
    async with serving(monitor) as site:
        client = await site.ask(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        for line in (b"one\n", b"two\n", None):
            monitor.lines.put_nowait(line)
        everything = await client.everything()
        assert everything.endswith("\r\n\r\none\ntwo\n")
        assert "chunked" not in everything


async def test_a_stream_ends_when_its_reader_has_gone() -> None:
    monitor = Monitor()
    async with serving(monitor) as site:
        client = await site.ask(GET + b"\r\n")
        await client.head()
        client.close()
        await monitor.closed.wait()
        assert site.errors == []


async def test_the_stream_after_one_whose_reader_has_gone_ends_as_any_other() -> None:
    monitor = Monitor()
    async with serving(monitor) as site:
        gone = await site.ask(GET + b"\r\n")
        await gone.head()
        gone.close()
        await monitor.closed.wait()
        client = await site.ask(GET + b"\r\n" + GET + b"\r\n")
        await client.head()
        monitor.lines.put_nowait(None)
        assert await client.chunk() == b""
        assert (await client.head()).status == "HTTP/1.1 200 OK"  # the connection lives on


async def test_a_slow_reader_holds_up_its_stream_and_nothing_else() -> None:
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 1
            yield bytes(1 << 16)

    def handler(request: Request) -> Response:
        return Response(200, flood(), []) if request.path == "/flood" else echo(request)

    async with serving(handler) as site:
        slow = await site.ask(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await (await site.ask(GET + b"\r\n")).answer()).body == b"GET /a  "
        await asyncio.sleep(1)
        assert 0 < sent < 400
        await slow.head()
        received = 0
        while piece := await slow.chunk():
            received += len(piece)
        assert received == 400 << 16


async def test_a_stream_that_fails_ends_too_early_for_its_client_to_miss_it() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("snapshot failed")

    async with serving(lambda _: Response(200, broken(), [])) as site:
        everything = await (await site.ask(GET + b"\r\n")).everything()
        assert not everything.endswith("0\r\n\r\n")
        assert [str(error) for error in site.errors] == ["snapshot failed"]


async def test_an_upload_reaches_its_handler_in_pieces() -> None:
    async def restore(request: Request) -> Response:
        assert request.stream is not None
        size = 0
        async for piece in request.stream:
            size += len(piece)
        return Response.text(200, str(size))

    async with serving(restore) as site:
        head = b"PUT /upload HTTP/1.1\r\nHost: a\r\n"
        client = await site.ask(head + b"Content-Length: 3000000\r\n\r\n" + bytes(3_000_000))
        assert (await client.answer()).body == b"3000000"
        client.send(head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n")
        assert (await client.answer()).body == b"4"
        client.send(head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
        answer = await client.answer()
        assert answer.status == "HTTP/1.1 500 Internal Server Error"
        assert await client.end()


async def test_an_upload_that_was_sent_far_ahead_gets_its_body_in_its_turn() -> None:
    """It is the last thing that was read; what came behind it waits until fewer are ahead."""
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> Response:
        arrived.set()
        await gate.wait()
        body = b"" if request.stream is None else b"".join([one async for one in request.stream])
        return Response(200, body, [])

    async with serving(answer) as site:
        client = await site.ask(GET + b"\r\n")
        await arrived.wait()
        before = (GET + b"\r\n") * AHEAD_MAX
        head = b"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: "
        padding = b"x" * (SLICE_BYTES - len(before) - len(head) - len(b"\r\n\r\n"))
        client.send(before + head + padding + b"\r\n\r\n" + b"hello" + GET + b"\r\n")
        await asyncio.sleep(1)  # until it has come
        gate.set()
        for body in (b"", *[b""] * AHEAD_MAX, b"hello", b""):
            assert (await client.answer()).body == body


async def test_an_upload_waits_for_a_handler_that_is_slow_and_may_be_left_unread() -> None:
    gate = asyncio.Event()

    async def refuse(request: Request) -> Response:
        await gate.wait()
        return Response.text(403, "Permission denied")

    async with serving(refuse) as site:
        client = await site.ask(
            b"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n"
        )
        client.send(bytes(30_000_000))
        assert await client.cannot_send(within_s=1)
        gate.set()
        assert (await client.answer()).body == b"Permission denied"
        assert await client.end()


@pytest.mark.parametrize(
    ("accepts", "gzipped"),
    [
        (b"gzip", True),
        (b"deflate, GZIP;q=0.5", True),
        (b"gzip;q=0", False),
        (b"gzip;q=x", False),
        (b"*", False),
        (b"identity", False),
        (b"", False),
    ],
)
@pytest.mark.parametrize("size", [1, 1400, 1401, 300_000])
def test_gzip_is_used_when_it_is_accepted(accepts: bytes, gzipped: bool, size: int) -> None:
    body = (b"0123456789" * 30_000)[:size]

    async def story() -> None:
        async with serving(lambda _: Response.json(200, body)) as site:
            client = await site.ask(GET + b"Accept-Encoding: " + accepts + b"\r\n\r\n")
            answer = await client.answer()
            assert answer.header("Vary") == "Accept-Encoding"
            assert answer.header("Content-Type") == "application/json"
            assert (answer.header("Content-Encoding") == "gzip") is gzipped
            assert (gzip.decompress(answer.body) if gzipped else answer.body) == body

    run_on_uvloop(story)


async def test_an_empty_answer_and_one_around_the_endpoints_are_left_as_they_are() -> None:
    def handler(request: Request) -> Response:
        if request.path == "/nope":
            return Response.plain(404)
        if request.path == "/text":
            return Response.text(500, "broken")
        return Response.text(200, "")

    async with serving(handler) as site:
        site.server.set_response_headers([("access-control-allow-origin", "*"), ("X-B", "b")])
        accept = b" HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"
        client = await site.ask(b"GET /nope" + accept + b"GET /" + accept + b"GET /text" + accept)
        outside = await client.answer()
        assert [name for name, _ in outside.headers] == ["Date", "Content-Length"]
        empty = await client.answer()
        assert empty.header("Content-Encoding") is None
        assert empty.header("Access-Control-Allow-Origin") == "*"
        assert empty.header("X-B") == "b"
        text = await client.answer()
        assert text.header("Content-Type") == "text/plain; charset=utf-8"
        assert gzip.decompress(text.body) == b"broken"


async def test_an_endpoint_s_own_field_wins_over_the_operator_s() -> None:
    async with serving(lambda _: Response.json(200, b"1")) as site:
        site.server.set_response_headers([("content-type", "text/x"), ("x-frame-options", "DENY")])
        answer = await (await site.ask(GET + b"\r\n")).answer()
        assert answer.all("Content-Type") == ["application/json"]
        assert answer.header("X-Frame-Options") == "DENY"


@pytest.mark.parametrize(
    "story",
    [
        test_a_stream_ends_when_its_reader_has_gone,
        test_an_upload_reaches_its_handler_in_pieces,
    ],
)
def test_the_same_on_uvloop(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_on_uvloop(story)
