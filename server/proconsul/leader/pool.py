"""The members of the LAN pool as Consul's servers understand them (wire/gossip/consul-serf.md).

Serf's tags say what a member is: `role=consul` a server, `role=node` a client agent. What is
neither is a stranger who may be in the pool, and of whom nothing follows.
"""

from dataclasses import dataclass, field
from typing import Protocol

from proconsul.gossip.effects import MemberStatus as Status

__all__ = ["LanMember", "Pool", "PoolMember", "ServerMember", "Status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMember:
    """A server as the pool knows it."""

    node: str
    node_id: str
    datacenter: str
    address: str
    rpc_port: int
    version: str
    raft_version: int
    serf_protocol: tuple[int, int, int]  # min, max, current
    non_voter: bool
    bootstrap: bool = False  # it founds a cluster by itself
    expect: int = 0  # bootstrap_expect: how many it waits for; 0: it only joins
    # The addresses in its raft configuration, where somebody asked; two that are equal may differ.
    raft_peers: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A server, and how it is at the moment."""

    server: ServerMember
    status: Status
    since_s: float  # monotonic: since when it has this status


@dataclass(frozen=True, slots=True, kw_only=True)
class LanMember:
    """An agent of this datacenter, server or client; `server` is None for a client."""

    node: str
    node_id: str
    address: str
    status: Status
    server: ServerMember | None = None


class Pool(Protocol):
    """Knows the members."""

    def members(self) -> list[PoolMember]:
        """All servers that are known, this one among them, in the order of their names."""

    def agents(self) -> list[LanMember]:
        """All agents of this datacenter, this server among them, in the order of their names."""

    def force_out(self, node: str) -> None:
        """Take a failed member for left, here and with all others."""
