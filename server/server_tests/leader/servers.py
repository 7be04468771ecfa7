"""Servers for stories: `server("b")` is named b, and its ID begins with b."""

from typing import Any

from proconsul.leader.pool import ServerMember


def server(name: str, **fields: Any) -> ServerMember:
    """A voter of dc1 that expects to be one of three."""
    settings: dict[str, Any] = {
        "node": name,
        "node_id": f"{name}-0000",
        "datacenter": "dc1",
        "address": f"10.0.0.{ord(name[0]) - ord('a') + 1}",
        "rpc_port": 8300,
        "version": "1.8.7",
        "raft_version": 3,
        "serf_protocol": (1, 5, 2),
        "non_voter": False,
        "expect": 3,
    }
    return ServerMember(**(settings | fields))
