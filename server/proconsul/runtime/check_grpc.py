"""One call of gRPC's health service (grpc.health.v1, `Check`), over HTTP/2.

The two messages have one field each, so they are written by hand: a request is the name of
the service (field 1, a string), an answer its status (field 1, a varint; 1 is SERVING).
"""

import asyncio
import ssl
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from proconsul.local.state import Status
from proconsul.model.health import CheckType
from proconsul.runtime.check_dial import DialError, TlsContexts, dial, split_host_port
from proconsul.wire.golang import SECOND, quote

TIMEOUT_S_DEFAULT = 10.0
ANSWER_SIZE_BYTES_MAX = 1 << 16
READ_SIZE_BYTES = 1 << 16
SERVING = 1

_CODES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)


class GrpcError(Exception):
    """The call failed; str() is what grpc-go says."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {text}")


class Call:
    """The answer to the one stream of a connection, as it comes in."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.data = b""
        self.ended = False

    def take(self, event: Event, connection: H2Connection) -> None:
        """Take one event of the connection. Raises GrpcError."""
        match event:
            case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
                self.headers |= {_word(name): _word(value) for name, value in headers or ()}
            case DataReceived(data=data, flow_controlled_length=length, stream_id=stream_id):
                self.data += data or b""
                if len(self.data) > ANSWER_SIZE_BYTES_MAX:
                    raise GrpcError("ResourceExhausted", "grpc: received message too large")
                connection.acknowledge_received_data(length or 0, stream_id or 1)
            case StreamEnded():
                self.ended = True
            case StreamReset() | ConnectionTerminated():
                raise GrpcError("Unavailable", "transport is closing")
            case _:
                pass

    def status(self) -> int:
        """The serving status. Raises GrpcError if the answer says the call failed."""
        http = self.headers.get(":status", "")
        if "grpc-status" not in self.headers:
            if http == "200":
                raise GrpcError("Internal", "server closed the stream without sending trailers")
            raise GrpcError("Unknown", f"unexpected HTTP status code {http}")
        raw = self.headers["grpc-status"]
        code = int(raw) if raw.isdigit() else 2
        if code != 0:
            name = _CODES[code] if code < len(_CODES) else f"Code({code})"
            raise GrpcError(name, unquote(self.headers.get("grpc-message", "")))
        return _serving_status(self.data)


def _word(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _serving_status(data: bytes) -> int:
    """Field 1 of the message in its 5-byte frame; other fields are of no interest to us."""
    body = data[5 : 5 + int.from_bytes(data[1:5], "big")]
    if len(body) >= 2 and body[0] == 0x08:
        return body[1]
    return 0


def _request(service: str) -> bytes:
    name = service.encode("utf-8", "surrogateescape")
    message = b"" if not name else b"\x0a" + _varint(len(name)) + name
    return b"\x00" + len(message).to_bytes(4, "big") + message


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    return bytes([*out, value])


async def probe_grpc(check: CheckType, tls: TlsContexts) -> tuple[str, str]:
    """The status and output of one run of a gRPC check; its target is `host:port[/service]`."""
    address, _, service = check.grpc.partition("/")
    timeout_s = check.timeout / SECOND if check.timeout > 0 else TIMEOUT_S_DEFAULT
    context = tls(check.tls_skip_verify, True) if check.grpc_use_tls else None
    try:
        async with asyncio.timeout(timeout_s):
            status = await _call(address, service, context)
    except TimeoutError:
        return Status.CRITICAL, (
            "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
        )
    except GrpcError as failure:
        return Status.CRITICAL, str(failure)
    if status != SERVING:
        return Status.CRITICAL, "gRPC application didn't report service healthy"
    return Status.PASSING, f"gRPC check {check.grpc}: success"


async def _call(address: str, service: str, tls: ssl.SSLContext | None) -> int:
    try:
        host, port = split_host_port(address)
        reader, writer = await dial(host, port, tls)
    except DialError as failure:
        inner = f"transport: Error while dialing {failure}"
        if tls is not None and not str(failure).startswith("dial "):
            inner = f"transport: authentication handshake failed: {failure}"
        raise GrpcError("Unavailable", f"connection error: desc = {quote(inner)}") from failure
    try:
        return await _exchange(reader, writer, address, service, "https" if tls else "http")
    except (ConnectionError, ProtocolError, ssl.SSLError) as failure:
        raise GrpcError("Unavailable", "connection closed") from failure
    finally:
        writer.transport.abort()


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    address: str,
    service: str,
    scheme: str,
) -> int:
    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    stream_id = connection.get_next_available_stream_id()
    headers = [
        (":method", "POST"),
        (":scheme", scheme),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", address),
        ("content-type", "application/grpc"),
        ("user-agent", "Consul Health Check"),
        ("te", "trailers"),
    ]
    connection.send_headers(stream_id, headers)
    connection.send_data(stream_id, _request(service), end_stream=True)
    writer.write(connection.data_to_send())
    call = Call()
    while not call.ended:
        data = await reader.read(READ_SIZE_BYTES)
        if not data:
            raise GrpcError("Unavailable", "connection closed")
        for event in connection.receive_data(data):
            call.take(event, connection)
        writer.write(connection.data_to_send())
        await writer.drain()
    return call.status()
