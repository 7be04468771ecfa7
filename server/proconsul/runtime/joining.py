"""`consul join` and `-join`: reach another server, and say in Consul's words what went wrong.

Where there is nobody to meet (the WAN pool is not there yet) only this server itself can be
joined, as it is a member already. Who answers at another address is told that, by an error.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proconsul.errors import RpcError
from proconsul.runtime.join_addresses import host_and_port
from proconsul.runtime.rpc_client import RpcTransportError
from proconsul.wire.golang import join_host_port, list_of_errors

DIAL_S = 10.0
_NO_POOL = "there is no gossip pool yet: only a server of this kind can be joined, at its RPC port"

Meet = Callable[[str, int], Awaitable[None]]
"""Introduces this server at an IP address and port.

Raises RpcTransportError if nobody answers, RpcError if whoever answers becomes no member.
"""


@dataclass(frozen=True, slots=True)
class Gate:
    """The gossip port of a pool, and the addresses under which this server is in it."""

    port: int
    own: frozenset[str]


async def join(address: str, gate: Gate, meet: Meet | None = None) -> int:
    """How many members were reached. Raises RpcError."""
    reached, complaints = await reach(address, gate, meet)
    if not reached:
        raise RpcError(list_of_errors(complaints))
    return reached


async def reach(address: str, gate: Gate, meet: Meet | None) -> tuple[int, list[str]]:
    """(how many members were reached, what was wrong with the others)."""
    host, port = host_and_port(address, gate.port)
    try:
        addresses = await _resolve(address, host)
    except RpcError as failure:
        return 0, [str(failure)]
    reached, complaints = 0, []
    for found in addresses:
        if found in gate.own and port == gate.port:
            reached += 1
            continue
        complaint = await _met(found, port, meet)
        if complaint:
            complaints.append(f"Failed to join {found}: {complaint}")
        else:
            reached += 1
    return reached, complaints


async def _met(host: str, port: int, meet: Meet | None) -> str:
    """What is wrong; "" if that server is a member now."""
    if meet is None:
        return await _complaint(host, port)
    try:
        await meet(host, port)
    except RpcTransportError:
        # Told as Consul would, which dials the gossip port.
        return await _complaint(host, port)
    except RpcError as failure:
        text = str(failure)
        return _NO_POOL if "can't find service" in text else text
    return ""


async def _resolve(address: str, host: str) -> list[str]:
    if not host:
        raise RpcError(f"Failed to resolve {address}: lookup : no such host")
    loop = asyncio.get_running_loop()
    try:
        rows = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failure:
        raise RpcError(
            f"Failed to resolve {address}: lookup {host}{_name_server()}: no such host"
        ) from failure
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
    try:
        async with asyncio.timeout(DIAL_S):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as failure:
        return dial_complaint(join_host_port(host, port), failure)
    writer.close()
    return _NO_POOL


def dial_complaint(address: str, failure: BaseException | None) -> str:
    """As Go tells that nobody could be reached."""
    if not isinstance(failure, OSError) or isinstance(failure, TimeoutError):
        return f"dial tcp {address}: i/o timeout"
    number = failure.errno or errno.EIO
    return f"dial tcp {address}: connect: {os.strerror(number).lower()}"
