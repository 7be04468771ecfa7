"""Sorting by distance: `?near=` (agent/consul/rtt.go).

The distance of two nodes is the round trip that their network coordinates foretell (Vivaldi, with
height and adjustment). Nodes without a coordinate come last, and what is equally far keeps its
order.
"""

import math
from collections.abc import Callable
from typing import TypeVar

from proconsul.endpoints.context import Context
from proconsul.model.coordinate import NetworkCoordinate
from proconsul.model.query import QuerySource
from proconsul.store import coordinates
from proconsul.store.transaction import ReadTransaction

T = TypeVar("T")
Segments = dict[str, NetworkCoordinate | None]

UNKNOWN_S = math.inf


def sorted_near(
    context: Context,
    state: ReadTransaction,
    source: QuerySource,
    rows: list[T],
    node_of: Callable[[T], str],
) -> list[T]:
    """The rows, the nearest to `source` first; as they are where nothing can be told."""
    if not source.node or source.datacenter != context.facts.datacenter:
        return rows
    _, here = coordinates.coordinate(state, None, source.node)
    if not here:
        return rows
    distances_s: dict[str, float] = {}

    def distance_s(row: T) -> float:
        node = node_of(row)
        known = distances_s.get(node)
        if known is None:
            _, there = coordinates.coordinate(state, None, node)
            known = distances_s[node] = between_s(here, there)
        return known

    return sorted(rows, key=distance_s)


def between_s(here: Segments, there: Segments) -> float:
    """Seconds between two nodes, in the network segment that they share."""
    segment = ""
    for segments in (here, there):
        if len(segments) == 1:
            # A node of one segment is a client; servers are in all of them.
            segment = next(iter(segments))
    one, other = here.get(segment), there.get(segment)
    if one is None or other is None:
        return UNKNOWN_S
    return estimated_s(one, other)


def estimated_s(one: NetworkCoordinate, other: NetworkCoordinate) -> float:
    """The round trip between two coordinates in seconds; infinite if they do not match."""
    first, second = one.vec or [], other.vec or []
    if len(first) != len(second):
        return UNKNOWN_S
    distance_s = math.dist(first, second) + one.height + other.height
    adjusted_s = distance_s + one.adjustment + other.adjustment
    return adjusted_s if adjusted_s > 0 else distance_s
