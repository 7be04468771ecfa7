"""Bodies of requests: JSON into Go structs, by the rules of Go's encoding/json.

Field names ignore case, null leaves a field as it is, an unknown field is refused. A `Shape`
adds what a type's own UnmarshalJSON does: other names for a field, durations as text, fields of
newer clients that are taken and left aside.
"""

import base64
import binascii
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union

import msgspec

from proconsul.wire.golang import DurationError, Time, parse_duration, quote
from proconsul.wire.gostruct import GoStruct

S = TypeVar("S", bound=GoStruct)


class BodyError(ValueError):
    """The body cannot be taken; str() says why in the words of Go's decoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the JSON of one type differs from its fields; names in JSON are lower-cased."""

    other_names: Mapping[str, str] = field(default_factory=dict)  # JSON name to attribute
    durations: frozenset[str] = frozenset()  # attributes that take Go's duration texts, too
    ignored: frozenset[str] = frozenset()  # JSON names that are taken and left aside
    newer: frozenset[str] = frozenset()  # the same, but the caller is told
    lenient: bool = False  # unknown fields are skipped
    hidden: frozenset[str] = frozenset()  # attributes that JSON cannot set (`json:"-"`)


PLAIN = Shape()
Shapes = Mapping[type[GoStruct], Shape]


def parse(body: bytes) -> Any:
    """The builtins of a JSON text; raises BodyError."""
    if not body.strip():
        raise BodyError("EOF")
    try:
        return msgspec.json.decode(body, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        return _parse_first_value(body, failure)
    except RecursionError as failure:
        raise BodyError("exceeded max depth") from failure


def _parse_first_value(body: bytes, failure: Exception) -> Any:
    """Go's Decoder reads one value and leaves what stands behind it alone."""
    import json

    try:
        value, _ = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(
            body.decode("utf-8", "replace").lstrip()
        )
    except (ValueError, RecursionError):
        raise BodyError(f"invalid character in JSON: {failure}") from failure
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


class BodyDecoder:
    """Decodes bodies into structs; one for all types, told of their shapes."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._plans: dict[type[GoStruct], dict[str, tuple[str, Any]]] = {}

    def decode(self, struct_type: type[S], body: bytes) -> tuple[S, list[str]]:
        """(struct, names left aside) of a JSON object; raises BodyError."""
        return self.from_builtins(struct_type, parse(body))

    def update(self, defaults: S, body: bytes) -> S:
        """The struct with the fields that a JSON object names; raises BodyError."""
        value = parse(body)
        if value is None:
            return defaults
        struct_type = type(defaults)
        return msgspec.structs.replace(defaults, **self._fields(struct_type, value, []))

    def from_builtins(self, struct_type: type[S], value: Any) -> tuple[S, list[str]]:
        """The same from parsed JSON."""
        aside: list[str] = []
        made: S = self._struct(struct_type, value, aside)
        return made, aside

    def decode_list(self, struct_type: type[S], body: bytes) -> tuple[list[S], list[str]]:
        """The same of a JSON array; null elements are zero values, null is an empty list."""
        value = parse(body)
        aside: list[str] = []
        if value is None:
            return [], aside
        if not isinstance(value, list):
            raise _mismatch(value, f"[]{struct_type.__name__}")
        return [self._struct(struct_type, item, aside) for item in value], aside

    def _plan(self, struct_type: type[GoStruct]) -> dict[str, tuple[str, Any]]:
        plan = self._plans.get(struct_type)
        if plan is None:
            hints = typing.get_type_hints(struct_type)
            shape = self._shapes.get(struct_type, PLAIN)
            plan = {
                field.encode_name.lower(): (field.name, hints[field.name])
                for field in msgspec.structs.fields(struct_type)
                if field.name not in shape.hidden
            }
            for name, attribute in shape.other_names.items():
                plan.setdefault(name, (attribute, hints[attribute]))
            self._plans[struct_type] = plan
        return plan

    def _struct(self, struct_type: type[Any], value: Any, aside: list[str]) -> Any:
        return (
            struct_type()
            if value is None
            else struct_type(**self._fields(struct_type, value, aside))
        )

    def _fields(self, struct_type: type[Any], value: Any, aside: list[str]) -> dict[str, Any]:
        """The attributes that the object sets."""
        if not isinstance(value, dict):
            raise _mismatch(value, struct_type.__name__)
        shape = self._shapes.get(struct_type, PLAIN)
        plan = self._plan(struct_type)
        fields: dict[str, Any] = {}
        for name, item in value.items():
            known = plan.get(name.lower())
            if known is None:
                self._unknown(shape, name, aside)
                continue
            attribute, form = known
            if item is None:
                if _is_optional(form):
                    fields[attribute] = None
                continue
            if name.lower() in shape.other_names and fields.get(attribute):
                continue  # the proper name wins
            if attribute in shape.durations:
                fields[attribute] = _duration(item)
            else:
                fields[attribute] = self._convert(
                    form, item, f"{struct_type.__name__}.{name}", aside
                )
        return fields

    def _unknown(self, shape: Shape, name: str, aside: list[str]) -> None:
        lower = name.lower()
        if lower in shape.ignored or shape.lenient:
            return
        if lower in shape.newer:
            aside.append(name)
            return
        raise BodyError(f"json: unknown field {quote(name)}")

    def _convert(self, form: Any, value: Any, where: str, aside: list[str]) -> Any:
        form = _without_none(form)
        if value is None:
            return _zero(form)
        if isinstance(form, type) and issubclass(form, GoStruct):
            return self._struct(form, value, aside)
        origin, arguments = typing.get_origin(form), typing.get_args(form)
        if origin is list:
            if not isinstance(value, list):
                raise _mismatch(value, where)
            return [self._convert(arguments[0], item, where, aside) for item in value]
        if origin is dict:
            if not isinstance(value, dict):
                raise _mismatch(value, where)
            return {
                key: self._convert(arguments[1], item, where, aside) for key, item in value.items()
            }
        return _scalar(form, value, where)


def _is_optional(form: Any) -> bool:
    return type(None) in typing.get_args(form)


def _without_none(form: Any) -> Any:
    if typing.get_origin(form) in (Union, types.UnionType):
        return next(part for part in typing.get_args(form) if part is not type(None))
    return form


def _zero(form: Any) -> Any:
    if isinstance(form, type) and issubclass(form, GoStruct | str | int | float):
        return form()
    return None


def _mismatch(value: Any, where: str) -> BodyError:
    kinds: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "bool"),
        ((int, float), "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    ]
    kind = next((name for kind, name in kinds if isinstance(value, kind)), "null")
    return BodyError(f"json: cannot unmarshal {kind} into Go struct field {where}")


def _duration(value: Any) -> int:
    """Text or nanoseconds; other kinds are taken as nothing, as in Consul."""
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except DurationError as failure:
            raise BodyError(str(failure)) from failure
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, where)
    return value


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(value, where)
    return value


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch(value, where)
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _mismatch(value, where)
    return float(value)


def _octets(value: Any, where: str) -> bytes | None:
    try:
        return base64.b64decode(_text(value, where), validate=True) or None
    except binascii.Error as failure:
        raise BodyError(f"illegal base64 data at input byte 0 ({where})") from failure


_SCALARS: dict[Any, Callable[[Any, str], Any]] = {
    str: _text,
    bool: _truth,
    int: _integer,
    float: _number,
    bytes: _octets,
}


def _scalar(form: Any, value: Any, where: str) -> Any:
    if form is Any:
        return _go_numbers(value)
    if form is Time:
        raise BodyError(f"times cannot be set here ({where})")
    while form not in _SCALARS and hasattr(form, "__supertype__"):
        form = form.__supertype__
    return _SCALARS[form](value, where)


def _go_numbers(value: Any) -> Any:
    """interface{} holds every JSON number as a float64."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, list):
        return [_go_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _go_numbers(item) for key, item in value.items()}
    return value
