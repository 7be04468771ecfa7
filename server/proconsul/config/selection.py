"""Choosing among interface addresses: the functions that address templates call.

Each takes its words first and the addresses last, as a pipeline hands them on.
Source: hashicorp/go-sockaddr ifaddrs.go, ifaddr.go (behaviour, oddities included: `include
"flags"` with several words wants all interface flags or any address property).
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Iterable

from proconsul.config.networks import (
    RFCS,
    Host,
    InterfaceAddress,
    IpAddress,
    in_networks,
    is_forwardable,
)

Addresses = tuple[InterfaceAddress, ...]


class SelectionError(Exception):
    """A template asks for what is not there."""


def include(selector: str, wanted: str, addresses: Addresses) -> Addresses:
    """Those that match."""
    matches = _matcher("include", selector, wanted)
    return tuple(each for each in addresses if matches(each))


def exclude(selector: str, unwanted: str, addresses: Addresses) -> Addresses:
    """Those that do not match."""
    matches = _matcher("exclude", selector, unwanted)
    return tuple(each for each in addresses if not matches(each))


_Matcher = Callable[[InterfaceAddress], bool]


def _matcher(verb: str, selector: str, wanted: str) -> _Matcher:
    build = _SELECTORS.get(selector.lower())
    if build is None:
        raise SelectionError(f'invalid {verb} selector "{selector}"')
    return build(wanted)


def _address_matcher(wanted: str) -> _Matcher:
    pattern = _pattern("address", wanted)
    return lambda each: bool(pattern.search(text_of(each)))


def _name_matcher(wanted: str) -> _Matcher:
    pattern = _pattern("name", wanted)
    return lambda each: bool(pattern.search(each.name))


def _network_matcher(wanted: str) -> _Matcher:
    networks = tuple(_network(text) for text in wanted.split("|"))
    return lambda each: in_networks(each.address, networks)


def _rfc_matcher(wanted: str) -> _Matcher:
    networks = tuple(network for number in wanted.split("|") for network in _rfc(number))
    return lambda each: in_networks(each.address, networks)


def _size_matcher(wanted: str) -> _Matcher:
    size = _integer("size", wanted)
    return lambda each: each.prefix_len == size


def _type_matcher(wanted: str) -> _Matcher:
    versions = {version for word in wanted.lower().split("|") for version in _type(word)}
    return lambda each: each.address.version in versions


def _pattern(what: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise SelectionError(f'Unable to compile {what} regexp "{text}": {error}') from None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SelectionError(f'unable to create an IP address from "{text}"') from None


def _rfc(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    number = _integer("RFC", text)
    if number not in RFCS:
        raise SelectionError(f"unsupported RFC {number}")
    return RFCS[number]


def _type(word: str) -> tuple[int, ...]:
    versions = {"ip": (4, 6), "ipv4": (4,), "ipv6": (6,), "unix": ()}
    if word not in versions:
        raise SelectionError(f'unsupported type "{word}"')
    return versions[word]


def _integer(what: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SelectionError(f'{what}: unable to convert "{text}" to a number') from None


def _is_link_local_multicast(address: IpAddress) -> bool:
    if address.version == 4:
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 2


_INTERFACE_FLAGS = {
    "broadcast": "broadcast",
    "loopback": "loopback",
    "multicast": "multicast",
    "point-to-point": "pointtopoint",
    "up": "up",
    "down": None,
}
_ADDRESS_FLAGS: dict[str, Callable[[IpAddress], bool]] = {
    "forwardable": is_forwardable,
    "global unicast": lambda ip: (
        not (ip.is_multicast or ip.is_unspecified or ip.is_loopback or ip.is_link_local)
    ),
    "interface-local multicast": lambda ip: (
        ip.version == 6 and ip.packed[0] == 0xFF and ip.packed[1] & 0x0F == 1
    ),
    "link-local multicast": _is_link_local_multicast,
    "link-local unicast": lambda ip: ip.is_link_local,
    "loopback": lambda ip: ip.is_loopback,
    "multicast": lambda ip: ip.is_multicast,
    "unspecified": lambda ip: ip.is_unspecified,
}


def _flag_matcher(wanted: str) -> _Matcher:
    words = wanted.lower().split("|")
    for word in words:
        if word not in _INTERFACE_FLAGS and word not in _ADDRESS_FLAGS:
            raise SelectionError(f'Unknown interface flag: "{word}"')
    asks_interface = any(word in _INTERFACE_FLAGS for word in words)
    flags = {flag for word in words if (flag := _INTERFACE_FLAGS.get(word))}
    tests = [_ADDRESS_FLAGS[word] for word in words if word in _ADDRESS_FLAGS]
    return lambda each: (
        (asks_interface and flags <= each.flags) or any(test(each.address) for test in tests)
    )


_SELECTORS: dict[str, Callable[[str], _Matcher]] = {
    "address": _address_matcher,
    "flag": _flag_matcher,
    "flags": _flag_matcher,
    "name": _name_matcher,
    "network": _network_matcher,
    "rfc": _rfc_matcher,
    "rfcs": _rfc_matcher,
    "size": _size_matcher,
    "type": _type_matcher,
}


def sort(clauses: str, host: Host, addresses: Addresses) -> Addresses:
    """In the order of `clauses`, such as `default,type,-size`."""
    comparisons = [_comparison(clause.strip().lower(), host) for clause in clauses.split(",")]

    def compare(one: InterfaceAddress, other: InterfaceAddress) -> int:
        return next((order for each in comparisons if (order := each(one, other))), 0)

    return tuple(sorted(addresses, key=functools.cmp_to_key(compare)))


def _comparison(clause: str, host: Host) -> Callable[[InterfaceAddress, InterfaceAddress], int]:
    sign = -1 if clause.startswith("-") else 1
    keys: dict[str, Callable[[InterfaceAddress], tuple[int, str]]] = {
        "address": lambda each: (int(each.address), ""),
        "default": lambda each: (each.name != host.default_interface, ""),
        "name": lambda each: (0, each.name),
        "port": lambda _: (0, ""),
        "private": lambda each: (not in_networks(each.address, RFCS[6890]), ""),
        "size": lambda each: (each.prefix_len, ""),
        "type": lambda each: (each.address.version, ""),
    }
    word = clause.lstrip("+-")
    if word not in keys or len(clause) - len(word) > 1:
        raise SelectionError(f'unknown sort type: "{clause}"')
    key = keys[word]

    def compare(one: InterfaceAddress, other: InterfaceAddress) -> int:
        # What is no address of the same kind has no order here; the next clause decides.
        if word in ("address", "size") and one.address.version != other.address.version:
            return 0
        left, right = key(one), key(other)
        return sign * ((left > right) - (left < right))

    return compare


def unique(selector: str, addresses: Addresses) -> Addresses:
    """The first of each run that has the same `address` or `name`."""
    keys: dict[str, Callable[[InterfaceAddress], str]] = {
        "address": text_of,
        "name": lambda each: each.name,
    }
    if selector.lower() not in keys:
        raise SelectionError(f'unsupported unique constraint "{selector}"')
    key = keys[selector.lower()]
    return tuple(
        each for at, each in enumerate(addresses) if not at or key(addresses[at - 1]) != key(each)
    )


def limit(count: int, addresses: Addresses) -> Addresses:
    """The first `count`."""
    return addresses[:count]


def offset(count: int, addresses: Addresses) -> Addresses:
    """Those after the first `count`, or the last ones for a negative count."""
    if abs(count) > len(addresses):
        raise SelectionError(
            f"unable to seek past the end of the interface array: offset ({abs(count)}) "
            f"exceeds the number of interfaces ({len(addresses)})"
        )
    return addresses[count:]


def text_of(each: InterfaceAddress) -> str:
    """The address, with its prefix unless that is the whole address."""
    if each.prefix_len == each.address.max_prefixlen:
        return str(each.address)
    return f"{each.address}/{each.prefix_len}"


_GO_FLAGS = ("up", "broadcast", "loopback", "pointtopoint", "multicast")


def attribute(name: str, addresses: Addresses) -> str:
    """An attribute of the first address; nothing of none."""
    return _attribute(name.lower(), addresses[0]) if addresses else ""


def join(name: str, separator: str, addresses: Addresses) -> str:
    """An attribute of every address."""
    return separator.join(_attribute(name.lower(), each) for each in addresses)


_ATTRIBUTES: dict[str, Callable[[InterfaceAddress], object]] = {
    "name": lambda each: each.name,
    "flags": lambda each: "|".join(flag for flag in _GO_FLAGS if flag in each.flags),
    "address": lambda each: each.address,
    "host": text_of,
    "string": text_of,
    "network": lambda each: each.network.network_address,
    "netmask": lambda each: each.network.netmask,
    "mask_bits": lambda each: each.prefix_len,
    "broadcast": lambda each: each.network.broadcast_address,
    "first_usable": lambda each: _usable(each, first=True),
    "last_usable": lambda each: _usable(each, first=False),
    "size": lambda each: each.network.num_addresses,
    "type": lambda each: f"IPv{each.address.version}",
    "octets": lambda each: " ".join(str(byte) for byte in each.address.packed),
    "hex": lambda each: each.address.packed.hex(),
    "uint32": lambda each: int(each.address),
    "uint128": lambda each: int(each.address),
    "port": lambda _: 0,
}
_ONLY_IPV4 = ("broadcast", "uint32")


def _attribute(name: str, each: InterfaceAddress) -> str:
    wrong_type = (name in _ONLY_IPV4 and each.address.version == 6) or (
        name == "uint128" and each.address.version == 4
    )
    if name not in _ATTRIBUTES or wrong_type:
        raise SelectionError(f'unsupported attribute name "{name}"')
    return str(_ATTRIBUTES[name](each))


def _usable(each: InterfaceAddress, *, first: bool) -> IpAddress:
    """IPv4 keeps the ends of a network of more than two for itself."""
    network = each.network
    spare = 1 if network.version == 4 and network.num_addresses > 2 else 0
    return network[spare] if first else network[-1 - spare]


def math(operation: str, text: str, addresses: Addresses) -> Addresses:
    """Each address moved: `address` and `network` by a signed number, `mask` cut to a prefix."""
    return tuple(_moved(operation.lower(), text, each) for each in addresses)


def _moved(operation: str, text: str, each: InterfaceAddress) -> InterfaceAddress:
    if operation in ("address", "network") and text.lstrip()[:1] not in ("+", "-"):
        raise SelectionError(f'sign (+/-) is required for operation "{operation}"')
    number = _integer(operation, text)
    bits = each.address.max_prefixlen
    base = int(each.network.network_address)
    prefix_len = each.prefix_len
    match operation:
        case "address":
            moved = (int(each.address) + number) % (1 << bits)
        case "network":
            moved = base + number % each.network.num_addresses
        case "mask" if 0 <= number <= bits:
            moved = int(each.address) >> (bits - number) << (bits - number)
            prefix_len = min(prefix_len, number)
        case _:
            raise SelectionError(f'unsupported math operation: "{operation}"')
    return InterfaceAddress(each.name, type(each.address)(moved), prefix_len, each.flags)


def private_interfaces(host: Host, addresses: Addresses) -> Addresses:
    """Private, forwardable addresses that are up, the default route's first."""
    return include("rfc", "6890", _usable_by_default(host, addresses))


def public_interfaces(host: Host, addresses: Addresses) -> Addresses:
    """Public, forwardable addresses that are up, the default route's first."""
    return exclude("rfc", "6890", _usable_by_default(host, addresses))


def _usable_by_default(host: Host, addresses: Addresses) -> Addresses:
    up = include("flags", "up", include("flags", "forwardable", addresses))
    return sort("default,type,size", host, up)


def all_ips(addresses: Iterable[InterfaceAddress]) -> str:
    """The addresses alone, with spaces between."""
    return " ".join(str(each.address) for each in addresses)
