"""Go structs as msgspec structs: their msgpack form and their JSON form.

A subclass of GoStruct declares the fields in Go's order, in snake case; the Go name follows from
it (`go_name`, or `field(name=...)`). Annotations say the Go type: `str int float bool`,
`bytes | None` for []byte, `list[T] | None`, `dict[str, T] | None`, another GoStruct, the same
with `| None` for a pointer, `Duration`, `Time`, `Any` for interface{}. None is Go's nil and is
kept apart from empty, because Consul compares them apart (wire/fsm.md section 9).

Wire form: a map with all fields, sorted by Go name. JSON form: builtins in declaration order,
without what `json_omit_empty` names when it is empty and without `json_skip`.
Encoders and decoders are compiled once a class, as `dataclasses` compiles `__init__`.
"""

import types
import typing
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, Union

import msgspec

from proconsul.wire import golang, msgpack

Builtins = Any
S = TypeVar("S", bound="GoStruct")
Converter = Callable[[Any], Any]


class WireError(ValueError):
    """A decoded value does not fit the struct it should fill; str() names the field."""


class ConsulWordsError(WireError):
    """A value is refused in Consul's own words: they stand alone, whatever it stood in."""


class GoStruct(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=golang.go_name):
    """Base of all structs that cross the wire; immutable, so that rows can be shared.

    What is made of immutable parts has no cycles: the garbage collector need not look.
    """

    json_omit_empty: ClassVar[frozenset[str]] = frozenset()
    json_skip: ClassVar[frozenset[str]] = frozenset()
    filter_skip: ClassVar[frozenset[str]] = frozenset()


def stands_as_blob(
    struct_type: type[S], to_blob: Callable[[S], bytes], from_blob: Callable[[bytes], S]
) -> None:
    """Let a class stand on the wire as one raw string (Go's MarshalBinary)."""
    _blobs.add(struct_type)
    _encoders[struct_type] = lambda value: msgpack.bytes_text(to_blob(value))
    _decoders[struct_type] = lambda value: from_blob(msgpack.text_bytes(value))


def is_blob(struct_type: type[GoStruct]) -> bool:
    """Whether `stands_as_blob` was said of a class."""
    return struct_type in _blobs


def encode(value: GoStruct) -> bytes:
    """The msgpack bytes of a struct."""
    return msgpack.pack(to_wire(value))


def decode(struct_type: type[S], data: bytes | memoryview) -> S:
    """Read a struct from msgpack bytes; unknown keys are skipped, missing ones are zero.

    Raises MsgpackError or WireError.
    """
    return from_wire(struct_type, msgpack.unpack(data))


def to_wire(value: GoStruct) -> Builtins:
    """The builtins to pack."""
    encoder = _encoders.get(type(value)) or _compile_encoder(type(value))
    return encoder(value)


def from_wire(struct_type: type[S], value: Builtins) -> S:
    """The struct that unpacked builtins stand for."""
    decoder = _decoders.get(struct_type) or _compile_decoder(struct_type)
    try:
        made: S = decoder(value)
    except ConsulWordsError:
        raise
    except (TypeError, AttributeError, ValueError) as failure:
        raise WireError(f"{struct_type.__name__}: {failure}") from failure
    return made


def fields_to_wire(value: GoStruct) -> dict[str, Any]:
    """The map of the fields, also for a class that is a blob from outside."""
    struct_type = type(value)
    encoder = _field_encoders.get(struct_type) or _compile_field_encoder(struct_type)
    made: dict[str, Any] = encoder(value)
    return made


def fields_from_wire(struct_type: type[S], value: Builtins) -> S:
    """The struct that a map of fields stands for, also for a class that is a blob."""
    decoder = _field_decoders.get(struct_type) or _compile_field_decoder(struct_type)
    made: S = decoder(value)
    return made


def to_json(value: GoStruct) -> dict[str, Any]:
    """The builtins of the JSON form, in Go's field order."""
    encoder = _jsoners.get(type(value)) or _compile_jsoner(type(value))
    made: dict[str, Any] = encoder(value)
    return made


def list_to_json(values: typing.Iterable[GoStruct] | None) -> list[dict[str, Any]] | None:
    """`to_json` of each; nil stays null."""
    return None if values is None else [to_json(value) for value in values]


_blobs: set[type[GoStruct]] = set()
_encoders: dict[type, Converter] = {}
_decoders: dict[type, Converter] = {}
_field_encoders: dict[type, Converter] = {}
_field_decoders: dict[type, Converter] = {}
_jsoners: dict[type, Converter] = {}


def is_struct(form: Any) -> bool:
    """Whether an annotation is a GoStruct class."""
    return isinstance(form, type) and issubclass(form, GoStruct)


def strip_none(form: Any) -> tuple[Any, bool]:
    """Of an annotation: (`T`, True) of `T | None`, else (form, False)."""
    if typing.get_origin(form) in (Union, types.UnionType):
        rest = [part for part in typing.get_args(form) if part is not type(None)]
        assert len(rest) == 1, f"only T | None is a Go type, not {form}"
        return rest[0], True
    return form, False


# ---------------------------------------------------------------- encode


def _encode_converter(form: Any) -> Converter | None:
    """What turns a field's value into builtins; None where it is a builtin already."""
    inner, _ = strip_none(form)
    if is_struct(inner):
        return lambda value: None if value is None else to_wire(value)
    origin, arguments = typing.get_origin(inner), typing.get_args(inner)
    if origin is list:
        return _each_in_list(_encode_converter(arguments[0]))
    if origin is dict:
        return _each_in_dict(_encode_converter(arguments[1]))
    return None


def _each_in_list(each: Converter | None) -> Converter | None:
    if each is None:
        return None
    return lambda value: None if value is None else [each(item) for item in value]


def _each_in_dict(each: Converter | None) -> Converter | None:
    if each is None:
        return None
    return lambda value: None if value is None else {key: each(item) for key, item in value.items()}


def _compile_encoder(struct_type: type[GoStruct]) -> Converter:
    made = _field_encoders.get(struct_type) or _compile_field_encoder(struct_type)
    _encoders[struct_type] = made
    return made


def _compile_field_encoder(struct_type: type[GoStruct]) -> Converter:
    names: dict[str, Any] = {}
    parts: list[str] = []
    hints = typing.get_type_hints(struct_type)
    for field in sorted(msgspec.structs.fields(struct_type), key=lambda one: one.encode_name):
        form = hints[field.name]
        converter = _encode_converter(form)
        value = f"value.{field.name}"
        if is_struct(form) and not _holds_floats(form, set()):
            # Most are as empty as by default, and what stands for that is at hand.
            name = field.name
            names |= {f"c_{name}": to_wire, f"d_{name}": form(), f"w_{name}": to_wire(form())}
            value = f"(w_{name} if {value} == d_{name} else c_{name}({value}))"
        elif converter is not None:
            names[f"c_{field.name}"] = converter
            value = f"(None if {value} is None else c_{field.name}({value}))"
        parts.append(f"{field.encode_name!r}: {value}")
    made = _compile(f"lambda value: {{{', '.join(parts)}}}", names)
    _field_encoders[struct_type] = made
    return made


def _holds_floats(form: Any, seen: set[Any]) -> bool:
    """Whether equal values may have two forms on the wire, as 0.0 and -0.0 have."""
    inner, _ = strip_none(form)
    if is_struct(inner):
        if inner in seen:
            return False
        seen.add(inner)
        hints = typing.get_type_hints(inner)
        names = [one.name for one in msgspec.structs.fields(inner)]
        return inner in _blobs or any(_holds_floats(hints[name], seen) for name in names)
    if typing.get_origin(inner) in (list, dict):
        return False  # nil by default, which equals nothing else
    return inner in (float, golang.Float32, Any)


def _compile(source: str, names: dict[str, Any]) -> Converter:
    made: Converter = eval(source, names)  # our own text, from class declarations
    return made


# ---------------------------------------------------------------- decode


def _decode_bytes(value: Any) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str | bytes):
        raise WireError(f"wanted bytes, got {type(value).__name__}")
    # go-msgpack leaves a nil []byte nil when it reads an empty one.
    return msgpack.text_bytes(value) or None


def _decode_time(value: Any) -> bytes:
    time = _decode_bytes(value)
    if time is None:
        return golang.ZERO_TIME
    if (len(time), time[0]) not in golang.TIME_FORMS:
        raise WireError("wanted a time as Go marshals it")
    return time


def _checked(kind: type | tuple[type, ...], what: str) -> Converter:
    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise WireError(f"wanted {what}, got {type(value).__name__}")
        return value

    return check


def _decode_str(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return msgpack.bytes_text(value)
    raise WireError(f"wanted a string, got {type(value).__name__}")


def _decode_int(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, float) or not isinstance(value, int):
        raise WireError(f"wanted an integer, got {type(value).__name__}")
    return int(value)


def _decode_float(value: Any) -> float:
    if value is None:
        return 0.0
    if not isinstance(value, int | float):
        raise WireError(f"wanted a number, got {type(value).__name__}")
    return float(value)


def _decode_bool(value: Any) -> bool:
    if value in (None, 0, 1):
        return bool(value)
    raise WireError(f"wanted a bool, got {type(value).__name__}")


_SCALARS: dict[Any, Converter] = {
    str: _decode_str,
    int: _decode_int,
    float: _decode_float,
    bool: _decode_bool,
    bytes: _decode_bytes,
    golang.Float32: lambda value: golang.Float32.of(_decode_float(value)),
    golang.Time: _decode_time,
    golang.Duration: _decode_int,
    Any: lambda value: value,
}


def _decode_converter(form: Any) -> Converter:
    inner, optional = strip_none(form)
    if is_struct(inner):
        if optional:
            return lambda value: None if value is None else from_wire(inner, value)
        return lambda value: from_wire(inner, {} if value is None else value)
    origin, arguments = typing.get_origin(inner), typing.get_args(inner)
    if origin is list:
        each = _decode_converter(arguments[0])
        check_list = _checked(list, "a list")
        return lambda value: None if value is None else [each(item) for item in check_list(value)]
    if origin is dict:
        each = _decode_converter(arguments[1])
        check_dict = _checked(dict, "a map")
        return lambda value: (
            None
            if value is None
            else {_decode_str(key): each(item) for key, item in check_dict(value).items()}
        )
    if inner is golang.Time and optional:
        return lambda value: None if value is None else _decode_time(value)
    while inner not in _SCALARS and hasattr(inner, "__supertype__"):
        inner = inner.__supertype__
    return _SCALARS[inner]


def _compile_decoder(struct_type: type[GoStruct]) -> Converter:
    made = _field_decoders.get(struct_type) or _compile_field_decoder(struct_type)
    _decoders[struct_type] = made
    return made


_PLAIN = {str: "str", int: "int", golang.Duration: "int", float: "float", bool: "bool"}


def _decode_expression(form: Any, field: msgspec.structs.FieldInfo) -> str:
    """Reads one field; most values are what they should be, and need no call to find it out."""
    got = f"get({field.encode_name!r})"
    plain = _PLAIN.get(form)
    if plain is not None:
        return f"(it if type(it := {got}) is {plain} else c_{field.name}(it))"
    inner, optional = strip_none(form)
    if optional and (inner is bytes or is_struct(inner) or typing.get_origin(inner)):
        return f"(None if (it := {got}) is None else c_{field.name}(it))"
    return f"c_{field.name}({got})"


def _compile_field_decoder(struct_type: type[GoStruct]) -> Converter:
    names: dict[str, Any] = {"make": struct_type}
    parts: list[str] = []
    order: list[str] = []
    hints = typing.get_type_hints(struct_type)
    for field in msgspec.structs.fields(struct_type):
        converter = _decode_converter(hints[field.name])
        order.append(field.encode_name)
        names[f"c_{field.name}"] = converter
        parts.append(f"{field.name}={_decode_expression(hints[field.name], field)}")
    made = _compile(f"lambda get: make({', '.join(parts)})", names)

    def decode_map(value: Any) -> Any:
        if isinstance(value, list):  # go-msgpack takes an array for a struct, too
            value = dict(zip(order, value, strict=False))
        if not isinstance(value, dict):
            raise WireError(f"wanted a map, got {type(value).__name__}")
        return made(value.get)

    _field_decoders[struct_type] = decode_map
    return decode_map


# ---------------------------------------------------------------- JSON


def _json_converter(form: Any) -> Converter | None:
    inner, _ = strip_none(form)
    if is_struct(inner):
        return lambda value: None if value is None else to_json(value)
    if inner is golang.Time:
        return lambda value: None if value is None else golang.format_rfc3339(value)
    if inner is golang.Float32:
        return golang.Float32.shortest
    origin, arguments = typing.get_origin(inner), typing.get_args(inner)
    if origin is list and (each := _json_converter(arguments[0])):
        return lambda value: None if value is None else [each(item) for item in value]
    if origin is dict:
        each_value = _json_converter(arguments[1]) or (lambda item: item)
        # Go writes a map's keys in order.
        return lambda value: (
            None if value is None else {key: each_value(value[key]) for key in sorted(value)}
        )
    return None


def _compile_jsoner(struct_type: type[GoStruct]) -> Converter:
    """A function that makes a dict: at once of what stands before the first that may be absent."""
    names: dict[str, Any] = {}
    always: list[str] = []
    rest: list[str] = []
    hints = typing.get_type_hints(struct_type)
    for field in msgspec.structs.fields(struct_type):
        if field.name in struct_type.json_skip:
            continue
        inner, optional = strip_none(hints[field.name])
        name, value = f"{field.encode_name!r}", f"value.{field.name}"
        converter = _json_converter(hints[field.name])
        names[f"c_{field.name}"] = converter
        made = value if converter is None else f"c_{field.name}({value})"
        # Go's omitempty never drops a struct value, only nil pointers to one.
        if field.name in struct_type.json_omit_empty and (optional or not is_struct(inner)):
            rest.append(f"if {value}: made[{name}] = {made}")
        elif rest:
            rest.append(f"made[{name}] = {made}")
        else:
            always.append(f"{name}: {made}")
    lines = ["def to_builtins(value):", f"made = {{{', '.join(always)}}}", *rest, "return made"]
    exec("\n ".join(lines), names)  # our own text, as in _compile
    to_builtins: Converter = names["to_builtins"]
    _jsoners[struct_type] = to_builtins
    return to_builtins
