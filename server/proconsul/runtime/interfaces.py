"""The host's network interfaces, read from the kernel.

One netlink dump of addresses tells IPv4 and IPv6 alike, in the order in which Go sees them; the
flags come from an ioctl for each interface, the default route from /proc. Nothing here blocks on
anything but the kernel.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import resource
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from proconsul.config.networks import Host, InterfaceAddress

_RTM_GETADDR = 22
_RTM_NEWADDR = 20
_NLM_F_DUMP_REQUEST = 0x301
_NLMSG_DONE = 3
_NLMSG_ERROR = 2
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_SIOCGIFFLAGS = 0x8913
_FLAGS = {
    0x1: "up",
    0x2: "broadcast",
    0x8: "loopback",
    0x10: "pointtopoint",
    0x1000: "multicast",
}
_DUMP_BYTES_MAX = 1 << 16
_ANSWER_S = 5.0
"""The kernel answers at once; without a limit a mistake of ours would wait for ever."""

_HEADER = struct.Struct("=IHHII")
_ADDRESS_HEADER = struct.Struct("=BBBBI")
_ATTRIBUTE_HEADER = struct.Struct("=HH")


def read_host() -> Host:
    """The host as settings need to know it."""
    open_files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Host(
        name=os.uname().nodename,
        interfaces=tuple(_interface_addresses()),
        default_interface=default_interface(),
        open_files_max=open_files_max if open_files_max >= 0 else 1 << 63,
    )


def default_interface(routes: Path = Path("/proc/net/route")) -> str:
    """The interface of the IPv4 default route, empty where there is none."""
    try:
        lines = routes.read_text().splitlines()[1:]
    except OSError:
        return ""
    for line in lines:
        name, destination, *_ = line.split()
        if destination == "00000000":
            return name
    return ""


def _interface_addresses() -> Iterator[InterfaceAddress]:
    names = dict(socket.if_nameindex())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        flags = {index: _flags(any_socket, name) for index, name in names.items()}
    found: dict[int, list[InterfaceAddress]] = {index: [] for index in sorted(names)}
    for index, prefix_len, packed in _dump():
        if index in names:
            found[index].append(
                InterfaceAddress(
                    names[index], ipaddress.ip_address(packed), prefix_len, flags[index]
                )
            )
    for addresses in found.values():
        yield from addresses


def _flags(any_socket: socket.socket, name: str) -> frozenset[str]:
    request = struct.pack("16sH14x", name.encode(), 0)
    try:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
    except OSError:
        return frozenset()  # gone since it was listed
    (bits,) = struct.unpack_from("H", answer, 16)
    return frozenset(word for bit, word in _FLAGS.items() if bits & bit)


def _dump() -> Iterator[tuple[int, int, bytes]]:
    """Interface index, prefix length and packed address of every address."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_ANSWER_S)
        netlink.bind((0, 0))
        body = _ADDRESS_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        size = _HEADER.size + len(body)
        netlink.send(_HEADER.pack(size, _RTM_GETADDR, _NLM_F_DUMP_REQUEST, 1, 0) + body)
        while True:
            for kind, message in _messages(netlink.recv(_DUMP_BYTES_MAX)):
                if kind in (_NLMSG_DONE, _NLMSG_ERROR):
                    return
                if kind == _RTM_NEWADDR:
                    yield _address(message)


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, *_ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size:
            return
        yield kind, datagram[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _address(message: bytes) -> tuple[int, int, bytes]:
    _, prefix_len, _, _, index = _ADDRESS_HEADER.unpack_from(message)
    attributes: dict[int, bytes] = {}
    at = _ADDRESS_HEADER.size
    while at + _ATTRIBUTE_HEADER.size <= len(message):
        length, kind = _ATTRIBUTE_HEADER.unpack_from(message, at)
        if length < _ATTRIBUTE_HEADER.size:
            break
        attributes[kind] = message[at + _ATTRIBUTE_HEADER.size : at + length]
        at += (length + 3) & ~3
    # On a point-to-point link the plain address is the peer's, and ours is the local one.
    return index, prefix_len, attributes.get(_IFA_LOCAL) or attributes[_IFA_ADDRESS]
