"""TCP and TLS connections for checks, with failures in the words of Go's `net` package.

What a check could not do is its output, and people (and tests) compare it with Consul's.
"""

import asyncio
import errno
import functools
import os
import socket
import ssl
from collections.abc import Callable

from proconsul.runtime.tls import client_context
from proconsul.wire.golang import join_host_port

TlsContexts = Callable[[bool, bool], ssl.SSLContext]  # by: skip verification; for HTTP/2

PORT_MAX = 65535

_VERIFY_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})  # X509_V_ERR_*: no path to a root
_VERIFY_EXPIRED = 10


class DialError(Exception):
    """No connection; str() is what Go says."""


@functools.cache
def default_tls(skip_verify: bool, http2: bool) -> ssl.SSLContext:
    """TLS with the system's roots and no certificate of our own, as checks use it by default."""
    context = client_context()
    if skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if http2:
        context.set_alpn_protocols(["h2"])
    return context


def split_host_port(address: str) -> tuple[str, int]:
    """`host:port`, IPv6 in brackets; an empty host is this machine.

    Raises DialError, as Go's dialer complains.
    """
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        raise DialError(f"dial tcp: address {address}: missing port in address")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise DialError(f"dial tcp: address {address}: too many colons in address")
    if not port.isdigit():
        raise DialError(f"dial tcp: address tcp/{port}: unknown port")
    check_port(port)
    return host.strip("[]"), int(port)


def check_port(port: str) -> None:
    """Raise DialError if the number is none of a port."""
    if int(port) > PORT_MAX:
        raise DialError(f"dial tcp: address {port}: invalid port")


async def dial(
    host: str, port: int, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, within whatever timeout the caller is in; tries each address of a name.

    Raises DialError about the first of them, as Go does.
    """
    first: DialError | None = None
    for address in await _addresses(host, port):
        shown = join_host_port(address if host else "", port)
        try:
            return await _dial_one(address, port, shown, host, tls)
        except DialError as failure:
            first = first or failure
    assert first is not None, "a name without addresses has been refused"
    raise first


async def _addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, IPv4 first."""
    if not host:
        return ["127.0.0.1"]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as failure:
        raise DialError(f"dial tcp: lookup {host}: no such host") from failure
    found.sort(key=lambda one: one[0] != socket.AF_INET)
    return [str(one[4][0]) for one in found]


async def _dial_one(
    address: str, port: int, shown: str, host: str, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    target = f"dial tcp {shown}"
    try:
        return await asyncio.open_connection(
            address, port, ssl=tls, server_hostname=host if tls is not None else None
        )
    except ssl.SSLError as failure:
        raise DialError(_tls_text(failure, host)) from failure
    except ConnectionResetError as failure:  # in the handshake
        raise DialError("EOF" if tls is not None else _text(target, failure)) from failure
    except OSError as failure:
        raise DialError(_text(target, failure)) from failure


def _text(target: str, failure: OSError) -> str:
    if isinstance(failure, TimeoutError) or failure.errno == errno.ETIMEDOUT:
        return f"{target}: i/o timeout"
    number = failure.errno
    if number is None:  # asyncio joins the failures of several addresses into one text
        return f"{target}: {failure}"
    return f"{target}: connect: {os.strerror(number).lower()}"


def _tls_text(failure: ssl.SSLError, host: str) -> str:
    if isinstance(failure, ssl.SSLCertVerificationError):
        if failure.verify_code in _VERIFY_UNKNOWN_AUTHORITY:
            return "x509: certificate signed by unknown authority"
        if failure.verify_code == _VERIFY_EXPIRED:
            return "x509: certificate has expired or is not yet valid"
        return f"x509: certificate is not valid for {host}: {failure.verify_message}"
    reason = failure.reason or str(failure)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "tls: first record does not look like a TLS handshake"
    return f"tls: {reason.lower().replace('_', ' ')}"
