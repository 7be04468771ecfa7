"""Bodies of requests: JSON into Go structs, by the rules of Go's encoding/json.

Field names ignore case, null leaves a field as it is, an unknown field is refused. A `Shape`
adds what a type's own UnmarshalJSON does: other names for a field, durations as text, fields of
newer clients that are taken and left aside.
"""

import base64
import binascii
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, Union

import msgspec

from proconsul.wire.golang import DurationError, Time, parse_duration, quote
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_syntax import TOO_DEEP, syntax_fault

S = TypeVar("S", bound=GoStruct)

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")

# What a field takes, by Go's type. Without a name it may be signed or not: so all that both hold.
_INT = (-(1 << 63), (1 << 64) - 1)
_INTEGERS = {"uint64": (0, _INT[1]), "uint": (0, _INT[1]), "int": (_INT[0], (1 << 63) - 1)}
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


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
    go_type: str = ""  # as Go prints the type; "" is "structs." and the name of the class
    field_types: Mapping[str, str] = field(default_factory=dict)  # the same of attributes
    list_type: str = ""  # the same of a list of them, at the top of a body
    own_decoder: bool | None = None  # has it an UnmarshalJSON? None: if the above needs one

    @property
    def has_own_decoder(self) -> bool:
        """Go's errors do not look into such a type: they name what is around it."""
        if self.own_decoder is not None:
            return self.own_decoder
        return bool(self.other_names or self.durations or self.lenient)


class _Place(NamedTuple):
    """Where in a body we are, as Go's errors tell it: no further than into an own decoder."""

    struct: str = ""
    path: tuple[str, ...] = ()
    is_final: bool = False
    go_type: str = ""  # "" follows from what is wanted

    def error(self, value: Any, form: Any) -> BodyError:
        """What is said of a value that is not of the type `form`."""
        start = f"json: cannot unmarshal {_kind(value)} into Go "
        of_type = self.go_type or _go_type(form)
        if not self.path:
            return BodyError(f"{start}value of type {of_type}")
        where = f"{self.struct}.{'.'.join(self.path)}"
        return BodyError(f"{start}struct field {where} of type {of_type}")


TOP = _Place()
PLAIN = Shape()
Shapes = Mapping[type[GoStruct], Shape]


def parse(body: bytes) -> Any:
    """The builtins of a JSON text; raises BodyError."""
    if not body.strip():
        raise BodyError("EOF")
    try:
        value = msgspec.json.decode(body, strict=True)
        return _without_half_pairs(value) if _SURROGATE_ESCAPE.search(body) else value
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        return _parse_first_value(body, failure)
    except RecursionError as failure:
        raise BodyError(TOO_DEEP) from failure


def _without_half_pairs(value: Any) -> Any:
    """Half of a surrogate pair, which only an escape can bring, is U+FFFD in Go."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_half_pairs(item) for item in value]
    if isinstance(value, dict):
        return {_without_half_pairs(key): _without_half_pairs(item) for key, item in value.items()}
    return value


def _parse_first_value(body: bytes, failure: Exception) -> Any:
    """Go's Decoder reads one value and leaves what stands behind it alone."""
    import json

    try:
        value, _ = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(
            body.decode("utf-8", "replace").lstrip()
        )
    except (ValueError, RecursionError):
        raise BodyError(syntax_fault(body) or TOO_DEEP) from failure
    return _without_half_pairs(value)


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
        return msgspec.structs.replace(defaults, **self._fields(struct_type, value, TOP, []))

    def from_builtins(self, struct_type: type[S], value: Any) -> tuple[S, list[str]]:
        """The same from parsed JSON."""
        aside: list[str] = []
        made: S = self._struct(struct_type, value, TOP, aside)
        return made, aside

    def decode_list(self, struct_type: type[S], body: bytes) -> tuple[list[S], list[str]]:
        """The same of a JSON array; null elements are zero values, null is an empty list."""
        value = parse(body)
        aside: list[str] = []
        if value is None:
            return [], aside
        if not isinstance(value, list):
            shape = self._shapes.get(struct_type, PLAIN)
            raise TOP._replace(go_type=shape.list_type).error(value, list[struct_type])  # type: ignore[valid-type]
        return [self._struct(struct_type, item, TOP, aside) for item in value], aside

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

    def _struct(self, struct_type: type[Any], value: Any, place: _Place, aside: list[str]) -> Any:
        if value is None:
            return struct_type()
        return struct_type(**self._fields(struct_type, value, place, aside))

    def _fields(
        self, struct_type: type[Any], value: Any, place: _Place, aside: list[str]
    ) -> dict[str, Any]:
        """The attributes that the object sets."""
        shape = self._shapes.get(struct_type, PLAIN)
        if not isinstance(value, dict):
            raise place._replace(go_type=place.go_type or shape.go_type).error(value, struct_type)
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
            elif name.lower() in shape.other_names and fields.get(attribute):
                continue  # the proper name wins
            elif attribute in shape.durations:
                fields[attribute] = _duration(item, strict=not shape.has_own_decoder)
            elif form is str and type(item) is str:
                fields[attribute] = item
            else:
                inner = _field_place(struct_type, shape, attribute, name, place)
                fields[attribute] = self._convert(form, item, inner, aside)
        return fields

    def _unknown(self, shape: Shape, name: str, aside: list[str]) -> None:
        lower = name.lower()
        if lower in shape.ignored or shape.lenient:
            return
        if lower in shape.newer:
            aside.append(name)
            return
        raise BodyError(f"json: unknown field {quote(name)}")

    def _convert(self, form: Any, value: Any, place: _Place, aside: list[str]) -> Any:
        form = _without_none(form)
        if value is None:
            return _zero(form)
        if isinstance(form, type) and issubclass(form, GoStruct):
            return self._struct(form, value, self._entered(form, place), aside)
        origin, arguments = typing.get_origin(form), typing.get_args(form)
        if origin is list:
            if not isinstance(value, list):
                raise place.error(value, form)
            named = place.go_type.startswith("[]")
            place = place._replace(go_type=place.go_type[2:] if named else "")
            return [self._convert(arguments[0], item, place, aside) for item in value]
        if origin is dict:
            if not isinstance(value, dict):
                raise place.error(value, form)
            place = place._replace(go_type="")
            return {
                key: self._convert(arguments[1], item, place, aside) for key, item in value.items()
            }
        return _scalar(form, value, place)

    def _entered(self, struct_type: type[GoStruct], place: _Place) -> _Place:
        """The place as the fields of that struct see it."""
        shape = self._shapes.get(struct_type, PLAIN)
        return place._replace(is_final=True) if shape.has_own_decoder else place


def _field_place(
    struct_type: type[GoStruct], shape: Shape, attribute: str, name: str, place: _Place
) -> _Place:
    """The place of a field; Go tells names as the type declares them, not as the body has them."""
    go_type = shape.field_types.get(attribute, "")
    if place.is_final:
        return place._replace(go_type=go_type)
    lower = name.lower()
    declared = lower if lower in shape.other_names else _declared(struct_type, attribute)
    # The decoder of a type with its own goes through a struct without a name.
    own = (
        "" if shape.has_own_decoder else (shape.go_type or struct_type.__name__).rpartition(".")[2]
    )
    return _Place(own, (*place.path, declared), go_type=go_type)


def _declared(struct_type: type[GoStruct], attribute: str) -> str:
    fields = msgspec.structs.fields(struct_type)
    return next(field.encode_name for field in fields if field.name == attribute)


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


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "bool"),
    ((int, float), "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")


_GO_TYPES: dict[Any, str] = {
    str: "string",
    bool: "bool",
    int: "int",
    float: "float64",
    bytes: "[]uint8",
    Any: "interface {}",
}


def _go_type(form: Any) -> str:
    """How Go prints the type that an annotation stands for."""
    form = _without_none(form)
    origin, arguments = typing.get_origin(form), typing.get_args(form)
    if origin is list:
        pointer = "*" if _is_struct(arguments[0]) else ""
        return f"[]{pointer}{_go_type(arguments[0])}"
    if origin is dict:
        return f"map[{_go_type(arguments[0])}]{_go_type(arguments[1])}"
    if _is_struct(form):
        return f"structs.{form.__name__}"
    while form not in _GO_TYPES and hasattr(form, "__supertype__"):
        form = form.__supertype__
    return _GO_TYPES.get(form, "string")


def _is_struct(form: Any) -> bool:
    return isinstance(form, type) and issubclass(form, GoStruct)


def _duration(value: Any, *, strict: bool) -> int:
    """Text or nanoseconds; other kinds are taken as nothing, or refused (ReadableDuration)."""
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except DurationError as failure:
            raise BodyError(str(failure)) from failure
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    if strict:
        text = quote(msgspec.json.encode(value).decode())
        raise BodyError(f"strconv.ParseFloat: parsing {text}: invalid syntax")
    return 0


def _text(value: Any, place: _Place) -> str:
    if not isinstance(value, str):
        raise place.error(value, str)
    return value


def _truth(value: Any, place: _Place) -> bool:
    if not isinstance(value, bool):
        raise place.error(value, bool)
    return value


def _integer(value: Any, place: _Place) -> int:
    low, high = _INTEGERS.get(place.go_type, _INT)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    error = place.error(value, int)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise error
    # Go tells the number where it is one, but none that the field can hold.
    raise BodyError(str(error).replace("number", f"number {value}", 1))


def _number(value: Any, place: _Place) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise place.error(value, float)
    return float(value)


def _octets(value: Any, place: _Place) -> bytes | None:
    if not isinstance(value, str):
        raise place.error(value, bytes)
    try:
        return base64.b64decode(value, validate=True) or None
    except binascii.Error as failure:
        at = next((at for at, char in enumerate(value) if char not in _BASE64), len(value))
        raise BodyError(f"illegal base64 data at input byte {at}") from failure


_SCALARS: dict[Any, Callable[[Any, _Place], Any]] = {
    str: _text,
    bool: _truth,
    int: _integer,
    float: _number,
    bytes: _octets,
}


def _scalar(form: Any, value: Any, place: _Place) -> Any:
    if form is Any:
        return _go_numbers(value)
    if form is Time:
        raise BodyError(f"times cannot be set here ({'.'.join(place.path)})")
    while form not in _SCALARS and hasattr(form, "__supertype__"):
        form = form.__supertype__
    return _SCALARS[form](value, place)


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
