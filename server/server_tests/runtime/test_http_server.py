"""The server around its connections: limits, deadlines, its end, and other kinds of sockets."""

import asyncio
import os
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from proconsul.api.http import Request, Response
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.http_server import UnixAccess
from server_tests.runtime.http_client import connect_unix
from server_tests.runtime.http_site import (
    GET,
    HOST,
    Waiting,
    echo,
    run_on_uvloop,
    run_on_virtual_time,
    serving,
)


async def test_a_client_has_so_many_connections_and_no_more() -> None:
    async with serving(echo) as site:
        site.server.connections_per_client_max = 2
        first = await site.ask(GET + b"\r\n")
        await first.answer()
        second = await site.ask(GET + b"\r\n")
        await second.answer()
        third = await site.client()
        assert await third.end()
        first.close()
        await asyncio.sleep(0.1)
        fourth = await site.ask(GET + b"\r\n")
        assert (await fourth.answer()).status == "HTTP/1.1 200 OK"
        site.server.connections_per_client_max = 0
        fifth = await site.ask(GET + b"\r\n")
        assert (await fifth.answer()).status == "HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET /a HT",
        b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
        GET + b"\r\n",
    ],
)
def test_a_client_that_falls_silent_is_hung_up_on(start: bytes) -> None:
    async def story() -> None:
        deadlines = Deadlines(head_s=2, body_s=2, idle_s=2)
        async with serving(echo, deadlines) as site:
            client = await site.ask(start)
            await client.everything()
            assert site.server.connection_count == 0

    run_on_virtual_time(story)


async def test_a_waiting_query_and_a_slow_drip_are_treated_apart() -> None:
    handler = Waiting()
    async with serving(handler, Deadlines(head_s=20, idle_s=1)) as site:
        waiting = await site.ask(b"GET /w?index=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        drip = await site.ask(b"GET /a HTTP/1.1\r\n")
        for _ in range(60):
            await asyncio.sleep(1)
            drip.send(b"X: y\r\n")
        assert drip.at_end()
        handler.gates["/w"].set_result("still here")
        assert (await waiting.answer()).body == b"still here"


async def test_stopping_answers_what_is_quick_and_cancels_what_waits() -> None:
    handler = Waiting()
    async with serving(handler) as site:
        idle = await site.ask(GET + b"\r\n")
        await idle.answer()
        quick = await site.ask(b"GET /quick?index=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        slow = await site.ask(b"GET /slow?index=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        await handler.arrived.get()
        await handler.arrived.get()
        stopping = asyncio.create_task(site.server.stop(5))
        assert await idle.end()
        with pytest.raises(OSError, match=r"refused|reset|Connect call failed"):
            await site.client()
        handler.gates["/quick"].set_result("done")
        answer = await quick.answer()
        assert (answer.body, answer.header("Connection")) == (b"done", "close")
        assert await quick.end()
        assert handler.cancelled.empty()
        await stopping
        assert await handler.cancelled.get() == "/slow"
        assert await slow.everything() == ""


# ---------------------------------------------------------------- other sockets


async def test_a_unix_socket_serves_and_replaces_one_that_was_left(tmp_path: Path) -> None:
    path = str(tmp_path / "http.sock")
    seen: list[str] = []

    def note(request: Request) -> Response:
        seen.append(request.remote_address)
        return echo(request)

    async with serving(note) as site:
        await site.server.listen_unix(path, UnixAccess())
        await site.server.listen_unix(path, UnixAccess(mode="0600", group=str(os.getgid())))
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        client = site.keep(await connect_unix(path))
        client.send(GET + b"\r\n")
        assert (await client.answer()).body == b"GET /a  "
        assert seen == ["@"]
    assert os.listdir(tmp_path) == []


async def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("x")
    async with serving(echo) as site:
        with pytest.raises(OSError, match="not a socket"):
            await site.server.listen_unix(str(path), UnixAccess())
        with pytest.raises(LookupError):
            await site.server.listen_unix(str(tmp_path / "s"), UnixAccess(user="no-such-user"))
    assert path.read_text() == "x"


async def test_a_port_that_is_taken_is_named() -> None:
    async with serving(echo) as site:
        with pytest.raises(OSError, match=f"listen tcp {HOST}:{site.port}: bind: "):
            await site.server.listen_tcp(HOST, site.port)


@pytest.mark.parametrize(
    "story",
    [
        test_a_client_has_so_many_connections_and_no_more,
    ],
)
def test_the_same_on_uvloop(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_on_uvloop(story)
