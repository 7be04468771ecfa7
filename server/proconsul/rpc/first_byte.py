"""What the first byte of a connection to the RPC port asks for (wire/rpc.md section 1).

A byte that we do not serve gets no answer: the connection is closed, as Consul does it. Inside
TLS the choice is made once more, by the first byte of the decrypted stream.
"""

from enum import Enum, IntEnum, auto


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


class Service(Enum):
    """What a connection becomes."""

    CALLS = auto()
    RAFT = auto()
    TLS = auto()
    YAMUX = auto()
    SNAPSHOT = auto()


_SERVED: dict[int, Service] = {
    FirstByte.CONSUL: Service.CALLS,
    FirstByte.RAFT: Service.RAFT,
    FirstByte.TLS: Service.TLS,
    FirstByte.MULTIPLEX_V2: Service.YAMUX,
    FirstByte.SNAPSHOT: Service.SNAPSHOT,
}


def service_for(byte: int, *, inside_tls: bool, has_tls: bool, wants_tls: bool) -> Service | None:
    """What to do with a connection; None: close it without a word.

    `has_tls`: this server has a certificate. `wants_tls`: `verify_incoming(_rpc)`.
    """
    service = _SERVED.get(byte)
    if service is Service.TLS:
        return service if has_tls and not inside_tls else None
    if wants_tls and not inside_tls:
        return None
    return service
