"""`/v1/coordinate/`: network coordinates (agent/coordinate_endpoint.go)."""

from msgspec.structs import replace

from proconsul.api.failure import HttpError
from proconsul.api.http import Request
from proconsul.api.options import parse_datacenter, parse_options, parse_token
from proconsul.api.parsing import decoded
from proconsul.api.reading import read
from proconsul.api.reply import NOTHING, Reply
from proconsul.api.surface import Api
from proconsul.model.catalog import NodeSpecificRequest
from proconsul.model.coordinate import (
    Coordinate,
    CoordinateUpdateRequest,
    DatacenterMap,
    IndexedCoordinates,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.wire.gostruct import list_to_json, to_json

NODE_PREFIX = "/v1/coordinate/node/"


async def datacenters(api: Api, request: Request) -> Reply:
    """`GET /v1/coordinate/datacenters`: the servers of each, in the space of the WAN."""
    _require_enabled(api)
    maps: list[DatacenterMap] = await api.call("Coordinate.ListDatacenters", None)
    return Reply(
        [{**to_json(one), "Coordinates": list_to_json(one.coordinates) or []} for one in maps],
        floats=True,
    )


async def nodes(api: Api, request: Request) -> Reply:
    """`GET /v1/coordinate/nodes`."""
    _require_enabled(api)
    options = parse_options(request)
    wanted = DCSpecificRequest(
        datacenter=parse_datacenter(request, api.facts.datacenter), **options
    )
    found: IndexedCoordinates = await read(api, "Coordinate.ListNodes", wanted)
    return Reply(list_to_json(_of_segment(request, found)), found, floats=True)


async def node(api: Api, request: Request) -> Reply:
    """`GET /v1/coordinate/node/:node`; 404 for one without a coordinate."""
    _require_enabled(api)
    options = parse_options(request)
    wanted = NodeSpecificRequest(
        datacenter=parse_datacenter(request, api.facts.datacenter),
        node=request.path[len(NODE_PREFIX) :],
        **options,
    )
    found: IndexedCoordinates = await read(api, "Coordinate.Node", wanted)
    rows = _of_segment(request, found)
    if not rows:
        # Consul sets the headers of the read after the status: only where the answer waits to be
        # compressed do they still go out.
        compressed = "gzip" in request.headers.first("accept-encoding")
        return Reply(None, found if compressed else None, status=404)
    return Reply(list_to_json(rows), found, floats=True)


def _of_segment(request: Request, found: IndexedCoordinates) -> list[Coordinate]:
    rows = found.coordinates or []
    if not request.query.has("segment"):
        return rows
    segment = request.query.first("segment")
    return [row for row in rows if row.segment == segment]


async def update(api: Api, request: Request) -> Reply:
    """`PUT /v1/coordinate/update`."""
    _require_enabled(api)
    wanted = decoded(api, CoordinateUpdateRequest, request)
    await api.call(
        "Coordinate.Update",
        replace(
            wanted,
            datacenter=parse_datacenter(request, api.facts.datacenter, wanted.datacenter),
            token=parse_token(request) or wanted.token,
        ),
    )
    return NOTHING


def _require_enabled(api: Api) -> None:
    if not api.facts.coordinates_enabled:
        raise HttpError(401, "Coordinate support disabled")
