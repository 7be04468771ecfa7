"""Bodies of requests: JSON into Go structs, by the rules of Go's encoding/json.

Field names ignore case, null leaves a field as it is, an unknown field is refused. A `Shape`
adds what a type's own UnmarshalJSON does: other names for a field, durations as text, fields of
newer clients that are taken and left aside.
"""

import base64
import binascii
import functools
import math
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from proconsul.wire.golang import DurationError, Time, parse_duration, quote
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_places import BodyError as BodyError
from proconsul.wire.json_places import Place, without_none
from proconsul.wire.json_syntax import TOO_DEEP, syntax_fault

S = TypeVar("S", bound=GoStruct)

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")

# What a field takes, by Go's type. Without a name it may be signed or not: so all that both hold.
_INT = (-(1 << 63), (1 << 64) - 1)
_INTEGERS = {"uint64": (0, _INT[1]), "uint": (0, _INT[1]), "int": (_INT[0], (1 << 63) - 1)}
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


class Shape(Struct, frozen=True, kw_only=True):
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


TOP = Place()
PLAIN = Shape()
Shapes = Mapping[type[GoStruct], Shape]


def parse(body: bytes) -> Any:
    """The builtins of a JSON text; raises BodyError."""
    if not body.strip():
        raise BodyError("EOF")
    try:
        value = _PARSER.decode(body)
        return _without_half_pairs(value) if _SURROGATE_ESCAPE.search(body) else value
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        return _parse_first_value(body, failure)
    except RecursionError as failure:
        raise _too_deep(body) from failure


class _Literal(float):
    """A number that is not whole, as it stands in the body: Go's errors tell it so."""

    def __new__(cls, text: str) -> "_Literal":
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str

    def __str__(self) -> str:
        return self.text


_PARSER = msgspec.json.Decoder(strict=True, float_hook=_Literal)


def _too_deep(body: bytes) -> BodyError:
    """What Go would say of a body that nests deeper than we read."""
    return BodyError(
        syntax_fault(body) or f"invalid character {chr(body.lstrip()[0])!r} {TOO_DEEP}"
    )


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
        decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_Literal)
        value, _ = decoder.raw_decode(body.decode("utf-8", "replace").lstrip())
    except (ValueError, RecursionError):
        raise _too_deep(body) from failure
    return _without_half_pairs(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


class BodyDecoder:
    """Decodes bodies into structs; one for all types, told of their shapes."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._plans: dict[type[GoStruct], dict[str, _Field]] = {}

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

    def _plan(self, struct_type: type[GoStruct]) -> "dict[str, _Field]":
        plan = self._plans.get(struct_type)
        if plan is None:
            shape = self._shapes.get(struct_type, PLAIN)
            known = {
                one.name: one
                for one in msgspec.structs.fields(struct_type)
                if one.name not in shape.hidden
            }
            hints = typing.get_type_hints(struct_type)
            plan = {
                one.encode_name.lower(): _field(shape, struct_type, name, hints, one.encode_name)
                for name, one in known.items()
            }
            for other, name in shape.other_names.items():
                plan.setdefault(other, _field(shape, struct_type, name, hints, other))
            self._plans[struct_type] = plan
        return plan

    def _struct(self, struct_type: type[Any], value: Any, place: Place, aside: list[str]) -> Any:
        if value is None:
            return struct_type()
        return struct_type(**self._fields(struct_type, value, place, aside))

    def _fields(
        self, struct_type: type[Any], value: Any, place: Place, aside: list[str]
    ) -> dict[str, Any]:
        """The attributes that the object sets."""
        shape = self._shapes.get(struct_type, PLAIN)
        if not isinstance(value, dict):
            raise place._replace(go_type=place.go_type or shape.go_type).error(value, struct_type)
        plan = self._plan(struct_type)
        fields: dict[str, Any] = {}
        for name, item in value.items():
            known = plan.get(name) or plan.get(name.lower())
            if known is None:
                self._unknown(shape, name, aside)
            elif item is None:
                if known.is_optional:
                    fields[known.attribute] = None
            elif name.lower() in shape.other_names and fields.get(known.attribute):
                continue  # the proper name wins
            elif known.is_duration:
                fields[known.attribute] = _duration(item, strict=not shape.has_own_decoder)
            elif known.form is str and type(item) is str:
                fields[known.attribute] = item
            else:
                inner = _inside(known, place)
                fields[known.attribute] = self._convert(known.form, item, inner, aside)
        return fields

    def _unknown(self, shape: Shape, name: str, aside: list[str]) -> None:
        lower = name.lower()
        if lower in shape.ignored or shape.lenient:
            return
        if lower in shape.newer:
            aside.append(name)
            return
        raise BodyError(f"json: unknown field {quote(name)}")

    def _convert(self, form: Any, value: Any, place: Place, aside: list[str]) -> Any:
        if value is None:
            return _zero(without_none(form))
        kind, inner = _kind_of(form)
        if kind is GoStruct:
            return self._struct(inner, value, self._entered(inner, place), aside)
        if kind is list:
            if not isinstance(value, list):
                raise place.error(value, form)
            named = place.go_type.startswith("[]")
            place = place._replace(go_type=place.go_type[2:] if named else "")
            return [self._convert(inner, item, place, aside) for item in value]
        if kind is dict:
            if not isinstance(value, dict):
                raise place.error(value, form)
            place = place._replace(go_type="")
            return {key: self._convert(inner, item, place, aside) for key, item in value.items()}
        return _scalar(inner, value, place)

    def _entered(self, struct_type: type[GoStruct], place: Place) -> Place:
        """The place as the fields of that struct see it."""
        shape = self._shapes.get(struct_type, PLAIN)
        return place._replace(is_final=True) if shape.has_own_decoder else place


class _Field(Struct, frozen=True, kw_only=True):
    """What is to be done with a name in an object."""

    attribute: str
    form: Any  # the annotation, without its None
    is_optional: bool
    is_duration: bool
    declared: str  # the name as Go declares it, whatever the case in the body
    owner: str  # Go's name of the struct
    go_type: str


def _field(
    shape: Shape, struct_type: type[GoStruct], name: str, hints: dict[str, Any], declared: str
) -> _Field:
    # The decoder of a type with its own goes through a struct without a name.
    owner = "" if shape.has_own_decoder else shape.go_type or struct_type.__name__
    return _Field(
        attribute=name,
        form=without_none(hints[name]),
        is_optional=type(None) in typing.get_args(hints[name]),
        is_duration=name in shape.durations,
        declared=declared,
        owner=owner.rpartition(".")[2],
        go_type=shape.field_types.get(name, ""),
    )


def _inside(known: _Field, place: Place) -> Place:
    if place.is_final:
        return place._replace(go_type=known.go_type)
    return Place(known.owner, (*place.path, known.declared), go_type=known.go_type)


@functools.cache
def _kind_of(form: Any) -> tuple[type | None, Any]:
    """GoStruct, list, dict or None for a scalar, and what is inside of it."""
    form = without_none(form)
    origin, arguments = typing.get_origin(form), typing.get_args(form)
    if origin is list:
        return list, arguments[0]
    if origin is dict:
        return dict, arguments[1]
    if isinstance(form, type) and issubclass(form, GoStruct):
        return GoStruct, form
    while form is not Time and form not in _SCALARS and hasattr(form, "__supertype__"):
        form = form.__supertype__
    return None, form


def _zero(form: Any) -> Any:
    if isinstance(form, type) and issubclass(form, GoStruct | str | int | float):
        return form()
    return None


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


def _text(value: Any, place: Place) -> str:
    if not isinstance(value, str):
        raise place.error(value, str)
    return value


def _truth(value: Any, place: Place) -> bool:
    if not isinstance(value, bool):
        raise place.error(value, bool)
    return value


def _integer(value: Any, place: Place) -> int:
    low, high = _INTEGERS.get(place.go_type, _INT)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    error = place.error(value, int)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise error
    raise _out_of_range(error, value)


def _number(value: Any, place: Place) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.error(value, float)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _out_of_range(place.error(value, float), value)
    return number


def _out_of_range(error: BodyError, value: float) -> BodyError:
    """Go tells the number where it is one, but none that the field can hold."""
    return BodyError(str(error).replace("number", f"number {value}", 1))


def _octets(value: Any, place: Place) -> bytes | None:
    if not isinstance(value, str):
        raise place.error(value, bytes)
    try:
        return base64.b64decode(value, validate=True) or None
    except binascii.Error as failure:
        at = next((at for at, char in enumerate(value) if char not in _BASE64), len(value))
        raise BodyError(f"illegal base64 data at input byte {at}") from failure


_SCALARS: dict[Any, Callable[[Any, Place], Any]] = {
    str: _text,
    bool: _truth,
    int: _integer,
    float: _number,
    bytes: _octets,
}


def _scalar(form: Any, value: Any, place: Place) -> Any:
    if form is Any:
        return _go_numbers(value, place)
    if form is Time:
        raise BodyError(f"times cannot be set here ({'.'.join(place.path)})")
    return _SCALARS[form](value, place)


def _go_numbers(value: Any, place: Place) -> Any:
    """interface{} holds every JSON number as a float64."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value, place._replace(go_type="float64"))
    if isinstance(value, list):
        return [_go_numbers(item, place) for item in value]
    if isinstance(value, dict):
        return {key: _go_numbers(item, place) for key, item in value.items()}
    return value
