"""Network coordinates."""

from proconsul.model.query import QueryMeta, WriteRequest
from proconsul.wire.gostruct import GoStruct


class NetworkCoordinate(GoStruct, frozen=True, kw_only=True):
    """`coordinate.Coordinate`."""

    vec: list[float] | None = None
    error: float = 0.0
    adjustment: float = 0.0
    height: float = 0.0


class Coordinate(GoStruct, frozen=True, kw_only=True):
    """`structs.Coordinate`."""

    node: str = ""
    segment: str = ""
    coord: NetworkCoordinate | None = None


class CoordinateUpdateRequest(WriteRequest, frozen=True, kw_only=True):
    """`structs.CoordinateUpdateRequest`."""

    datacenter: str = ""
    node: str = ""
    segment: str = ""
    coord: NetworkCoordinate | None = None


class DatacenterMap(GoStruct, frozen=True, kw_only=True):
    """`structs.DatacenterMap`."""

    datacenter: str = ""
    area_id: str = ""
    coordinates: list[Coordinate] | None = None


class IndexedCoordinates(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedCoordinates`."""

    coordinates: list[Coordinate] | None = None
