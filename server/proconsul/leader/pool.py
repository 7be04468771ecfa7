"""The servers of the datacenter as this one knows them: who they are, and whether they live.

The gossip pool fills it; as long as there is none, servers tell each
other (runtime/server_pool.py).
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol


class Status(IntEnum):
    """How a member is; Serf's numbers."""

    NONE = 0
    ALIVE = 1
    LEAVING = 2
    LEFT = 3
    FAILED = 4


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
    # The IDs in its raft configuration when it was heard last; two that are equal may differ here.
    raft_ids: tuple[str, ...] = field(default=(), compare=False)
    expect: int = 0  # bootstrap_expect: how many it waits for; 0: it only joins


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A server, and how it is at the moment."""

    server: ServerMember
    status: Status
    since_s: float  # monotonic: since when it has this status


class Pool(Protocol):
    """Knows the members."""

    def members(self) -> list[PoolMember]:
        """All that are known, this server among them, in the order of their names."""
