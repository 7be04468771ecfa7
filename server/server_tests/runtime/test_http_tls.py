"""HTTPS: who gets in, who does not, and new certificates without a restart."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from proconsul.api.http import Request, Response
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.http_server import HttpServer
from proconsul.runtime.tls import https_context
from server_tests.runtime.certificates import Authority, tls_keys
from server_tests.runtime.http_client import connect

HOST = "127.104.0.6"
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


def says_tls(request: Request) -> Response:
    """Whether it came by TLS."""
    return Response.text(200, f"tls: {request.is_tls}")


def make_server() -> HttpServer:
    """One that answers so."""
    return HttpServer(
        says_tls,
        body_limit=lambda request: 0,
        on_error=lambda request, error: None,
        deadlines=Deadlines(),
    )


@pytest.mark.real_clock
async def test_https_speaks_http_1_1_and_says_so(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", address=HOST)
    server = make_server()
    _, port = await server.listen_tcp(HOST, 0, https_context(tls_keys(authority.pair("server"))))
    client = await connect(HOST, port, authority.client_context())
    client.send(GET + GET)
    assert (await client.answer()).body == b"tls: True"
    assert (await client.answer()).body == b"tls: True"
    assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    client.send(b"GARBAGE\r\n\r\n")
    assert (await client.everything()).endswith("400 Bad Request")
    client.close()
    await server.stop(1)


@pytest.mark.real_clock
async def test_a_reload_changes_the_certificate_for_new_connections_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", address=HOST)
    server = make_server()
    settings = tls_keys(authority.pair("server"))
    _, port = await server.listen_tcp(HOST, 0, https_context(settings))
    serials = []
    clients = []
    for _ in range(2):
        client = await connect(HOST, port, authority.client_context())
        clients.append(client)
        serials.append(client.writer.get_extra_info("peercert")["serialNumber"])
        authority.pair("server")
        await server.reload_tls(https_context(settings))
    assert serials[0] != serials[1]
    for client in clients:
        client.send(GET)
        assert (await client.answer()).body == b"tls: True"
        client.close()

    other = Authority(tmp_path, "other", address=HOST)
    await server.reload_tls(https_context(tls_keys(other.pair("server"))))
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(HOST, port, authority.client_context())
    (await connect(HOST, port, other.client_context())).close()
    await server.stop(1)


@pytest.mark.real_clock
async def test_verify_incoming_wants_a_certificate_of_our_ca(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", address=HOST)
    stranger = Authority(tmp_path, "stranger")
    server = make_server()
    settings = tls_keys(authority.pair("server"), authority.ca_file, verify_incoming=True)
    _, port = await server.listen_tcp(HOST, 0, https_context(settings))
    for pair in (None, stranger.pair("intruder")):
        # In TLS 1.3 a client learns only from its first read that it was turned away.
        client = await connect(HOST, port, authority.client_context(pair))
        client.send(GET)
        assert await client.everything() == ""
        client.close()
    welcome = await connect(HOST, port, authority.client_context(authority.pair("client")))
    welcome.send(GET)
    assert (await welcome.answer()).body == b"tls: True"
    welcome.close()
    await server.stop(1)


@pytest.mark.parametrize(
    "story",
    [
        test_https_speaks_http_1_1_and_says_so,
        test_a_reload_changes_the_certificate_for_new_connections_only,
        test_verify_incoming_wants_a_certificate_of_our_ca,
    ],
)
def test_the_same_on_uvloop(
    story: Callable[[Path], Coroutine[Any, Any, None]], tmp_path: Path
) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story(tmp_path))
