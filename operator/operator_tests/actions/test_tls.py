"""A CA that does not say what its key is for is trusted by all who dial, as Go does it.

Python's default context refuses such a CA since 3.13, by a flag. The tests hold on any Python: they
look at the flag, and shake hands with it and without.
"""

import asyncio
import base64
import datetime
import http.server
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kopf
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubernetes.aio.client import ApiClient

from operator_tests.actions.test_certificates import handshake
from proconsul_operator.actions.job_orders import JobError
from proconsul_operator.actions.job_server import JobServer
from proconsul_operator.actions.kube import settings_of
from proconsul_operator.actions.objectstore import StoreError
from proconsul_operator.actions.stores import Places, open_location
from proconsul_operator.actions.tls import as_go, trust_file, trust_only, trust_usual
from proconsul_operator.api.places import Http, Location
from proconsul_operator.handlers import ClusterConnection

NAME = "localhost"


@dataclass(frozen=True, slots=True)
class Authority:
    """A home-made CA, and a server with a certificate of it."""

    ca_file: Path
    server: ssl.SSLContext

    @property
    def pem(self) -> str:
        return self.ca_file.read_text(encoding="ascii")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("ca")
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = certificate("home-made", ca_key.public_key(), ca_key, is_ca=True)
    leaf = certificate(NAME, key.public_key(), ca_key, is_ca=False)
    (folder / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(
        leaf.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return Authority(folder / "ca.crt", server)


def certificate(
    name: str, key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> x509.Certificate:
    """Without key usage, and with all else that the strict flag asks for."""
    now = datetime.datetime.now(datetime.UTC)
    hour = datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "home-made")]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - hour)
        .not_valid_after(now + hour)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .sign(signer, hashes.SHA256())
    )


def kubeconfig(authority: Authority, folder: Path) -> str:
    cluster = {
        "server": "https://127.0.0.1:9",
        "certificate-authority-data": base64.b64encode(authority.pem.encode()).decode(),
    }
    config = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "x",
    }
    (folder / "config").write_bytes(msgspec.json.encode(config))
    return str(folder / "config")


def of_the_kubernetes_client(authority: Authority, folder: Path) -> ssl.SSLContext:
    async def made() -> ssl.SSLContext:
        async with ApiClient(await settings_of(kubeconfig(authority, folder))) as client:
            context: ssl.SSLContext = client.rest_client.ssl_context
            return context

    return asyncio.run(made())


def of_kopf(authority: Authority) -> ssl.SSLContext:
    found = kopf.ConnectionInfo(server="https://127.0.0.1:9", ca_data=authority.pem, token="t")
    ours = ClusterConnection.of(found)
    assert (ours.server, ours.token, ours.as_http_headers()) == (
        found.server,
        found.token,
        found.as_http_headers(),
    )
    return ours.as_ssl_context()


@pytest.mark.parametrize("whose", ["only", "file", "usual", "strict", "kubernetes", "kopf"])
def test_a_ca_without_key_usage_is_trusted_and_a_wrong_name_is_not(
    authority: Authority, tmp_path: Path, whose: str
) -> None:
    match whose:
        case "only":
            context = trust_only([authority.pem])
        case "file":
            context = trust_file(authority.ca_file)
        case "usual":
            context = trust_usual(more=authority.ca_file)
        case "strict":  # as Python 3.13 makes it
            made = ssl.create_default_context(cafile=authority.ca_file)
            made.verify_flags |= ssl.VERIFY_X509_STRICT
            context = as_go(made)
        case "kubernetes":
            context = of_the_kubernetes_client(authority, tmp_path)
        case _:
            context = of_kopf(authority)
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED
    handshake(context, authority.server, NAME)
    with pytest.raises(ssl.SSLError, match="Hostname mismatch"):
        handshake(context, authority.server, "elsewhere.test")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(ssl.SSLError, match="does not include key usage"):
        handshake(context, authority.server, NAME)


class Peers(http.server.BaseHTTPRequestHandler):
    """As a server answers for its peers, and a store for an object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def url(authority: Authority) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peers)
    server.socket = authority.server.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://{NAME}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_job_reaches_a_server_of_that_ca_and_without_the_ca_it_does_not(
    authority: Authority, url: str
) -> None:
    assert JobServer(url=url, ca_file=authority.ca_file).keys() == 0
    with pytest.raises(JobError, match="CERTIFICATE_VERIFY_FAILED"):
        JobServer(url=url).keys()


def test_a_store_of_that_ca_is_read_and_without_the_ca_it_is_not(
    authority: Authority, url: str, tmp_path: Path
) -> None:
    location = Location(http=Http(url=f"{url}/shelf/one.snap"))
    store, name = open_location(location, Places(ca_file=authority.ca_file))
    assert b"".join(store.get(name)) == b"[]"
    store, name = open_location(location, Places(ca_file=tmp_path / "none"))
    with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
        b"".join(store.get(name))
