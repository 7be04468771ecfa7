"""The body of `PUT /v1/config`: an entry of the kind that it names (structs.DecodeConfigEntry)."""

import math
from typing import Any

from proconsul.api.weak_decode import LooseDecoder, LooseError, LooseShape
from proconsul.model.catalog import ExposePath, MeshGatewayConfig
from proconsul.model.config_entry import (
    KINDS,
    ConfigEntry,
    LinkedService,
    ProxyConfigEntry,
    ServiceConfigEntry,
    ServiceResolverConfigEntry,
    ServiceResolverFailover,
    ServiceResolverRedirect,
    ServiceResolverSubset,
    ServiceRouteDestination,
    ServiceRouteHTTPMatch,
    ServiceSplit,
)
from proconsul.wire.golang import list_of_errors, quote
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_decode import BodyError, parse

INDEXES = ("CreateIndex", "ModifyIndex")  # taken, as they stand in what was read, and left aside


class _RaftIndex(GoStruct, frozen=True, kw_only=True):
    create_index: int = 0
    modify_index: int = 0


def decoded_entry(body: bytes) -> ConfigEntry:
    """The entry. Raises BodyError."""
    try:
        return _decoded(_in_go_numbers(parse(body)))
    except RecursionError as failure:
        raise BodyError("the body nests too deep") from failure


def _decoded(value: Any) -> ConfigEntry:
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise BodyError(f"'' expected a map, got '{_kind_of_body(value)}'")
    struct_type = _type_of(value)
    decoder = LooseDecoder(_SHAPES)
    try:
        entry = decoder.decode(struct_type, value)
    except LooseError as failure:
        raise BodyError(str(failure)) from failure
    complaints = [_complaint_about(key) for key in decoder.unused if key not in INDEXES]
    if complaints:
        raise BodyError(list_of_errors(complaints))
    return entry


def _type_of(value: dict[str, Any]) -> type[ConfigEntry]:
    key = next((key for key in ("Kind", "kind") if key in value), None)
    if key is None:
        raise BodyError("Payload does not contain a kind/Kind key at the top level")
    kind = value[key]
    if not isinstance(kind, str):
        raise BodyError("Kind value in payload is not a string")
    if kind not in KINDS:
        raise BodyError(f"invalid config entry kind: {kind}")
    return KINDS[kind]


def _complaint_about(key: str) -> str:
    complaint = f"invalid config key {quote(key)}"
    if key.lower().endswith("namespace"):
        return f"{complaint}, namespaces are a consul enterprise feature"
    return complaint


def _in_go_numbers(value: Any) -> Any:
    """A JSON value as Go has it where it knows no type: every number is a float64."""
    if isinstance(value, dict):
        return {key: _in_go_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_go_numbers(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BodyError(f"json: cannot unmarshal number {value} into Go value of type float64")
    return number


def _kind_of_body(value: Any) -> str:
    names = {str: "string", list: "slice", bool: "bool"}
    return names.get(type(value), "float64")


def _aliases(*names: str) -> LooseShape:
    return LooseShape(aliases=frozenset(names))


def _entry(*names: str) -> LooseShape:
    return LooseShape(
        aliases=frozenset(names),
        hidden=frozenset({"create_index", "modify_index"}),
        embedded={"RaftIndex": _RaftIndex},
    )


_SHAPES: dict[type[GoStruct], LooseShape] = {
    **{struct_type: _entry() for struct_type in KINDS.values()},
    ServiceConfigEntry: _entry("mesh_gateway", "external_sni"),
    ProxyConfigEntry: _entry("mesh_gateway"),
    ServiceResolverConfigEntry: _entry("default_subset", "connect_timeout"),
    ExposePath: _aliases("listener_port", "local_path_port"),
    MeshGatewayConfig: LooseShape(go_types={"mode": "structs.MeshGatewayMode"}),
    LinkedService: _aliases("ca_file", "cert_file", "key_file"),
    ServiceResolverFailover: _aliases("service_subset"),
    ServiceResolverRedirect: _aliases("service_subset"),
    ServiceResolverSubset: _aliases("only_passing"),
    ServiceSplit: _aliases("service_subset"),
    ServiceRouteHTTPMatch: _aliases("path_exact", "path_prefix", "path_regex", "query_param"),
    ServiceRouteDestination: LooseShape(
        aliases=frozenset(
            {
                "service_subset",
                "prefix_rewrite",
                "request_timeout",
                "num_retries",
                "retry_on_connect_failure",
                "retry_on_status_codes",
            }
        ),
        go_types={"num_retries": "uint32", "retry_on_status_codes": "uint32"},
    ),
    _RaftIndex: LooseShape(go_types={"create_index": "uint64", "modify_index": "uint64"}),
}
