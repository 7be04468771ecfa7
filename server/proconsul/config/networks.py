"""The host's addresses as values, and which of them are private, forwardable and so on.

The tables are go-sockaddr's, which users' templates name by RFC number, and Consul's own list
of private networks, which chooses the address to advertise. The two differ.
Source: hashicorp/go-sockaddr rfc.go; Consul's ipaddr package.
"""

from __future__ import annotations

import ipaddress

from msgspec import Struct

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class InterfaceAddress(Struct, frozen=True):
    """One address of one interface.

    `flags` are Go's words: up, broadcast, loopback, pointtopoint, multicast.
    """

    name: str
    address: IpAddress
    prefix_len: int
    flags: frozenset[str]

    @property
    def network(self) -> IpNetwork:
        """The network that the address is in."""
        return ipaddress.ip_network((self.address, self.prefix_len), strict=False)


class Host(Struct, frozen=True):
    """What settings depend on besides files and flags.

    `default_interface` carries the default route, empty where there is none; `open_files_max` is
    this process's limit of file descriptors.
    """

    name: str
    interfaces: tuple[InterfaceAddress, ...]
    default_interface: str
    open_files_max: int


def _networks(row: str) -> tuple[IpNetwork, ...]:
    return tuple(ipaddress.ip_network(text) for text in row.split())


RFCS: dict[int, tuple[IpNetwork, ...]] = {
    919: _networks("255.255.255.255/32"),
    1112: _networks("224.0.0.0/4"),
    1122: _networks("0.0.0.0/8 127.0.0.0/8"),
    1918: _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"),
    2544: _networks("198.18.0.0/15"),
    2765: _networks("0:0:0:0:0:ffff:0:0/96"),
    2928: _networks("2001::/16"),
    3056: _networks("2002::/16"),
    3068: _networks("192.88.99.0/24 2002:c058:6301::/120"),
    3171: _networks("224.0.0.0/4"),
    3330: _networks(
        """0.0.0.0/8 10.0.0.0/8 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.2.0/24
        192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4"""
    ),
    3849: _networks("2001:db8::/32"),
    3927: _networks("169.254.0.0/16"),
    4038: _networks("0:0:0:0:0:ffff::/96"),
    4193: _networks("fc00::/7"),
    4291: _networks("::/128 ::1/128 ::/96 ::ffff:0:0/96 fe80::/10 fec0::/10 ff00::/8"),
    4380: _networks("2001::/32"),
    4773: _networks("2001::/23"),
    4843: _networks("2001:10::/28"),
    5180: _networks("2001:200::/48"),
    5735: _networks("192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 198.18.0.0/15"),
    5737: _networks("192.0.2.0/24 198.51.100.0/24 203.0.113.0/24"),
    6052: _networks("64:ff9b::/96"),
    6333: _networks("192.0.0.0/29"),
    6598: _networks("100.64.0.0/10"),
    6666: _networks("100::/64"),
    6890: _networks(
        """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
        192.0.0.0/24 192.0.0.0/29 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15
        198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 ::1/128 ::/128
        64:ff9b::/96 ::ffff:0:0/96 100::/64 2001::/16 2002::/16 fc00::/7 fe80::/10"""
    ),
    7335: _networks("192.0.0.0/29"),
}

_NOT_FORWARDABLE = _networks(
    """0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 198.51.100.0/24
    203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 ::1/128 ::/128 ::ffff:0:0/96 2001:db8::/32
    2001:10::/28 fe80::/10"""
)

_CONSUL_PRIVATE = _networks(
    """10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
    192.0.2.0/24 192.168.0.0/16 ::1/128 fe80::/10 fc00::/7 fec0::/10 2001:db8::/32"""
)


def in_networks(address: IpAddress, networks: tuple[IpNetwork, ...]) -> bool:
    """Is the address in one of the networks of its own version?"""
    return any(network.version == address.version and address in network for network in networks)


def is_forwardable(address: IpAddress) -> bool:
    """May a router forward packets to it?"""
    return not in_networks(address, _NOT_FORWARDABLE)


def private_ipv4(interfaces: tuple[InterfaceAddress, ...]) -> list[IpAddress]:
    """Private addresses of the interfaces that are up; loopback only if there is nothing else."""
    up = [each for each in interfaces if "up" in each.flags]
    outside = [each for each in up if "loopback" not in each.flags]
    return [
        each.address
        for each in outside or up
        if each.address.version == 4 and in_networks(each.address, _CONSUL_PRIVATE)
    ]


def public_ipv6(interfaces: tuple[InterfaceAddress, ...]) -> list[IpAddress]:
    """IPv6 addresses that are not private."""
    return [
        each.address
        for each in interfaces
        if each.address.version == 6 and not in_networks(each.address, _CONSUL_PRIVATE)
    ]
