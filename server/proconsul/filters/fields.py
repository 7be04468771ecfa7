"""What of a row a filter may select, as data read off the row's type.

A row is a msgspec struct whose `encode_name`s are Consul's field names. As in go-bexpr every field
is selectable unless the struct's `filter_skip` names its attribute (Consul's `bexpr:"-"`);
structs are walked by field, maps by key, lists by asking each element. Source: go-bexpr 0.1.2,
`field_config.go`.
"""

import collections.abc
import enum
import types
import typing
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct, field

ROW_TYPES_MAX = 64


class Kind(enum.Enum):
    """What a field holds, as far as a filter cares."""

    STRING = "string"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    LIST = "list"
    MAP = "map"
    STRUCT = "struct"
    OPAQUE = "opaque"  # anything else: it can be neither compared nor entered


PRIMITIVES = frozenset({Kind.STRING, Kind.BOOL, Kind.INT, Kind.FLOAT})


class Field(Struct, frozen=True):
    """One step of a selector.

    `attribute` is the Python name on the struct (empty for elements of lists and maps); `element`
    is what a list or map holds, `fields` what a struct has, by Consul's names.
    """

    kind: Kind
    attribute: str = ""
    element: "Field | None" = None
    fields: Mapping[str, "Field"] = field(default_factory=dict)
    key_is_string: bool = True


Fields = Mapping[str, Field]

_SCALARS: tuple[tuple[type, Kind], ...] = (  # bool before int: it is one
    (str, Kind.STRING),
    (bool, Kind.BOOL),
    (int, Kind.INT),
    (float, Kind.FLOAT),
)
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence)
_MAPS = (dict, collections.abc.Mapping)


@lru_cache(maxsize=ROW_TYPES_MAX)
def field_spec(struct_type: type[msgspec.Struct]) -> Fields:
    """The selectable fields of a row type, by Consul's names; TypeError if it contains itself."""
    return _struct_fields(struct_type, frozenset())


def _struct_fields(struct_type: type[msgspec.Struct], outer: frozenset[type]) -> Fields:
    if struct_type in outer:
        raise TypeError(f"{struct_type.__name__} contains itself: skip the field (filter_skip)")
    inner = outer | {struct_type}
    skipped: frozenset[str] = getattr(struct_type, "filter_skip", frozenset())
    known = {info.name for info in msgspec.structs.fields(struct_type)}
    if not skipped <= known:
        raise TypeError(f"{struct_type.__name__}.filter_skip names {sorted(skipped - known)}")
    return {
        info.encode_name: _field(info.type, info.name, inner)
        for info in msgspec.structs.fields(struct_type)
        if info.name not in skipped
    }


def _field(annotation: Any, attribute: str, outer: frozenset[type]) -> Field:
    bare = _bare(annotation)
    origin = get_origin(bare) or bare
    if not isinstance(origin, type):
        return Field(Kind.OPAQUE, attribute)
    if issubclass(origin, msgspec.Struct):
        return Field(Kind.STRUCT, attribute, fields=_struct_fields(origin, outer))
    if issubclass(origin, bytes):  # []byte: numbers in a list
        return Field(Kind.LIST, attribute, element=Field(Kind.INT))
    for scalar, kind in _SCALARS:
        if issubclass(origin, scalar):
            return Field(kind, attribute)
    return _container(origin, get_args(bare), attribute, outer)


def _container(
    origin: type, arguments: tuple[Any, ...], attribute: str, outer: frozenset[type]
) -> Field:
    if issubclass(origin, _LISTS):
        return Field(Kind.LIST, attribute, element=_field(_nth(arguments, 0), "", outer))
    if issubclass(origin, _MAPS):
        key = _field(_nth(arguments, 0), "", outer)
        element = _field(_nth(arguments, 1), "", outer)
        return Field(Kind.MAP, attribute, element=element, key_is_string=key.kind is Kind.STRING)
    return Field(Kind.OPAQUE, attribute)


def _nth(arguments: tuple[Any, ...], position: int) -> Any:
    return arguments[position] if position < len(arguments) else Any


def _bare(annotation: Any) -> Any:
    """The type under NewType, Annotated, `| None` and Literal; other unions are opaque (Any)."""
    while True:
        inner = list(_unwrapped(annotation))
        if not inner:
            return annotation
        annotation = inner[0] if len(set(inner)) == 1 else Any


def _unwrapped(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, typing.NewType):
        yield annotation.__supertype__
    elif get_origin(annotation) is typing.Annotated:
        yield get_args(annotation)[0]
    elif get_origin(annotation) in (Union, types.UnionType):
        absent = (types.NoneType, msgspec.UnsetType)
        yield from (part for part in get_args(annotation) if part not in absent)
    elif get_origin(annotation) is Literal:
        yield from (type(value) for value in get_args(annotation) if value is not None)
