"""`/v1/config`: the configuration entries of the mesh (agent/config_endpoint.go)."""

from typing import Any

from msgspec.structs import replace

from proconsul.api.config_body import decoded_entry
from proconsul.api.failure import BadRequestError, HttpError, NotFoundError
from proconsul.api.http import Request
from proconsul.api.options import (
    parse_datacenter,
    parse_options,
    parse_token,
    parse_uint64,
    refuse_namespaces,
    uint64_error,
)
from proconsul.api.reading import ask
from proconsul.api.reply import Reply, meta_headers
from proconsul.api.surface import Api
from proconsul.model.config_entry import (
    KINDS,
    ConfigEntry,
    ConfigEntryQuery,
    ConfigEntryRequest,
    ServiceResolverConfigEntry,
)
from proconsul.model.config_entry_replies import ConfigEntryResponse, IndexedConfigEntries
from proconsul.wire.golang import format_duration, quote
from proconsul.wire.gostruct import to_json
from proconsul.wire.json_decode import BodyError

PREFIX = "/v1/config/"


async def apply(api: Api, request: Request) -> Reply:
    """`PUT /v1/config`: create or change an entry; `?cas` only if it still is that old."""
    try:
        entry = decoded_entry(request.body)
    except BodyError as failure:
        raise BadRequestError(f"Bad request: Request decoding failed: {failure}") from failure
    refuse_namespaces(request)
    cas = request.query.first("cas")
    if cas:
        index = parse_uint64(cas)
        if index is None:
            raise HttpError(500, uint64_error(cas))
        entry = replace(entry, modify_index=index)
    done: bool = await api.call(
        "ConfigEntry.Apply",
        ConfigEntryRequest(
            op="upsert-cas" if cas else "upsert",
            datacenter=parse_datacenter(request, api.facts.datacenter),
            entry=entry,
            token=parse_token(request),
        ),
    )
    return Reply(done)


async def entry_or_kind(api: Api, request: Request) -> Reply:
    """`GET` and `DELETE /v1/config/:kind/:name`, `GET /v1/config/:kind`."""
    if request.method == "DELETE":
        return await _delete(api, request)
    options = parse_options(request)
    kind, slash, name = request.path.removeprefix(PREFIX).partition("/")
    refuse_namespaces(request)
    datacenter = parse_datacenter(request, api.facts.datacenter)
    wanted = ConfigEntryQuery(kind=kind, name=name, datacenter=datacenter, **options)
    return await (_one(api, wanted) if slash else _all_of_kind(api, wanted))


async def _one(api: Api, wanted: ConfigEntryQuery) -> Reply:
    found: ConfigEntryResponse = await ask(api, "ConfigEntry.Get", wanted)
    if found.entry is None:
        text = f"Config entry not found for {quote(wanted.kind)} / {quote(wanted.name)}"
        raise HttpError(404, text, tuple(meta_headers(found)))
    return Reply(entry_json(found.entry), found, floats=True)


async def _all_of_kind(api: Api, wanted: ConfigEntryQuery) -> Reply:
    found: IndexedConfigEntries = await ask(api, "ConfigEntry.List", wanted)
    rows = [entry_json(entry) for entry in found.entries or ()]
    return Reply(rows, found, floats=True)


async def _delete(api: Api, request: Request) -> Reply:
    kind, slash, name = request.path.removeprefix(PREFIX).partition("/")
    if not slash:
        raise NotFoundError("Must provide both a kind and name to delete")
    if kind not in KINDS:
        raise HttpError(400, f"invalid config entry kind: {kind}")
    refuse_namespaces(request)
    await api.call(
        "ConfigEntry.Delete",
        ConfigEntryRequest(
            datacenter=parse_datacenter(request, api.facts.datacenter),
            entry=KINDS[kind](kind=kind, name=name),
            token=parse_token(request),
        ),
    )
    return Reply({})


# ---------------------------------------------------------------- JSON


def entry_json(entry: ConfigEntry) -> dict[str, Any]:
    """An entry: durations as texts, and first, in the two kinds that have some."""
    made = to_json(entry)
    if isinstance(entry, ServiceResolverConfigEntry):
        return _with_text_first(made, "ConnectTimeout")
    for route in made.get("Routes") or ():
        if route.get("Destination"):
            route["Destination"] = _with_text_first(route["Destination"], "RequestTimeout")
    if made.get("Config") is not None:
        made["Config"] = _in_order(made["Config"])
    return made


def _with_text_first(made: dict[str, Any], name: str) -> dict[str, Any]:
    duration_ns = made.pop(name, 0)
    return {name: format_duration(duration_ns), **made} if duration_ns else made


def _in_order(value: Any) -> Any:
    """Go writes the keys of a map in order, however deep it is."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(item) for item in value] if isinstance(value, list) else value
