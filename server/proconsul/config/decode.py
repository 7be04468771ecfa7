"""From a parsed file to checked values: which keys are known, and is each of its type?

Everything that is wrong in a file is told at once, each with its line. Conversions are those of
Consul's decoder and no others: a number may stand for an integer or a float, a list of one for
what it contains, nothing else for anything else.
Source: agent/config/config.go, lib/decode, and mapstructure's strict mode.
"""

from __future__ import annotations

from msgspec import Struct

from proconsul.config.failure import ConfigError
from proconsul.config.keys import ROOT, FreeMap, Group, Kind, ListOf, MapOf, Scalar
from proconsul.config.notices import DEPRECATED
from proconsul.config.tree import Node, unwrapped

Raw = dict[str, object]
"""Settings as a source gave them: nested by key, only what was set."""


_GO_TYPES: dict[type, str] = {str: "string", float: "float64", type(None): "nil"}


class Decoded(Struct, frozen=True):
    """The values of one source, and the path of each key that it set, in order."""

    values: Raw
    keys: tuple[str, ...]


def decode(root: Node, source_name: str, *, number_type: str) -> Decoded:
    """Check `root` against the known keys.

    `number_type` is what errors call a number of this format: `int` (HCL) or `float64` (JSON).
    """
    decoder = _Decoder(number_type)
    values = decoder.group("", root, ROOT)
    if decoder.mistakes:
        told = "\n".join(f"* {mistake}" for mistake in sorted(decoder.mistakes))
        raise ConfigError(
            f"failed to parse {source_name}: {len(decoder.mistakes)} error(s) decoding:\n\n{told}"
        )
    if decoder.unknown:
        told = "".join(
            f"\t* invalid config key {path} (line {line})\n"
            for path, line in sorted(decoder.unknown)
        )
        count = len(decoder.unknown)
        plural = "s" if count > 1 else ""
        raise ConfigError(f"failed to parse {source_name}: {count} error{plural} occurred:\n{told}")
    return Decoded(values, tuple(decoder.seen))


class _Decoder:
    """One walk through one file."""

    def __init__(self, number_type: str) -> None:
        self.mistakes: list[str] = []
        self.unknown: list[tuple[str, int]] = []
        self.seen: list[str] = []
        self._number_type = number_type

    def group(self, path: str, node: Node, kind: Group) -> Raw:
        node = node.single()
        if not isinstance(node.value, dict):
            self._mistake(path, node, f"expected a map, got '{self._family(node)}'")
            return {}
        given = _canonical(node.value, kind)
        values: Raw = {}
        for key, child_kind in kind.fields.items():
            name = key if key in given else _same_word(key, given)
            if name is None:
                continue
            child = given.pop(name)
            child_path = f"{path}.{key}" if path else key
            self.seen.append(child_path)
            if child.value is not None:
                values[key] = self._value(child_path, child, child_kind)
        for name, child in given.items():
            if name in DEPRECATED and not path:
                self.seen.append(name)
                continue
            self.unknown.append((f"{path}.{name}" if path else name, child.line))
        return values

    def _value(self, path: str, node: Node, kind: Kind) -> object:
        match kind:
            case Scalar():
                return self._scalar(path, node.single(), kind)
            case ListOf():
                return self._list(path, node, kind)
            case MapOf():
                return self._map(path, node.single(), kind)
            case FreeMap():
                return self._free_map(path, node.single())
            case Group():
                return self.group(path, node, kind)

    def _scalar(self, path: str, node: Node, kind: Scalar) -> object:
        value = node.value
        match kind:
            case Scalar.STRING if isinstance(value, str):
                return value
            case Scalar.BOOL if isinstance(value, bool):
                return value
            case Scalar.FLOAT if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
            case Scalar.INT if isinstance(value, int | float) and not isinstance(value, bool):
                return int(value)
            case Scalar.UINT if isinstance(value, int | float) and not isinstance(value, bool):
                if value < 0:
                    told = f"{value:.6f}" if self._number_type == "float64" else value
                    self.mistakes.append(
                        f"cannot parse '{path}', {told} overflows uint (line {node.line})"
                    )
                return int(value)
        expected = f"expected type '{kind.value}', got unconvertible type '{self._type(node)}'"
        self._mistake(path, node, expected)
        return None

    def _list(self, path: str, node: Node, kind: ListOf) -> list[object]:
        if not isinstance(node.value, list):
            got = self._family(node)
            self._mistake(path, node, f"source data must be an array or slice, got {got}", ":")
            return []
        return [
            # A null among strings is an empty one, as Go has it.
            "" if child.value is None else self._value(f"{path}[{at}]", child, kind.item)
            for at, child in enumerate(node.value)
        ]

    def _map(self, path: str, node: Node, kind: MapOf) -> Raw:
        if not isinstance(node.value, dict):
            self._mistake(path, node, f"expected a map, got '{self._family(node)}'")
            return {}
        return {
            key: self._value(f"{path}[{key}]", child, kind.item)
            for key, child in node.value.items()
        }

    def _free_map(self, path: str, node: Node) -> Raw:
        if not isinstance(node.value, dict):
            self._mistake(path, node, f"expected a map, got '{self._family(node)}'")
            return {}
        return {key: unwrapped(child) for key, child in node.value.items()}

    def _mistake(self, path: str, node: Node, what: str, colon: str = "") -> None:
        self.mistakes.append(f"'{path}'{colon} {what} (line {node.line})")

    def _type(self, node: Node) -> str:
        """Go's name for what the file has there."""
        value = node.value
        if isinstance(value, list):
            of_maps = value and isinstance(value[0].value, dict)
            return "[]map[string]interface {}" if of_maps else "[]interface {}"
        if isinstance(value, dict):
            return "map[string]interface {}"
        if isinstance(value, bool):
            return "bool"
        return self._number_type if isinstance(value, int) else _GO_TYPES[type(value)]

    def _family(self, node: Node) -> str:
        """Go's word for the kind of thing that the file has there."""
        if isinstance(node.value, list):
            return "slice"
        return "map" if isinstance(node.value, dict) else self._type(node)


def _canonical(given: dict[str, Node], kind: Group) -> dict[str, Node]:
    """The keys with aliases replaced; what has its proper name already wins over an alias."""
    result: dict[str, Node] = {}
    for name, node in given.items():
        canonical = kind.aliases.get(name.lower(), name)
        result[canonical] = given.get(canonical, node)
    return result


def _same_word(key: str, given: dict[str, Node]) -> str | None:
    """A name in `given` that differs from `key` only in capitals."""
    return next((name for name in given if name.lower() == key), None)
