"""Several sources become one: later ones win, lists grow, maps are laid over each other.

The order is Consul's: defaults, dev mode's defaults, lists from flags, files as named, then the
plain values from flags and the `-hcl` fragments. Lists from flags come first because files
append to them.
Source: agent/config/merge.go, builder.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from proconsul.config import hcl, json_text
from proconsul.config.decode import Decoded, Raw, decode
from proconsul.config.failure import ConfigError
from proconsul.config.keys import ROOT, FreeMap, Group, Kind, ListOf, MapOf
from proconsul.config.tree import Node

Format = Literal["json", "hcl"]


def format_of(name: str) -> Format | None:
    """What the ending of a file's name says."""
    if name.endswith(".json"):
        return "json"
    return "hcl" if name.endswith(".hcl") else None


def parse_source(text: str, name: str, file_format: Format) -> Decoded:
    """The checked values of one file or fragment; an empty one sets nothing."""
    if not text:
        return Decoded({}, ())
    try:
        if file_format == "hcl":
            root, number_type = hcl.lower(hcl.parse(text, name)), "int"
        else:
            root, number_type = json_text.parse(text, name), "float64"
            _require_object(root, name)
    except ConfigError as error:
        raise ConfigError(f"failed to parse {error}") from None
    if root.value is None:
        root = Node({}, root.line)
    return decode(root, name, number_type=number_type)


def _require_object(root: Node, name: str) -> None:
    if root.value is None or isinstance(root.value, dict):
        return
    kinds: dict[type, str] = {list: "array", str: "string", bool: "bool"}
    kind = kinds.get(type(root.value), "number")
    raise ConfigError(
        f"{name}: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    )


def merge(sources: Iterable[Raw]) -> Raw:
    """All sources in one, in the order of their weight."""
    merged: Raw = {}
    for source in sources:
        merged = _merge_group(merged, _gather_definitions(source), ROOT)
    return merged


def _gather_definitions(source: Raw) -> Raw:
    """A `service` or `check` on its own joins the list, where merging does not replace it."""
    source = dict(source)
    for single, several in (("check", "checks"), ("service", "services")):
        if single in source:
            listed = source.get(several, [])
            assert isinstance(listed, list), "the decoder has seen to it"
            source[several] = [*listed, source.pop(single)]
    return source


def _merge_group(older: Raw, newer: Raw, kind: Group) -> Raw:
    merged = dict(older)
    for key, value in newer.items():
        merged[key] = _merge_value(older[key], value, kind.fields[key]) if key in older else value
    return merged


def _merge_value(older: object, newer: object, kind: Kind) -> object:
    match kind:
        case ListOf() if isinstance(older, list) and isinstance(newer, list):
            return [*older, *newer]
        case Group(whole=False) if isinstance(older, dict) and isinstance(newer, dict):
            return _merge_group(older, newer, kind)
        case MapOf() | FreeMap() if isinstance(older, dict) and isinstance(newer, dict):
            return {**older, **newer}
        case _:
            return newer
