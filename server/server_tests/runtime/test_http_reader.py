"""What is a request and what is refused: as Go's net/http has it, on real sockets."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from proconsul.api.http import Request, Response
from server_tests.runtime.http_client import connect, patiently
from server_tests.runtime.http_site import (
    GET,
    Waiting,
    echo,
    run_on_uvloop,
    serving,
)

CONSUL_REAL = os.environ.get("CONSUL_REAL", "")
BAD = "400 Bad Request"


REFUSED = [
    (b"GARBAGE\r\n\r\n", BAD),
    (b"\x16\x03\x01\x02\x00\r\n\r\n", BAD),
    (b"GET /\r\n\r\n", BAD),
    (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
    (b"GET foo HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
    (GET + b"NoColon\r\n\r\n", BAD),
    (GET + b"Content-Length: -1\r\n\r\n", BAD),
    (GET + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", BAD),
    (b"GET /a HTTP/1.1\r\n\r\n", BAD + ": missing required Host header"),
    (GET + b"Host: b\r\n\r\n", BAD + ": too many Host headers"),
    (b"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", BAD + ": malformed Host header"),
    (b"GET /a HTTP/2.0\r\nHost: a\r\n\r\n", BAD + ": unsupported protocol version"),
]


@pytest.mark.parametrize(("data", "text"), REFUSED)
def test_what_is_no_request_is_refused_in_go_s_words(data: bytes, text: str) -> None:
    async def story() -> None:
        async with serving(echo) as site:
            client = await site.ask(data)
            assert await client.everything() == (
                f"HTTP/1.1 {text}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"Connection: close\r\n\r\n{text}"
            )

    run_on_uvloop(story)


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.skipif(not CONSUL_REAL, reason="CONSUL_REAL names no Consul to compare with")
async def test_the_real_consul_refuses_in_the_same_words(tmp_path: Path) -> None:
    real = "127.104.0.9"
    consul = await asyncio.create_subprocess_exec(
        *(CONSUL_REAL, "agent", "-dev", "-node=n1", f"-bind={real}", f"-client={real}"),
        *("-grpc-port=-1", f"-data-dir={tmp_path}"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        (await patiently(lambda: connect(real, 8500))).close()
        for data, text in REFUSED:
            client = await connect(real, 8500)
            client.send(data)
            said = await client.everything()
            client.close()
            assert said.endswith("\r\n\r\n" + text), data
    finally:
        consul.kill()
        await consul.wait()


async def test_garbage_waits_for_the_answers_before_it() -> None:
    handler = Waiting()
    async with serving(handler) as site:
        client = await site.ask(
            b"GET /slow?index=1 HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"\r\nGARBAGE\r\n\r\n"
        )
        await handler.arrived.get()
        assert await client.nothing_arrives(within_s=1)
        handler.gates["/slow"].set_result("x")
        assert (await client.answer()).body == b"x"
        assert (await client.answer()).body == b"GET /a  "
        assert (await client.everything()).startswith("HTTP/1.1 400 Bad Request\r\n")


async def test_a_head_may_have_a_mebibyte_and_not_more() -> None:
    async with serving(echo) as site:
        client = await site.ask(GET + b"X: " + b"x" * (1 << 20) + b"\r\n\r\n")
        assert (await client.answer()).status == "HTTP/1.1 200 OK"
        for tail in (b"\r\n\r\n", b""):
            client = await site.ask(GET + b"X: " + b"x" * ((1 << 20) + 5000) + tail)
            everything = await client.everything()
            assert everything.startswith("HTTP/1.1 431 Request Header Fields Too Large\r\n")


def too_large(request: Request) -> Response:
    """As Consul's kv endpoint."""
    if request.body_too_large:
        return Response.text(413, f"Request body({request.content_length} bytes) too large")
    return echo(request)


async def test_a_body_over_the_limit_is_not_waited_for() -> None:
    async with serving(too_large) as site:
        head = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n"
        for rest in (b"\r\n", b"Expect: 100-continue\r\n\r\n"):
            client = await site.ask(head + rest)
            answer = await client.answer()
            assert answer.status == "HTTP/1.1 413 Request Entity Too Large"
            assert answer.body == b"Request body(101 bytes) too large"
            assert answer.header("Connection") == "close"
            assert await client.end()


async def test_the_client_hears_of_it_even_while_it_sends_on() -> None:
    async with serving(too_large) as site:
        client = await site.ask(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        client.send(bytes(1_000_000))
        assert (await client.answer()).status == "HTTP/1.1 413 Request Entity Too Large"


async def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    async with serving(too_large) as site:
        chunked = b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        client = await site.ask(chunked + b"64\r\n" + bytes(100) + b"\r\n0\r\n\r\n")
        assert (await client.answer()).body == b"PUT /a  " + bytes(100)
        client.send(chunked + b"65\r\n" + bytes(101) + b"\r\n0\r\n\r\n")
        assert (await client.answer()).body == b"Request body(-1 bytes) too large"
        assert await client.end()


@pytest.mark.parametrize(
    "story",
    [
        test_the_client_hears_of_it_even_while_it_sends_on,
    ],
)
def test_the_same_on_uvloop(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_on_uvloop(story)
