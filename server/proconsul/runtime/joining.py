"""`consul join` and `-join`: reach the pool through an address, and say in Consul's words what
went wrong.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable

from proconsul.errors import RpcError
from proconsul.runtime.join_addresses import host_and_port
from proconsul.wire.golang import join_host_port, list_of_errors

DIAL_S = 10.0

Join = Callable[[str, int], Awaitable[str]]
"""Joins through an IP address and a gossip port: what is wrong, "" when it worked."""


async def join(address: str, port: int, join_one: Join) -> int:
    """How many members were reached; `port` is that of the pool. Raises RpcError."""
    reached, complaints = await reach(address, port, join_one)
    if not reached:
        raise RpcError(list_of_errors(complaints))
    return reached


async def reach(address: str, port: int, join_one: Join) -> tuple[int, list[str]]:
    """(how many members were reached, what was wrong with the others)."""
    host, port = host_and_port(address, port)
    try:
        addresses = await _resolve(address, host)
    except RpcError as failure:
        return 0, [str(failure)]
    told = await asyncio.gather(*(join_one(found, port) for found in addresses))
    complaints = [complaint for complaint in told if complaint]
    return len(told) - len(complaints), complaints


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


async def complaint_of_dial(host: str, port: int) -> str:
    """Why nobody can be reached there, as Go tells it; "" if somebody listens."""
    address = join_host_port(host, port)
    try:
        async with asyncio.timeout(DIAL_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"dial tcp {address}: i/o timeout"
    except OSError as failure:
        reason = os.strerror(failure.errno or errno.EIO).lower()
        return f"dial tcp {address}: connect: {reason}"
    writer.close()
    return ""
