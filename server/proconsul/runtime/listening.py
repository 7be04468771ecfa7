"""Opening the HTTP listeners that the configuration names; a failure says what to do about it."""

import errno
import os
import socket
import ssl

from proconsul.config.schema import (
    Config,
    ListenAddress,
    TcpAddress,
    UnixAddress,
    UnixSockets,
)
from proconsul.errors import ProconsulError
from proconsul.runtime.http_server import HttpServer, UnixAccess


class ListenError(ProconsulError):
    """An address on which this process cannot listen; the text says why and what to do."""


def require_bind_address(host: str) -> None:
    """Raise ListenError unless an interface of this host has the address.

    What other members are told must be ours, even where nothing listens at it yet.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except OSError as failure:
        raise ListenError(
            f"cannot use the bind address {host}: {reason_of(failure)}. "
            "Set -bind (bind_addr) to an address of this host."
        ) from failure


async def listen(http: HttpServer, config: Config, tls: ssl.SSLContext | None) -> None:
    """Open all listeners of `config`; `tls` is for those of HTTPS. Raises ListenError."""
    await _listen(http, "http", config.listeners.http, config.unix_sockets)
    await _listen(http, "https", config.listeners.https, config.unix_sockets, tls)


async def listen_probe(http: HttpServer, config: Config) -> None:
    """Open the listeners of the probes. Raises ListenError."""
    await _listen(http, "probe", config.listeners.probe, config.unix_sockets)


async def _listen(
    http: HttpServer,
    protocol: str,
    addresses: tuple[ListenAddress, ...],
    unix: UnixSockets,
    tls: ssl.SSLContext | None = None,
) -> None:
    for address in addresses:
        if isinstance(address, UnixAddress):
            await _listen_unix(http, address.path, unix)
        else:
            await _listen_tcp(http, protocol, address, tls)


async def _listen_tcp(
    http: HttpServer, protocol: str, address: TcpAddress, tls: ssl.SSLContext | None
) -> None:
    try:
        await http.listen_tcp(address.host, address.port, tls)
    except OSError as failure:
        where = f"[{address.host}]" if ":" in address.host else address.host
        raise ListenError(
            f"cannot listen for {protocol.upper()} at {where}:{address.port}: "
            f"{reason_of(failure)}. {_advice(failure.errno, protocol, address.port)}"
        ) from failure


def _advice(number: int | None, protocol: str, port: int) -> str:
    # Only what Consul has is a flag, too.
    key = f"ports.{protocol}" if protocol == "probe" else f"-{protocol}-port (ports.{protocol})"
    match number:
        case errno.EADDRINUSE:
            return (
                f"Another process has that port (`ss -ltnp sport = :{port}` names it): "
                f"stop it, or choose another port with {key}."
            )
        case errno.EADDRNOTAVAIL:
            return f"Set -client (addresses.{protocol}) to an address of this host."
        case errno.EACCES | errno.EPERM:
            return (
                "Ports below 1024 need root or CAP_NET_BIND_SERVICE: "
                f"choose another port with {key}."
            )
        case _:
            return f"Check -client (addresses.{protocol}) and ports.{protocol}."


async def _listen_unix(http: HttpServer, path: str, wanted: UnixSockets) -> None:
    access = UnixAccess(mode=wanted.mode, user=wanted.user, group=wanted.group)
    try:
        await http.listen_unix(path, access)
    except LookupError:
        reason = f"there is no user {wanted.user!r}: mend unix_sockets.user"
    except ValueError:
        reason = (
            f"unix_sockets.mode {wanted.mode!r} must be an octal number, "
            f"and unix_sockets.group {wanted.group!r} a number"
        )
    except OSError as failure:
        reason = reason_of(failure)
    else:
        return
    raise ListenError(f"cannot listen at unix://{path}: {reason}")


def reason_of(failure: OSError) -> str:
    """What the system says, without numbers and paths, which the sentence around it has already."""
    if failure.errno == errno.EEXIST:
        return "there is a file of that name that is no socket, and it is not ours to remove"
    return os.strerror(failure.errno).lower() if failure.errno else str(failure)
