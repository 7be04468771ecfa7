"""`/v1/kv/`: read, write, lock and delete keys (agent/kvs_endpoint.go)."""

from collections.abc import Coroutine
from typing import Any
from urllib.parse import quote_plus

from proconsul.api.failure import BadRequestError, HttpError
from proconsul.api.http import Request, Response
from proconsul.api.options import (
    parse_datacenter,
    parse_options,
    parse_uint64,
    parse_write,
    refuse_namespaces,
    uint64_error,
)
from proconsul.api.reading import ask
from proconsul.api.reply import Encoded, Reply, meta_headers
from proconsul.api.surface import Api
from proconsul.errors import RpcError
from proconsul.model.kv import (
    DirEntry,
    IndexedDirEntries,
    IndexedKeyList,
    KeyListRequest,
    KeyRequest,
    KVSRequest,
)
from proconsul.wire import json

PREFIX = "/v1/kv/"
# A value may be anything: no browser shall take it for a page.
RAW_HEADERS = (
    ("Content-Type", "text/plain"),
    ("Content-Security-Policy", "sandbox"),
    ("X-Content-Type-Options", "nosniff"),
)
TOO_LARGE_HELP = "https://www.consul.io/docs/agent/options.html#kv_max_value_size"


def kv(api: Api, request: Request) -> Coroutine[Any, Any, Reply | Response]:
    """All verbs of a key."""
    if request.method == "GET":
        return _get(api, request)
    return (_put if request.method == "PUT" else _delete)(api, request)


async def _get(api: Api, request: Request) -> Reply | Response:
    options = parse_options(request)
    datacenter = parse_datacenter(request, api.facts.datacenter)
    key = request.path[len(PREFIX) :]
    query = request.query
    if query.has("keys"):
        refuse_namespaces(request)
        separator = query.first("separator" if query.has("separator") else "seperator")
        return await _keys(
            api,
            KeyListRequest(datacenter=datacenter, prefix=key, seperator=separator, **options),
        )
    recurse = query.has("recurse")
    if not recurse:
        _require(key)
    refuse_namespaces(request)
    found: IndexedDirEntries = await ask(
        api,
        "KVS.List" if recurse else "KVS.Get",
        KeyRequest(datacenter=datacenter, key=key, **options),
    )
    if not found.entries:
        return Reply(None, found, 404)
    if query.has("raw") and not recurse:
        headers = [*meta_headers(found), *RAW_HEADERS]
        return Response(200, found.entries[0].value or b"", headers)
    return Reply(Encoded(_json(found.entries)), found)


def _json(entries: list[DirEntry]) -> bytes:
    """The JSON of entries: right from the structs, since a dict of each takes most of the time.

    What `to_json` leaves out is cut from the text: no string holds it, whose quotes are escaped.
    """
    return json.encode(entries).replace(b'"Session":"",', b"")


async def _keys(api: Api, wanted: KeyListRequest) -> Reply:
    found: IndexedKeyList = await ask(api, "KVS.ListKeys", wanted)
    if not found.keys and wanted.prefix:
        return Reply(None, found, 404)
    return Reply(found.keys or [], found)


async def _put(api: Api, request: Request) -> Reply:
    token = parse_write(request)
    refuse_namespaces(request)
    key = request.path[len(PREFIX) :]
    _require(key)
    op, session, index, flags = _wanted(request) if request.raw_query else ("set", "", 0, 0)
    _refuse_large(api, request)
    change = KVSRequest(
        datacenter=parse_datacenter(request, api.facts.datacenter),
        op=op,
        dir_ent=DirEntry(
            key=key,
            flags=flags,
            value=request.body or None,
            session=session,
            modify_index=index,
        ),
        token=token,
    )
    done = await api.call("KVS.Apply", change)
    return Reply(op == "set" or done)


def _wanted(request: Request) -> tuple[str, str, int, int]:
    """What the query says of a PUT: operation, session, index, flags."""
    _refuse_conflicts(request, "cas", "acquire", "release")
    query = request.query
    flags = _number(query.first("flags")) if query.has("flags") else 0
    op, session, index = "set", "", 0
    if query.has("cas"):
        op, index = "cas", _number(query.first("cas"))
    if query.has("acquire"):
        op, session = "lock", query.first("acquire")
    if query.has("release"):
        op, session = "unlock", query.first("release")
    return op, session, index, flags


async def _delete(api: Api, request: Request) -> Reply:
    token = parse_write(request)
    refuse_namespaces(request)
    _refuse_conflicts(request, "recurse", "cas")
    key = request.path[len(PREFIX) :]
    query = request.query
    op, index = "delete", 0
    if query.has("recurse"):
        op = "delete-tree"
    else:
        _require(key)
    if query.has("cas"):
        op, index = "delete-cas", _number(query.first("cas"))
    change = KVSRequest(
        datacenter=parse_datacenter(request, api.facts.datacenter),
        op=op,
        dir_ent=DirEntry(key=key, modify_index=index),
        token=token,
    )
    done = await api.call("KVS.Apply", change)
    return Reply(op != "delete-cas" or done)


def _require(key: str) -> None:
    if not key:
        raise BadRequestError("Missing key name")


def _number(text: str) -> int:
    number = parse_uint64(text)
    if number is None:
        raise RpcError(uint64_error(text))
    return number


def _refuse_conflicts(request: Request, *flags: str) -> None:
    if sum(request.query.has(flag) for flag in flags) > 1:
        query = "&".join(
            f"{quote_plus(name)}={quote_plus(value)}"
            for name in sorted(request.query.names())
            for value in request.query.all(name)
        )
        raise BadRequestError(f"Conflicting flags: {query}")


def _refuse_large(api: Api, request: Request) -> None:
    limit = api.facts.kv_value_bytes_max
    if request.body_too_large or request.content_length > limit:
        raise HttpError(
            413,
            f"Request body({request.content_length} bytes) too large, "
            f"max size: {limit} bytes. See {TOO_LARGE_HELP}.",
        )
