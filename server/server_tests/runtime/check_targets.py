"""Real servers on loopback for health checks to probe: HTTP, TLS, gRPC."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

IP = "127.109.0.1"

Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(session: Session, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve connections, each with `session`; gives the port."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await session(reader, writer)
            await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, IP, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, list[str], bytes]:
    """The first line, the headers sorted, and the body of a request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    lengths = [line.split(": ")[1] for line in head if line.startswith("Content-Length: ")]
    body = await reader.readexactly(int(lengths[0])) if lengths else b""
    return head[0], sorted(line for line in head[1:] if line), body


def answering(raw: bytes) -> Session:
    """A server that answers any request with these bytes."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(raw)

    return session


def http_answer(status: str, body: bytes = b"", headers: str = "") -> bytes:
    """The bytes of an HTTP answer."""
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that never answers, until the other side gives up."""
    while await reader.read(1 << 16):
        pass


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that answers with the request that it got."""
    line, headers, body = await read_request(reader)
    writer.write(http_answer("200 OK", "\n".join([line, *headers, body.decode()]).encode()))


def grpc_health(statuses: dict[str, int]) -> Session:
    """A gRPC health server that knows these services."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        received = b""
        while data := await reader.read(1 << 16):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    assert (b":path", b"/grpc.health.v1.Health/Check") in list(event.headers or ())
                if isinstance(event, DataReceived):
                    received += event.data or b""
                if isinstance(event, StreamEnded):
                    _answer_health(connection, event.stream_id or 0, received, statuses)
            writer.write(connection.data_to_send())

    return session


def _answer_health(
    connection: H2Connection, stream_id: int, received: bytes, statuses: dict[str, int]
) -> None:
    service = received[7:].decode()  # 5 bytes of frame, the tag, the length
    head = [(":status", "200"), ("content-type", "application/grpc")]
    if service not in statuses:
        trailers = [("grpc-status", "5"), ("grpc-message", "unknown service")]
        connection.send_headers(stream_id, head + trailers, end_stream=True)
        return
    connection.send_headers(stream_id, head)
    connection.send_data(stream_id, b"\x00\x00\x00\x00\x02\x08" + bytes([statuses[service]]))
    connection.send_headers(stream_id, [("grpc-status", "0")], end_stream=True)


def server_tls(folder: Path, alpn: list[str]) -> ssl.SSLContext:
    """TLS with a certificate for `IP` that it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(IP))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.set_alpn_protocols(alpn)
    return context
