"""Network coordinates."""

from proconsul.model.query import QueryMeta, WriteRequest
from proconsul.wire.gostruct import GoStruct


class NetworkCoordinate(GoStruct, frozen=True, kw_only=True):
    """A point: distances between two are round-trip times in seconds."""

    vec: list[float] | None = None
    error: float = 0.0
    adjustment: float = 0.0
    height: float = 0.0


class Coordinate(GoStruct, frozen=True, kw_only=True):
    """Where a node is in the network of its segment."""

    node: str = ""
    segment: str = ""
    coord: NetworkCoordinate | None = None


class CoordinateUpdateRequest(WriteRequest, frozen=True, kw_only=True):
    """A node says where it is."""

    datacenter: str = ""
    node: str = ""
    segment: str = ""
    coord: NetworkCoordinate | None = None


class DatacenterMap(GoStruct, frozen=True, kw_only=True):
    """Where the servers of a datacenter are."""

    datacenter: str = ""
    area_id: str = ""
    coordinates: list[Coordinate] | None = None


class IndexedCoordinates(QueryMeta, frozen=True, kw_only=True):
    """Answer: coordinates."""

    coordinates: list[Coordinate] | None = None
