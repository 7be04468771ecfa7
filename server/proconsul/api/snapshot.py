"""`/v1/snapshot`: the whole state, out and in (agent/snapshot_endpoint.go).

A restore may have a name of its own, `PUT /v1/snapshot?restore-uid=<uid>`, which Consul does not
know: then it is done once, however often it is asked for. Whoever was cut off before the answer
asks again under the same name, and is told `{"RestoreUID": ..., "AlreadyApplied": true}` if the
state holds that restore. Only the last one is remembered; a restore without a name leaves it.
"""

from collections.abc import AsyncIterator

from proconsul.api.failure import BadRequestError
from proconsul.api.http import Request, Response
from proconsul.api.options import parse_datacenter, parse_token
from proconsul.api.reply import NOTHING, Reply, meta_headers
from proconsul.api.surface import Api
from proconsul.errors import RpcError
from proconsul.model.query import QueryMeta
from proconsul.store.cluster_marks import NAME

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
    restore_uid = request.query.first("restore-uid")
    if request.query.has("restore-uid") and NAME.fullmatch(restore_uid) is None:
        raise BadRequestError("restore-uid must be 1 to 64 letters, digits and hyphens")
    is_new = await api.process.restore_snapshot(
        request.stream or _nothing(), parse_token(request), restore_uid
    )
    if not restore_uid:
        return NOTHING
    return Reply({"RestoreUID": restore_uid, "AlreadyApplied": not is_new})


async def _nothing() -> AsyncIterator[bytes]:
    """The body of a request that has none."""
    return
    yield b""
