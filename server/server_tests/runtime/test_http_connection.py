"""Requests and their answers, in order, at once or later, and clients that leave in between."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proconsul.api.http import Request, Response
from server_tests.runtime.http_site import (
    GET,
    HOST,
    Waiting,
    echo,
    run_on_uvloop,
    serving,
)


async def test_a_connection_serves_one_request_after_another() -> None:
    async with serving(echo) as site:
        client = await site.ask(GET + b"\r\n")
        answer = await client.answer()
        assert answer.status == "HTTP/1.1 200 OK"
        assert [name for name, _ in answer.headers] == [
            "Vary",
            "X-Consul-Index",
            "Date",
            "Content-Length",
            "Content-Type",
        ]
        assert answer.header("Content-Type") == "text/plain; charset=utf-8"
        assert answer.body == b"GET /a  "
        client.send(b"PUT /b%2Fc?x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        assert (await client.answer()).body == b"PUT /b/c x abc"
        assert not client.at_end()


async def test_a_request_may_come_byte_by_byte() -> None:
    async with serving(echo) as site:
        client = await site.client()
        for octet in b"PUT /abc HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz":
            client.send(bytes([octet]))
            await asyncio.sleep(0.001)
        assert (await client.answer()).body == b"PUT /abc  xyz"


async def test_a_key_need_not_be_escaped_to_hold_any_byte() -> None:
    def paths(request: Request) -> Response:
        return Response(200, request.path.encode("utf-8", "surrogateescape") + request.body, [])

    async with serving(paths) as site:
        client = await site.ask("GET /v1/kv/é HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert (await client.answer()).body == "/v1/kv/é".encode()
        put = b"PUT /\xff%%fe HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\xff\n\xfe"
        client.send(put)
        assert (await client.everything()).startswith("HTTP/1.1 400 Bad Request\r\n")
        client = await site.ask(put.replace(b"%%", b"%"))
        assert (await client.answer()).body == b"/\xff\xfe\xff\n\xfe"


async def test_such_a_key_may_come_byte_by_byte_and_behind_another_one() -> None:
    def path(request: Request) -> Response:
        return Response.text(200, request.path)

    async with serving(path) as site:
        client = await site.client()
        request = "GET /é/è HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        for octet in request:
            client.send(bytes([octet]))
            await asyncio.sleep(0.001)
        assert (await client.answer()).body == "/é/è".encode()
        client.send(request * 3)
        for _ in range(3):
            assert (await client.answer()).body == "/é/è".encode()


async def test_answers_keep_the_order_of_the_requests_when_the_first_is_slow() -> None:
    handler = Waiting()
    async with serving(handler) as site:
        client = await site.ask(
            b"GET /slow?index=1 HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"\r\n" + GET + b"\r\n"
        )
        assert await handler.arrived.get() == "/slow"
        assert await client.nothing_arrives(within_s=1)
        handler.gates["/slow"].set_result("at last")
        assert (await client.answer()).body == b"at last"
        assert (await client.answer()).body == b"GET /a  "
        assert (await client.answer()).body == b"GET /a  "


async def test_a_client_far_ahead_of_its_answers_is_not_read_any_further() -> None:
    handler = Waiting()
    async with serving(handler) as site:
        client = await site.ask(b"GET /slow?index=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        await handler.arrived.get()
        padded = GET + b"X: " + bytes(8000).replace(b"\0", b"x") + b"\r\n\r\n"
        for _ in range(2000):  # 16 MB: more than sockets hold
            client.send(padded)
        assert await client.cannot_send(within_s=1)
        handler.gates["/slow"].set_result("")
        for _ in range(2001):
            assert (await client.answer()).status == "HTTP/1.1 200 OK"


async def test_thousands_of_requests_in_one_packet_are_answered_without_holding_them_all() -> None:
    handled = 0

    async def at_once(request: Request) -> Response:
        nonlocal handled
        handled += 1
        if handled == 1:
            await asyncio.sleep(1)
        return Response.text(200, str(handled))

    async with serving(at_once) as site:
        client = await site.ask(b"GET / HTTP/1.1\r\nHost:\r\n\r\n" * 5000)
        for number in range(1, 5001):
            assert (await client.answer()).body == str(number).encode()


async def test_a_chunked_body_is_put_together() -> None:
    async with serving(echo) as site:
        client = await site.ask(
            b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
        )
        assert (await client.answer()).body == b"PUT /a  abcde"


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async with serving(echo) as site:
        client = await site.ask(
            b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert await client.line() == "HTTP/1.1 100 Continue"
        assert await client.line() == ""
        client.send(b"ok")
        assert (await client.answer()).body == b"PUT /a  ok"


@pytest.mark.parametrize("path", [b"/a", b"/upload"])
async def test_who_asks_first_is_not_told_to_go_on_before_the_answers_before_that(
    path: bytes,
) -> None:
    handler = Waiting()
    async with serving(handler) as site:
        client = await site.ask(b"GET /slow?index=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await handler.arrived.get() == "/slow"
        head = b"Host: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        client.send(b"PUT " + path + b" HTTP/1.1\r\n" + head)
        assert await client.nothing_arrives(within_s=1)
        handler.gates["/slow"].set_result("at last")
        assert (await client.answer()).body == b"at last"
        assert await client.line() == "HTTP/1.1 100 Continue"
        assert await client.line() == ""
        client.send(b"ok")
        assert (await client.answer()).status == "HTTP/1.1 200 OK"


async def test_head_gets_the_length_without_the_body() -> None:
    async with serving(echo) as site:
        client = await site.ask(b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"\r\n")
        answer = await client.answer(has_body=False)
        assert answer.header("Content-Length") == str(len("HEAD /a  "))
        assert (await client.answer()).body == b"GET /a  "


async def test_http_1_0_closes_unless_asked_to_keep_alive() -> None:
    async with serving(echo) as site:
        client = await site.ask(b"GET /a HTTP/1.0\r\n\r\n")
        answer = await client.answer()
        assert answer.status == "HTTP/1.0 200 OK"
        assert answer.header("Connection") is None
        assert await client.end()
        client = await site.ask(
            b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET + b"\r\n"
        )
        assert (await client.answer()).header("Connection") == "keep-alive"
        assert (await client.answer()).status == "HTTP/1.1 200 OK"


async def test_connection_close_is_said_and_done() -> None:
    async with serving(echo) as site:
        client = await site.ask(GET + b"Connection: close\r\n\r\n" + GET + b"\r\n")
        assert (await client.answer()).header("Connection") == "close"
        assert await client.end()


async def test_an_offer_to_speak_something_else_is_ignored() -> None:
    async with serving(echo) as site:
        upgrade = (
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
        )
        client = await site.ask(GET + upgrade + GET + b"\r\n")
        assert (await client.answer()).body == b"GET /a  "
        assert (await client.answer()).body == b"GET /a  "
        client.send((GET + upgrade) * 2000)
        for _ in range(2000):
            assert (await client.answer()).body == b"GET /a  "


async def test_a_handler_sees_who_asks() -> None:
    seen: list[Request] = []

    def note(request: Request) -> Response:
        seen.append(request)
        return Response.text(200, "")

    async with serving(note) as site:
        client = await site.ask(GET + b"X-Consul-Token: s\xff\r\nx-consul-token: t\r\n\r\n")
        answer = await client.answer()
        assert answer.header("Content-Length") == "0"
        assert answer.header("Content-Type") is None
        (request,) = seen
        assert request.local_address == f"{HOST}:{site.port}"
        assert request.remote_address == client.address
        assert request.headers.all("x-consul-token") == ["s\udcff", "t"]
        assert not request.is_tls


async def test_a_line_break_in_a_header_value_stays_inside_it() -> None:
    def tricked(request: Request) -> Response:
        return Response(200, b"", [("X-Consul-Reason", "a\r\nX-Evil: 1"), ("X-B", "2")])

    async with serving(tricked) as site:
        answer = await (await site.ask(GET + b"\r\n")).answer()
        assert answer.header("X-Consul-Reason") == "a  X-Evil: 1"
        assert answer.header("X-Evil") is None


async def test_a_client_that_leaves_frees_its_handler_at_once() -> None:
    handler = Waiting()
    async with serving(handler) as site:
        clients = [await site.ask(b"GET /w?index=1 HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(50)]
        for client in clients:
            await handler.arrived.get()
            client.close()
        for _ in clients:
            await handler.cancelled.get()
        assert site.errors == []
        assert (await (await site.ask(GET + b"\r\n")).answer()).body == b"GET /a  "


async def test_a_handler_that_answers_a_client_that_has_gone_answers_nobody() -> None:
    arrived, answered = asyncio.Event(), asyncio.Event()

    async def stubborn(request: Request) -> Response:
        arrived.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
        answered.set()
        return Response.text(200, "too late")

    async with serving(stubborn) as site:
        client = await site.ask(GET + b"\r\n")
        await arrived.wait()
        client.close()
        await answered.wait()
        assert site.errors == []


async def test_a_reset_frees_the_handler_too() -> None:
    handler = Waiting()
    async with serving(handler) as site:
        client = await site.ask(b"GET /w?index=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        await handler.arrived.get()
        client.reset()
        assert await handler.cancelled.get() == "/w"


async def test_an_exception_is_answered_and_reported() -> None:
    def fail(request: Request) -> Response | Coroutine[Any, Any, Response]:
        if request.path == "/later":
            return fail_later()
        raise RuntimeError("No cluster leader")

    async def fail_later() -> Response:
        await asyncio.sleep(0)
        raise RuntimeError("rpc error")

    async with serving(fail) as site:
        client = await site.ask(GET + b"\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await client.answer()
        assert answer.status == "HTTP/1.1 500 Internal Server Error"
        assert answer.body == b"No cluster leader"
        assert (await client.answer()).body == b"rpc error"
        assert [str(error) for error in site.errors] == ["No cluster leader", "rpc error"]


async def test_a_handler_may_use_timeouts_and_task_groups() -> None:
    async def waits(request: Request) -> Response:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(asyncio.sleep(1, "one"))
            other = group.create_task(asyncio.sleep(2, "other"))
        try:
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return Response.text(200, f"{one.result()} {other.result()} timed out")
        raise AssertionError("nobody sets that future")

    async with serving(waits) as site:
        assert (await (await site.ask(GET + b"\r\n")).answer()).body == b"one other timed out"


async def test_a_cancellation_from_below_is_an_error_and_not_a_silence() -> None:
    async def waits(request: Request) -> Response:
        gate = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(gate.cancel)
        await gate
        raise AssertionError("it was cancelled")

    async with serving(waits) as site:
        answer = await (await site.ask(GET + b"\r\n")).answer()
        assert answer.status == "HTTP/1.1 500 Internal Server Error"


@pytest.mark.parametrize(
    "story",
    [
        test_a_connection_serves_one_request_after_another,
        test_a_client_far_ahead_of_its_answers_is_not_read_any_further,
        test_thousands_of_requests_in_one_packet_are_answered_without_holding_them_all,
        test_an_offer_to_speak_something_else_is_ignored,
        test_a_client_that_leaves_frees_its_handler_at_once,
        test_a_handler_that_answers_a_client_that_has_gone_answers_nobody,
        test_a_reset_frees_the_handler_too,
        test_an_exception_is_answered_and_reported,
    ],
)
def test_the_same_on_uvloop(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_on_uvloop(story)
