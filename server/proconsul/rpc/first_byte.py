"""What a connection to the RPC port asks for, by its first byte or its ALPN protocol.

After wire/rpc.md section 1. A byte that we do not serve gets no answer: the connection is closed,
as Consul does it. Inside TLS the choice is made once more, by the first byte of the decrypted
stream. A server with a certificate and a CA also takes TLS without any byte before it: the first
byte is then that of a handshake, and ALPN says what the connection is for.
"""

from enum import Enum, IntEnum, auto

from msgspec import Struct


class FirstByte(IntEnum):
    """The bytes that Consul's agents know, up to 1.16."""

    CONSUL = 0  # calls right on the connection
    RAFT = 1
    MULTIPLEX = 2  # muxado, gone since Consul 0.7
    TLS = 3
    MULTIPLEX_V2 = 4  # yamux
    SNAPSHOT = 5
    GOSSIP = 6  # network areas of Consul Enterprise
    TLS_INSECURE = 7  # certificates for agents that have none yet
    GRPC = 8  # since Consul 1.9
    RAFT_FORWARDING = 9  # since Consul 1.15


TLS_HANDSHAKE = 0x16
"""What every TLS connection begins with (RFC 8446, section 5.1)."""


class Service(Enum):
    """What a connection becomes."""

    CALLS = auto()
    RAFT = auto()
    TLS = auto()
    TLS_INSECURE = auto()  # calls that need no certificate, right inside TLS
    TLS_NATIVE = auto()  # ALPN says what comes
    YAMUX = auto()
    SNAPSHOT = auto()


class TlsPolicy(Struct, frozen=True, kw_only=True):
    """What a server can do, and what it insists on."""

    has_certificate: bool
    has_authority: bool  # a CA, by which it knows certificates of others
    is_wanted: bool  # `verify_incoming(_rpc)`


_SERVED: dict[int, Service] = {
    FirstByte.CONSUL: Service.CALLS,
    FirstByte.RAFT: Service.RAFT,
    FirstByte.MULTIPLEX_V2: Service.YAMUX,
    FirstByte.SNAPSHOT: Service.SNAPSHOT,
}

_TLS: dict[int, Service] = {
    FirstByte.TLS: Service.TLS,
    FirstByte.TLS_INSECURE: Service.TLS_INSECURE,
}

PROTOCOLS: dict[str, Service] = {
    "consul/rpc-single": Service.CALLS,
    "consul/raft": Service.RAFT,
    "consul/rpc-multi": Service.YAMUX,
    "consul/rpc-snapshot": Service.SNAPSHOT,
}
"""The ALPN protocols of native TLS. Consul has gossip over the WAN there, too; we do not."""


def service_for(byte: int, policy: TlsPolicy) -> Service | None:
    """What to do with a connection in the clear; None: close it without a word."""
    if byte == TLS_HANDSHAKE and policy.has_authority and policy.has_certificate:
        return Service.TLS_NATIVE
    if byte in _TLS:
        return _TLS[byte] if policy.has_certificate else None
    return None if policy.is_wanted else _SERVED.get(byte)


def service_inside_tls(byte: int) -> Service | None:
    """The same behind a handshake. TLS inside TLS would have no end."""
    return _SERVED.get(byte)


def service_for_protocol(protocol: str | None) -> Service | None:
    """The same for native TLS; `protocol` is what ALPN has chosen, if anything."""
    return PROTOCOLS.get(protocol or "")
