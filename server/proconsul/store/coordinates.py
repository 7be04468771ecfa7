"""Network coordinates of nodes (Consul's coordinate.go)."""

import math
from collections.abc import Iterable

from proconsul.model.coordinate import Coordinate, NetworkCoordinate
from proconsul.store.keys import folded
from proconsul.store.schema import COORDINATES, NODES
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import WatchSet


def coordinate(
    txn: ReadTransaction, watch: WatchSet | None, node: str
) -> tuple[int, dict[str, NetworkCoordinate | None]]:
    """The coordinates of one node, by network segment."""
    prefix = folded(node)
    if watch is not None:
        watch.prefix(COORDINATES.name, prefix)
    rows = txn.rows(COORDINATES, prefix)
    return txn.table_index(COORDINATES.name), {row.segment: row.coord for row in rows}


def coordinates(txn: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[Coordinate]]:
    """The coordinates of all nodes."""
    if watch is not None:
        watch.prefix(COORDINATES.name)
    return txn.table_index(COORDINATES.name), list(txn.rows(COORDINATES))


def batch_update(txn: WriteTransaction, updates: Iterable[Coordinate]) -> None:
    """Take the coordinates of the nodes that are registered; the index moves in any case."""
    for update in updates:
        if _valid(update.coord) and txn.row(NODES, folded(update.node)) is not None:
            _put(txn, update)
    txn.set_index(COORDINATES.name)


def restore_coordinates(txn: WriteTransaction, updates: Iterable[Coordinate]) -> None:
    """Take coordinates from a snapshot, at the transaction's index."""
    for update in updates:
        if _valid(update.coord):
            _put(txn, update)
    txn.raise_index(COORDINATES.name)


def _put(txn: WriteTransaction, update: Coordinate) -> None:
    txn.put(COORDINATES, folded(update.node, update.segment), update)


def _valid(coord: NetworkCoordinate | None) -> bool:
    """Whether all parts are finite numbers; Consul would crash on a missing coordinate."""
    if coord is None:
        return False
    parts = (*(coord.vec or ()), coord.error, coord.adjustment, coord.height)
    return all(math.isfinite(part) for part in parts)
