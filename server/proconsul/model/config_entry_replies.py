"""What is answered about configuration entries, and the blobs in which answers travel.

All of these are Go types with a MarshalBinary of their own: one raw string, which holds values one
behind the other (wire/rpc.md section 2). An entry is known by the kind that stands before it.
"""

from typing import Any

from proconsul.model.catalog import ExposeConfig, MeshGatewayConfig
from proconsul.model.config_entry import PROXY_DEFAULTS, ConfigEntry, entry_type, kind_of
from proconsul.model.query import QueryMeta, QueryOptions
from proconsul.wire import msgpack
from proconsul.wire.gostruct import (
    GoStruct,
    WireError,
    fields_from_wire,
    fields_to_wire,
    from_wire,
    stands_as_blob,
    to_wire,
)

_OTHER_VALUES = "the blob does not hold the values that it should"


class ConfigEntryResponse(QueryMeta, frozen=True, kw_only=True):
    """Answer: one entry, or none."""

    entry: Any = None  # a ConfigEntry


class IndexedConfigEntries(QueryMeta, frozen=True, kw_only=True):
    """Answer: the entries of a kind; of all kinds when the kind is empty."""

    kind: str = ""
    entries: Any = None  # a list of ConfigEntry


class IndexedGenericConfigEntries(QueryMeta, frozen=True, kw_only=True):
    """Answer: the entries of all kinds, each behind its own."""

    entries: Any = None  # a list of ConfigEntry


class ServiceID(GoStruct, frozen=True, kw_only=True):
    """A service by its name, where a namespace could stand beside it."""

    id: str = ""


class ServiceConfigRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask what the entries say about a service, and about those that its proxy leads to."""

    name: str = ""
    datacenter: str = ""
    upstreams: list[str] | None = None  # as older agents say it
    upstream_ids: list[ServiceID] | None = None


class UpstreamConfig(GoStruct, frozen=True, kw_only=True):
    """What the entries say about one upstream."""

    upstream: ServiceID = ServiceID()
    config: dict[str, Any] | None = None


class ServiceConfigResponse(QueryMeta, frozen=True, kw_only=True):
    """Answer: what the entries say about a service."""

    proxy_config: dict[str, Any] | None = None
    upstream_configs: dict[str, dict[str, Any] | None] | None = None  # to older agents
    upstream_id_configs: list[UpstreamConfig] | None = None
    mesh_gateway: MeshGatewayConfig = MeshGatewayConfig()
    expose: ExposeConfig = ExposeConfig()


def _meta_to_wire(reply: QueryMeta) -> dict[str, Any]:
    fields = fields_to_wire(reply)
    return {name: fields[name] for name in fields if name not in ("Entry", "Entries")}


def _pack_all(*values: Any) -> bytes:
    return b"".join(msgpack.pack(value) for value in values)


def _response_to_blob(reply: ConfigEntryResponse) -> bytes:
    meta = _meta_to_wire(reply)
    if reply.entry is None:
        return _pack_all("", meta)
    return _pack_all(kind_of(reply.entry), to_wire(reply.entry), meta)


def _response_from_blob(data: bytes) -> ConfigEntryResponse:
    match _values(data):
        case ["", dict(meta)]:
            return fields_from_wire(ConfigEntryResponse, meta)
        case [str(kind), value, dict(meta)]:
            entry = from_wire(entry_type(kind), value)
            return fields_from_wire(ConfigEntryResponse, {**meta, "Entry": entry})
        case _:
            raise WireError(_OTHER_VALUES)


def _entries_to_blob(reply: IndexedConfigEntries) -> bytes:
    entries = [to_wire(entry) for entry in reply.entries or ()]
    return _pack_all(len(entries), reply.kind, {**fields_to_wire(reply), "Entries": entries})


def _entries_from_blob(data: bytes) -> IndexedConfigEntries:
    match _values(data):
        case [int(), str(kind), dict(fields)]:
            entries = [_listed_from_wire(kind, value) for value in fields.get("Entries") or ()]
            return fields_from_wire(IndexedConfigEntries, {**fields, "Entries": entries})
        case _:
            raise WireError(_OTHER_VALUES)


def _listed_from_wire(kind: str, value: Any) -> ConfigEntry:
    """One of a list; where the list has no kind, it is of the kind that it names itself.

    A raw string is a proxy-defaults entry: no other travels as such.
    """
    if not kind:
        kind = value.get("Kind", "") if isinstance(value, dict) else PROXY_DEFAULTS
    return from_wire(entry_type(kind), value)


def _generic_to_blob(reply: IndexedGenericConfigEntries) -> bytes:
    entries = reply.entries or []
    behind_kinds = (part for entry in entries for part in (kind_of(entry), to_wire(entry)))
    return _pack_all(len(entries), *behind_kinds, _meta_to_wire(reply))


def _generic_from_blob(data: bytes) -> IndexedGenericConfigEntries:
    match _values(data):
        case [int(count), *parts, dict(meta)] if len(parts) == 2 * count:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            entries = [from_wire(entry_type(kind), value) for kind, value in pairs]
            return fields_from_wire(IndexedGenericConfigEntries, {**meta, "Entries": entries})
        case _:
            raise WireError(_OTHER_VALUES)


def _service_config_to_blob(reply: ServiceConfigResponse) -> bytes:
    return msgpack.pack(fields_to_wire(reply))


def _service_config_from_blob(data: bytes) -> ServiceConfigResponse:
    return fields_from_wire(ServiceConfigResponse, msgpack.unpack(data))


def _values(data: bytes) -> list[Any]:
    return list(msgpack.unpack_chunks([data]))


stands_as_blob(ConfigEntryResponse, _response_to_blob, _response_from_blob)
stands_as_blob(IndexedConfigEntries, _entries_to_blob, _entries_from_blob)
stands_as_blob(IndexedGenericConfigEntries, _generic_to_blob, _generic_from_blob)
stands_as_blob(ServiceConfigResponse, _service_config_to_blob, _service_config_from_blob)
