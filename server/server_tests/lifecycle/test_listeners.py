"""Where a server listens: lists of addresses, Unix sockets, HTTPS with changing certificates."""

import http.client
import os
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest

from proconsul.runtime.tls import client_context
from server_tests.lifecycle.certificates import Authority
from server_tests.lifecycle.server import Server, UnixConnection, exchange
from server_tests.loopback import address


def test_addresses_is_a_list_of_ips_and_unix_sockets(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    fragment = (
        f'addresses {{ http = "{address(50)} unix://{path} {address(51)}" }}'
        f'unix_sockets {{ mode = "0640" user = "{os.getuid()}" group = "{os.getgid()}" }}'
    )
    with Server(address(50), tmp_path, f"-hcl={fragment}") as server:
        told = f"http://{address(50)}:8500, unix://{path}, http://{address(51)}:8500"
        assert told in server.output
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert exchange(UnixConnection(path), "PUT", "/v1/kv/a", "1")[1] == "true"
        other = http.client.HTTPConnection(address(51), 8500, timeout=30)
        assert exchange(other, "GET", "/v1/kv/a?raw")[1] == "1"
        server.end()
        assert not path.exists()


def test_a_unix_socket_alone_is_told_with_a_line_to_paste(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with Server(address(52), tmp_path, f'-hcl=addresses {{ http = "unix://{path}" }}') as server:
        assert f"--unix-socket {path} -X PUT" in server.output
        assert exchange(UnixConnection(path), "GET", "/v1/status/leader")[0] == 200
        server.__exit__(None, None, None)  # a kill leaves the socket's file behind
        assert path.exists()
        server.start()
        assert exchange(UnixConnection(path), "GET", "/v1/status/leader")[0] == 200


class Https:
    """A client of one HTTPS port that trusts one authority."""

    def __init__(self, authority: Authority, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.context = client_context(str(authority.ca_file))

    def get(self, path: str) -> tuple[int, str]:
        """(status, common name of the certificate shown)."""
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=30, context=self.context
        )
        connection.connect()
        shown: Any = connection.sock.getpeercert()
        status, _, _ = exchange(connection, "GET", path)
        return status, shown["subject"][0][0][1]


def test_https_shows_its_certificate_and_a_reload_another_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("first", address(53), file="server")
    fragment = f'cert_file = "{certificate}" key_file = "{key}" ca_file = "{authority.ca_file}"'
    with Server(address(53), tmp_path, "-https-port=8501", f"-hcl={fragment}") as server:
        assert f"https://{address(53)}:8501" in server.output
        client = Https(authority, address(53), 8501)
        assert client.get("/v1/status/leader") == (200, "first")

        authority.issue("second", address(53), file="server")
        server.reload()
        assert client.get("/v1/status/leader") == (200, "second")

        authority.issue("third", address(53), file="server")
        server.put("/v1/agent/reload")
        assert client.get("/v1/status/leader") == (200, "third")

        key.write_text("no key")
        server.reload()
        assert "Failed to load cert/key pair" in server.wait_for_line("nothing changed")
        assert server.request("PUT", "/v1/agent/reload")[0] == 500
        assert client.get("/v1/status/leader") == (200, "third")


@pytest.mark.parametrize("setting", ["verify_incoming", "verify_incoming_https"])
def test_verify_incoming_lets_in_only_who_has_a_certificate(setting: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", address(54))
    fragment = (
        f'cert_file = "{certificate}" key_file = "{key}" ca_file = "{authority.ca_file}"'
        f'{setting} = true addresses {{ https = "{address(55)}" }} ports {{ http = -1 }}'
    )
    with Server(address(54), tmp_path, "-https-port=8443", f"-hcl={fragment}") as server:
        assert f"HTTP API: https://{address(55)}:8443\n" in server.output
        with pytest.raises(ConnectionRefusedError):
            server.get("/v1/status/leader")
        client = Https(authority, address(55), 8443)
        client.context.check_hostname = False
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            client.get("/v1/status/leader")
        client.context.load_cert_chain(*authority.issue("client", "127.0.0.1"))
        assert client.get("/v1/status/leader") == (200, "server")
