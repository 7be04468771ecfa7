"""The sockets of a pool: one for datagrams and one that listens for streams, at one address.

What has come is read at once, whatever is done with it later: the kernel throws away what its
buffer cannot hold. So the buffer is asked to be large, and what is in it is moved to a queue of
our own, a bounded number of datagrams a turn, while there is room in that. Beyond both the kernel
drops, newest first, as memberlist does behind its queue of 1024.

All but `open_sockets` is called on one event loop. An address is never looked up by name: a peer
that sends nonsense for an address must not make us ask a name server.
"""

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from msgspec import Struct

from proconsul.gossip.address import PORT_MAX, Address, address_of
from proconsul.gossip.effects import Level
from proconsul.wire.golang import join_host_port

RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024  # memberlist's
LISTEN_BACKLOG = 1024
DATAGRAM_BYTES_MAX = 65_536
WAITING_MAX = 1024  # datagrams; memberlist's queue is as deep. Read out within a quarter second
WAITING_BYTES_MAX = (
    4 * 1024 * 1024
)  # the rest of a pool sends 1400 bytes at most, a stranger 64 KiB
READ_MAX = 128  # datagrams a turn of the loop: a tenth of a millisecond or two
UNSENT_MAX = 1024  # datagrams that the kernel has no room for; answers are worth less each moment

_SO_RCVBUFFORCE = 33  # Linux: as SO_RCVBUF, for who may go beyond net.core.rmem_max
_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, how a socket of IPv6 names hosts of IPv4

Complain = Callable[[Level, str], None]


class Datagram(Struct, frozen=True):
    """One that came, and from where."""

    data: bytes
    source: Address


class PoolSockets(Struct, frozen=True):
    """Both, bound to the same address and port."""

    packets: socket.socket
    listening: socket.socket

    def close(self) -> None:
        """Give the port free."""
        self.packets.close()
        self.listening.close()


def open_sockets(host: str, port: int) -> PoolSockets:
    """Bind both to an IP address; `::` takes IPv4 too, as in Go.

    Raises OSError in Go's words, with how to find another process that has the port.
    """
    try:
        listening = _bound("tcp", socket.SOCK_STREAM, host, port)
    except OSError as failure:
        raise _explained(failure, "tcp", host, port) from failure
    try:
        listening.listen(LISTEN_BACKLOG)
        packets = _bound("udp", socket.SOCK_DGRAM, host, port)
    except OSError as failure:
        listening.close()
        raise _explained(failure, "udp", host, port) from failure
    _enlarge(packets)
    return PoolSockets(packets, listening)


def _bound(protocol: str, kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=flags)[0]
    bound = socket.socket(family, kind)
    try:
        if protocol == "tcp":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            only_v6 = host != "::"
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
        bound.setblocking(False)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _explained(failure: OSError, protocol: str, host: str, port: int) -> OSError:
    where = join_host_port(host, port)
    if isinstance(failure, socket.gaierror):
        return OSError(errno.EINVAL, f"listen {protocol} {where}: {host} is no IP address")
    text = f"listen {protocol} {where}: bind: {os.strerror(failure.errno or 0).lower()}"
    if failure.errno == errno.EADDRINUSE:
        option = "-ltnp" if protocol == "tcp" else "-lunp"
        text += f". Another process has that port (`ss {option} sport = :{port}` names it)"
    return OSError(failure.errno, text)


def _enlarge(packets: socket.socket) -> None:
    try:
        packets.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except OSError:  # not allowed, or another system: as much as everybody gets
        with suppress(OSError):
            packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


@lru_cache(maxsize=4096)
def _source(host: str, port: int) -> Address:
    return address_of(host, port)


@lru_cache(maxsize=4096)
def socket_address(to: Address, family: socket.AddressFamily) -> tuple[str, int] | None:
    """How a socket of that family names an address; None if it cannot."""
    if not 0 < to.port <= PORT_MAX:
        return None
    if family == socket.AF_INET:
        return (to.host, to.port) if len(to.ip) == 4 else None
    if len(to.ip) == 16:
        return to.host, to.port
    return (Address(_MAPPED + to.ip, to.port).host, to.port) if len(to.ip) == 4 else None


class Packets:
    """The datagrams: those that wait to be heard, and those to be sent.

    `read_count` and `taken_count` say how many were ever read from the socket, and taken out of
    the queue: who wants to do something after all that has come waits for one to reach the other.
    """

    def __init__(
        self, opened: socket.socket, arrived: Callable[[], None], complain: Complain
    ) -> None:
        """`arrived` is called when there is something to `take`. The socket is ours from now on."""
        self._socket = opened
        self._arrived = arrived
        self._complain = complain
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Datagram] = deque()
        self._waiting_bytes = 0
        self._unsent: deque[tuple[bytes, tuple[str, int]]] = deque()
        self._is_reading = True
        self._is_closed = False
        self.read_count = 0
        self.taken_count = 0
        self._loop.add_reader(opened.fileno(), self._on_readable)

    def read_all(self) -> None:
        """Move all that has come to the queue, as far as there is room."""
        self._read(WAITING_MAX)

    def _read(self, count_max: int) -> None:
        for _ in range(count_max):
            if self._is_closed or self._has_no_room:
                break
            try:
                data, source = self._socket.recvfrom(DATAGRAM_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as failure:
                self._complain(Level.ERROR, f"memberlist: Error reading UDP packet: {failure}")
                break
            self._waiting.append(Datagram(data, _source(source[0], source[1])))
            self._waiting_bytes += len(data)
            self.read_count += 1
        if self._has_no_room and self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._socket.fileno())

    @property
    def _has_no_room(self) -> bool:
        return len(self._waiting) >= WAITING_MAX or self._waiting_bytes >= WAITING_BYTES_MAX

    def _on_readable(self) -> None:
        self._read(READ_MAX)
        if self._waiting:
            self._arrived()

    def take(self) -> Datagram | None:
        """The one that waits for longest."""
        if not self._waiting:
            return None
        datagram = self._waiting.popleft()
        self._waiting_bytes -= len(datagram.data)
        self.taken_count += 1
        if not (self._is_reading or self._is_closed) and len(self._waiting) <= WAITING_MAX // 2:
            self._is_reading = True
            self._loop.add_reader(self._socket.fileno(), self._on_readable)
        return datagram

    def send(self, data: bytes, to: Address) -> None:
        """Send it, soon if the kernel has no room; it may be lost, as any datagram."""
        address = socket_address(to, self._socket.family)
        if address is None:
            self._complain(Level.DEBUG, f"memberlist: nothing can be sent to {to} from here")
        elif self._is_closed:
            pass
        elif self._unsent:
            if len(self._unsent) < UNSENT_MAX:
                self._unsent.append((data, address))
        elif not self._sent(data, address):
            self._unsent.append((data, address))
            self._loop.add_writer(self._socket.fileno(), self._on_writable)

    def _sent(self, data: bytes, address: tuple[str, int]) -> bool:
        """False: the kernel has no room."""
        try:
            self._socket.sendto(data, address)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as failure:
            where = join_host_port(*address)
            self._complain(
                Level.DEBUG, f"memberlist: write udp {where}: {os.strerror(failure.errno or 0)}"
            )
        return True

    def _on_writable(self) -> None:
        while self._unsent:
            if not self._sent(*self._unsent[0]):
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._socket.fileno())

    def close(self) -> None:
        """Send what can be sent without waiting, then be deaf and dumb."""
        if self._is_closed:
            return
        if self._unsent:
            self._on_writable()
        self._is_closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
