"""`Coordinate.*`: where nodes are in the space of round trip times."""

import math
from typing import Any

from proconsul.endpoints.blocking import blocking_query, check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.errors import RpcError
from proconsul.model.catalog import NodeSpecificRequest
from proconsul.model.coordinate import (
    Coordinate,
    CoordinateUpdateRequest,
    DatacenterMap,
    IndexedCoordinates,
    NetworkCoordinate,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.store import coordinates
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet

DIMENSIONS = 8
# Where a node stands before it has measured anything (serf/coordinate/config.go).
UNMEASURED = NetworkCoordinate(vec=[0.0] * DIMENSIONS, error=1.5, adjustment=0.0, height=10.0e-6)


async def update(context: Context, request: CoordinateUpdateRequest) -> None:
    """`Coordinate.Update`: a node's new coordinate; it goes into the log with the next batch."""
    check_datacenter(context, request.datacenter)
    coord = request.coord
    if coord is None or not _finite(coord):
        raise RpcError("invalid coordinate")
    if len(coord.vec or ()) != DIMENSIONS:
        raise RpcError("incompatible coordinate")
    context.coordinates.add(Coordinate(node=request.node, segment=request.segment, coord=coord))


def _finite(coord: NetworkCoordinate) -> bool:
    parts = (*(coord.vec or ()), coord.error, coord.adjustment, coord.height)
    return all(math.isfinite(part) for part in parts)


async def list_datacenters(context: Context, request: Any) -> list[DatacenterMap]:
    """`Coordinate.ListDatacenters`: the servers of each datacenter in the space of the WAN.

    This server alone: it has no WAN to measure, so it stands where everybody begins.
    """
    me = Coordinate(node=context.facts.node_name, coord=UNMEASURED)
    return [DatacenterMap(datacenter=context.facts.datacenter, area_id="wan", coordinates=[me])]


async def list_nodes(context: Context, request: DCSpecificRequest) -> IndexedCoordinates:
    """`Coordinate.ListNodes`: the nodes whose coordinates are known."""
    check_datacenter(context, request.datacenter)
    answer = await blocking_query(context, request, coordinates.coordinates)
    return answer.reply(IndexedCoordinates, coordinates=answer.value or None)


async def node(context: Context, request: NodeSpecificRequest) -> IndexedCoordinates:
    """`Coordinate.Node`: one node, once for each of its network segments."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[Coordinate]]:
        index, found = coordinates.coordinate(state, watch, request.node)
        return index, [
            Coordinate(node=request.node, segment=segment, coord=coord)
            for segment, coord in found.items()
        ]

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedCoordinates, coordinates=answer.value or None)


METHODS = {
    "Coordinate.Update": Method(CoordinateUpdateRequest, update),
    "Coordinate.ListDatacenters": Method(None, list_datacenters, local=True),
    "Coordinate.ListNodes": Method(DCSpecificRequest, list_nodes, read=True),
    "Coordinate.Node": Method(NodeSpecificRequest, node, read=True),
}
