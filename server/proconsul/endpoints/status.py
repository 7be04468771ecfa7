"""`Status.*`: who leads, who is there."""

from typing import Any

from proconsul.endpoints.blocking import check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.model.operator import ServerStats
from proconsul.model.query import DCSpecificRequest


async def ping(context: Context, request: Any) -> None:
    """`Status.Ping`: answers."""


async def leader(context: Context, request: DCSpecificRequest) -> str:
    """`Status.Leader`: `ip:port`, or "" when nobody leads."""
    check_datacenter(context, request.datacenter or context.facts.datacenter)
    return context.log.leader_address()


async def peers(context: Context, request: DCSpecificRequest) -> list[str]:
    """`Status.Peers`: `ip:port` of all servers; empty before the bootstrap."""
    check_datacenter(context, request.datacenter or context.facts.datacenter)
    return context.log.peer_addresses()


async def raft_stats(context: Context, request: Any) -> ServerStats:
    """`Status.RaftStats`: what autopilot judges a server by."""
    return context.log.server_stats()


METHODS = {
    "Status.Ping": Method(None, ping, local=True),
    "Status.Leader": Method(DCSpecificRequest, leader, local=True, own_by_default=True),
    "Status.Peers": Method(DCSpecificRequest, peers, local=True, own_by_default=True),
    "Status.RaftStats": Method(None, raft_stats, local=True),
}
