"""From a new connection to the RPC port to what it is for: first byte, TLS, and the byte inside.

Nothing is said before the client speaks, and who asks for what is not served is closed without a
word, as in Consul (wire/rpc.md section 1). How long all this may take, the caller says.
"""

import asyncio
import socket
import ssl

from msgspec import Struct

from proconsul.rpc.first_byte import (
    Service,
    service_for,
    service_for_protocol,
    service_inside_tls,
)
from proconsul.runtime.logs import logger
from proconsul.runtime.rpc_streams import SocketStream, open_on
from proconsul.runtime.tls import RpcTls, is_for

log = logger("rpc")


class Opened(Struct, frozen=True):
    """A connection behind its first byte, or behind its handshake."""

    service: Service
    stream: SocketStream


async def opened_on(connected: socket.socket, tls: RpcTls) -> Opened | None:
    """What a client wants; None: it was closed. Whoever gives up closes it, too.

    Raises OSError and IncompleteReadError.
    """
    try:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # One byte, so that a TLS handshake behind it is left for who understands it.
        first = await asyncio.get_running_loop().sock_recv(connected, 1)
        service = service_for(first[0], tls.policy) if first else None
        if first and service is None:
            _tell_refusal(first[0], tls, connected.getpeername())
    except BaseException:
        connected.close()
        raise
    match service:
        case None:
            connected.close()
            return None
        case Service.TLS:
            return await _byte_inside(await _encrypted(connected, tls.context), tls)
        case Service.TLS_INSECURE:
            return Opened(service, await _encrypted(connected, tls.insecure))
        case Service.TLS_NATIVE:
            return _chosen(await _encrypted(connected, tls.native, first), tls)
        case _:
            return Opened(service, await open_on(connected, is_server=True))


def _tell_refusal(byte: int, tls: RpcTls, peer: object) -> None:
    if service_inside_tls(byte) is not None:
        log.warning("non-TLS connection attempted with VerifyIncoming set: conn=from=%s", peer)
    else:
        log.info("unrecognized RPC byte: byte=%d conn=from=%s", byte, peer)


async def _encrypted(
    connected: socket.socket, context: ssl.SSLContext | None, received: bytes = b""
) -> SocketStream:
    assert context is not None, "the policy says what there is"
    return await open_on(connected, tls=context, is_server=True, received=received)


async def _byte_inside(stream: SocketStream, tls: RpcTls) -> Opened | None:
    try:
        first = await stream.reader.readexactly(1)
    except BaseException:
        stream.abort()
        raise
    service = service_inside_tls(first[0])
    if service is None:
        log.info("unrecognized RPC byte inside TLS: %d", first[0])
    return _authorized(service, stream, tls)


def _chosen(stream: SocketStream, tls: RpcTls) -> Opened | None:
    protocol = stream.alpn_protocol
    service = service_for_protocol(protocol)
    if service is None:
        log.info("discarding RPC for unknown negotiated protocol: protocol=%s", protocol or "")
    return _authorized(service, stream, tls)


def _authorized(service: Service | None, stream: SocketStream, tls: RpcTls) -> Opened | None:
    """Raft is for servers: any agent has a certificate of the CA, only they have that name."""
    named = tls.raft_name
    if service is Service.RAFT and named and not is_for(stream.peer_certificate, named):
        log.warning("raft is refused: no certificate for %s was shown", named)
        service = None
    if service is None:
        stream.close()
        return None
    return Opened(service, stream)
