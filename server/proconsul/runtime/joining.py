"""`consul join`: reach another member's gossip port, and say in Consul's words what went wrong.

There is no gossip pool yet: only this server itself can be joined, as it is a member already.
Who answers at another address is told that, by an error.
"""

import asyncio
import errno
import ipaddress
import os
import socket
from dataclasses import dataclass

from proconsul.errors import RpcError
from proconsul.wire.golang import list_of_errors

DIAL_S = 10.0
_NO_POOL = "this server has no gossip pool yet: it runs as a cluster of one"


@dataclass(frozen=True, slots=True)
class Gate:
    """The gossip port of a pool, and the addresses under which this server is in it."""

    port: int
    own: frozenset[str]


async def join(address: str, gate: Gate) -> int:
    """How many members were reached. Raises RpcError."""
    host, port = _host_and_port(address, gate.port)
    complaints = []
    for found in await _resolve(address, host):
        if found in gate.own and port == gate.port:
            return 1
        complaints.append(f"Failed to join {found}: {await _complaint(found, port)}")
    raise RpcError(list_of_errors(complaints))


def _host_and_port(address: str, port: int) -> tuple[str, int]:
    try:
        return str(ipaddress.ip_address(address)), port
    except ValueError:
        host, colon, tail = address.rpartition(":")
    if colon and tail.isdigit():
        return host.strip("[]"), int(tail)
    return address.strip("[]"), port


async def _resolve(address: str, host: str) -> list[str]:
    if not host:
        raise RpcError(list_of_errors([f"Failed to resolve {address}: lookup : no such host"]))
    complaint = f"Failed to resolve {address}: lookup {host}{_name_server()}: no such host"
    loop = asyncio.get_running_loop()
    try:
        rows = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failure:
        raise RpcError(list_of_errors([complaint])) from failure
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def _name_server() -> str:
    """` on address:53`, the first server that names are asked from."""
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
            rows = [line.split() for line in file]
    except OSError:
        return ""
    found = [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]
    return f" on {found[0]}:53" if found else ""


async def _complaint(host: str, port: int) -> str:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        async with asyncio.timeout(DIAL_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"dial tcp {shown}: i/o timeout"
    except OSError as failure:
        number = failure.errno or errno.EIO
        return f"dial tcp {shown}: connect: {os.strerror(number).lower()}"
    writer.close()
    return _NO_POOL
