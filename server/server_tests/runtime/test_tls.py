"""HTTPS: who gets in, who does not, and new certificates without a restart."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proconsul.api.http import Request, Response
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.http_server import HttpServer
from proconsul.runtime.tls import TlsError, TlsSettings, server_context
from server_tests.runtime.http_client import connect

HOST = "127.104.0.6"
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Pair:
    """A certificate and its key, in files."""

    cert_file: str
    key_file: str


class Authority:
    """A CA that makes certificates for HOST."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.ca_file = str(folder / f"{name}.pem")
        certificate = self._sign(self.name, self.key.public_key(), is_ca=True)
        Path(self.ca_file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def pair(self, name: str) -> Pair:
        """A new certificate, over an old one of the same name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), is_ca=False)
        pair = Pair(str(self.folder / f"{name}.crt"), str(self.folder / f"{name}.key"))
        Path(pair.cert_file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        Path(pair.key_file).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair

    def client_context(self, pair: Pair | None = None) -> ssl.SSLContext:
        """A client that trusts this CA."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols(["h2", "http/1.1"])
        if pair is not None:
            context.load_cert_chain(pair.cert_file, pair.key_file)
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, is_ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )


def settings_of(pair: Pair, ca_file: str = "", *, verify_incoming: bool = False) -> TlsSettings:
    """What the configuration would say."""
    return TlsSettings(
        cert_file=pair.cert_file,
        key_file=pair.key_file,
        ca_file=ca_file,
        verify_incoming=verify_incoming,
    )


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
    authority = Authority(tmp_path, "ca")
    server = make_server()
    _, port = await server.listen_tcp(
        HOST, 0, server_context(settings_of(authority.pair("server")))
    )
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
    authority = Authority(tmp_path, "ca")
    server = make_server()
    settings = settings_of(authority.pair("server"))
    _, port = await server.listen_tcp(HOST, 0, server_context(settings))
    serials = []
    clients = []
    for _ in range(2):
        client = await connect(HOST, port, authority.client_context())
        clients.append(client)
        serials.append(client.writer.get_extra_info("peercert")["serialNumber"])
        authority.pair("server")
        await server.reload_tls(server_context(settings))
    assert serials[0] != serials[1]
    for client in clients:
        client.send(GET)
        assert (await client.answer()).body == b"tls: True"
        client.close()

    other = Authority(tmp_path, "other")
    await server.reload_tls(server_context(settings_of(other.pair("server"))))
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(HOST, port, authority.client_context())
    (await connect(HOST, port, other.client_context())).close()
    await server.stop(1)


@pytest.mark.real_clock
async def test_verify_incoming_wants_a_certificate_of_our_ca(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    stranger = Authority(tmp_path, "stranger")
    server = make_server()
    settings = settings_of(authority.pair("server"), authority.ca_file, verify_incoming=True)
    _, port = await server.listen_tcp(HOST, 0, server_context(settings))
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


def test_files_that_make_no_context_are_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    pair, other = authority.pair("a"), authority.pair("b")
    missing = str(tmp_path / "missing")
    for settings, text in (
        (settings_of(Pair(pair.cert_file, other.key_file)), "failed to load cert/key pair"),
        (settings_of(Pair(missing, pair.key_file)), "missing"),
        (settings_of(Pair("", "")), "cert_file is not set"),
        (settings_of(pair, missing), "failed to load CA certificates from .*missing"),
        (settings_of(pair, pair.key_file), "failed to load CA certificates"),
        (settings_of(pair, verify_incoming=True), "VerifyIncoming set, and no CA certificate"),
    ):
        with pytest.raises(TlsError, match=text):
            server_context(settings)
    with pytest.raises(TlsError, match="tls_min_version"):
        server_context(
            TlsSettings(cert_file=pair.cert_file, key_file=pair.key_file, tls_min_version="ssl3")
        )


def test_a_directory_of_authorities_is_read_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "cas"
    folder.mkdir()
    authorities = [Authority(folder, name) for name in ("one", "two")]
    pair = Authority(tmp_path, "ca").pair("server")
    context = server_context(
        TlsSettings(
            cert_file=pair.cert_file,
            key_file=pair.key_file,
            ca_path=str(folder),
            verify_incoming=True,
        )
    )
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == len(authorities)
