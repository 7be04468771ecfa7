"""Where a member is reached: an IP address as gossip carries it, and a port."""

import ipaddress

from msgspec import Struct

PORT_MAX = 0xFFFF


class Address(Struct, frozen=True):
    """4 or 16 raw bytes and a port; the same for UDP and TCP."""

    ip: bytes
    port: int

    @property
    def is_ip(self) -> bool:
        """Whether its bytes can be an IP address; what peers tell need not."""
        return len(self.ip) in (4, 16)

    @property
    def host(self) -> str:
        """The IP address in text; hex digits for bytes that are none."""
        if self.is_ip:
            return str(ipaddress.ip_address(self.ip))
        return f"?{self.ip.hex()}"

    def __str__(self) -> str:
        host = self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def address_of(host: str, port: int) -> Address:
    """The address of an IP address in text, an IPv4 one always in 4 bytes.

    Raises ValueError for what is no IP address.
    """
    found = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return Address(found.packed, port)
