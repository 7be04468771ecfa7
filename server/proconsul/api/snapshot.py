"""`/v1/snapshot`: the whole state, out and in (agent/snapshot_endpoint.go)."""

from collections.abc import AsyncIterator

from proconsul.api.http import Request, Response
from proconsul.api.options import parse_datacenter, parse_token
from proconsul.api.reply import NOTHING, Reply, meta_headers
from proconsul.api.surface import Api
from proconsul.errors import RpcError
from proconsul.model.query import QueryMeta

ARCHIVE_TYPE = ("Content-Type", "application/x-gzip")


async def snapshot(api: Api, request: Request) -> Reply | Response:
    """`GET` saves, `PUT` restores."""
    if parse_datacenter(request, api.facts.datacenter) != api.facts.datacenter:
        raise RpcError("No path to datacenter")
    if request.method == "GET":
        index, archive = await api.process.save_snapshot(
            request.query.has("stale"), parse_token(request)
        )
        headers = meta_headers(QueryMeta(index=index, known_leader=True))
        return Response(200, archive, [*headers, ARCHIVE_TYPE])
    await api.process.restore_snapshot(request.stream or _nothing(), parse_token(request))
    return NOTHING


async def _nothing() -> AsyncIterator[bytes]:
    """The body of a request that has none."""
    return
    yield b""
