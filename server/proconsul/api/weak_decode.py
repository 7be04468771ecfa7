"""JSON into structs by the loose rules of mapstructure, which `PUT /v1/config` is read by.

A number does for a text and a text for a number, one thing for a list of one, and a list of one
for the thing (`WeaklyTypedInput`, lib/decode in Consul). What does not fit is collected, and told
all at once; so are the keys that no field is named by.
"""

import math
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from proconsul.wire.golang import Duration, DurationError, Float32, parse_duration, quote
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_places import without_none

S = TypeVar("S", bound=GoStruct)

INT_BITS = 64
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False", ""})


class LooseShape(Struct, frozen=True, kw_only=True):
    """What Go says about a struct and our class does not."""

    aliases: frozenset[str] = frozenset()  # attributes that may be named in snake case, too
    go_types: Mapping[str, str] = field(default_factory=dict)  # of attributes, where it matters
    hidden: frozenset[str] = frozenset()  # attributes that no key names
    # Structs that Go embeds without squashing: their fields have keys of their own, which are
    # read into nothing here.
    embedded: Mapping[str, type[GoStruct]] = field(default_factory=dict)


PLAIN = LooseShape()


class LooseError(ValueError):
    """A value does not fit; str() is what mapstructure says of all that do not."""


class LooseDecoder:
    """Reads one value; afterwards `unused` has the keys that named nothing."""

    def __init__(self, shapes: Mapping[type[GoStruct], LooseShape]) -> None:
        self.unused: list[str] = []
        self._shapes = shapes
        self._errors: list[str] = []

    def decode(self, struct_type: type[S], value: dict[str, Any]) -> S:
        """The struct. Raises LooseError."""
        made = self._struct(struct_type, value, "")
        if self._errors:
            lines = "\n".join(f"* {error}" for error in sorted(self._errors))
            raise LooseError(f"{len(self._errors)} error(s) decoding:\n\n{lines}")
        assert isinstance(made, struct_type), "without an error there is a struct"
        return made

    # ---------------------------------------------------------------- structs

    def _struct(self, struct_type: type[GoStruct], value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            return self._wants_map(value, name)
        shape = self._shapes.get(struct_type, PLAIN)
        found = _translated(value, shape)
        plan = _plan(struct_type, shape)
        taken: set[str] = set()
        fields: dict[str, Any] = {}
        for go_name, (attribute, form) in plan.items():
            key = _key_of(go_name, found)
            if key is None:
                continue
            taken.add(key)
            if found[key] is None:
                continue
            inner = f"{name}.{go_name}" if name else go_name
            go_type = shape.go_types.get(attribute, "")
            made = self._value(form, found[key], inner, go_type)
            if made is not None and attribute:
                fields[attribute] = made
        self.unused += [f"{name}.{key}" if name else key for key in found if key not in taken]
        return struct_type(**fields)

    def _wants_map(self, value: Any, name: str) -> None:
        self._errors.append(f"'{name}' expected a map, got '{_kind(value)}'")

    # ---------------------------------------------------------------- values

    def _value(self, form: Any, value: Any, name: str, go_type: str = "") -> Any:
        """None for what does not fit, and for nothing."""
        inner = without_none(form)
        origin, arguments = typing.get_origin(inner), typing.get_args(inner)
        if origin is list:
            return self._list(arguments[0], value, name, go_type)
        if form is Any:
            return _opaque(value)
        value = _out_of_slice(value)
        if form is not inner and _is_struct(inner):
            value = _out_of_slice(value)  # once for the pointer, once for what it points at
        form = inner
        if value is None:
            return None
        if origin is dict:
            return self._dict(arguments[1], value, name)
        if _is_struct(form):
            return self._struct(form, value, name)
        return self._scalar(form, value, name, go_type)

    def _list(self, form: Any, value: Any, name: str, go_type: str) -> Any:
        if not isinstance(value, list):
            value = [] if value == {} else [value]
        made = []
        for number, item in enumerate(value):
            one = self._value(form, item, f"{name}[{number}]", go_type)
            made.append(_zero(form) if one is None else one)
        return made

    def _dict(self, form: Any, value: Any, name: str) -> Any:
        if isinstance(value, list):
            merged: dict[str, Any] = {}
            errors = len(self._errors)
            for number, item in enumerate(value):
                merged.update(self._value(dict[str, form], item, f"{name}[{number}]") or {})
                if len(self._errors) > errors:
                    break  # the first that does not fit is enough here
            return merged
        if not isinstance(value, dict):
            return self._wants_map(value, name)
        made = {}
        for key, item in value.items():
            one = self._value(form, item, f"{name}[{key}]")
            made[key] = _zero(form) if one is None else one
        return made

    def _scalar(self, form: Any, value: Any, name: str, go_type: str) -> Any:
        if form is Duration and isinstance(value, str):
            try:
                return parse_duration(value)
            except DurationError as failure:
                self._errors.append(f"error decoding '{name}': {failure}")
                return None
        if isinstance(value, list | dict):
            wanted = go_type or _GO_TYPES[form]
            self._errors.append(
                f"'{name}' expected type '{wanted}', got unconvertible type '{_go_type(value)}'"
            )
            return None
        convert, what = _SCALARS[go_type if go_type in _SCALARS else form]
        try:
            return convert(value)
        except _ParseError as failure:
            self._errors.append(f"cannot parse '{name}' as {what}: {failure}")
            return None


def _is_struct(form: Any) -> bool:
    return isinstance(form, type) and issubclass(form, GoStruct)


# ---------------------------------------------------------------- names


def _plan(struct_type: type[GoStruct], shape: LooseShape) -> dict[str, tuple[str, Any]]:
    """(attribute, its type) by Go's name; the attribute is empty where nothing is kept."""
    hints = typing.get_type_hints(struct_type)
    plan = {
        one.encode_name: (one.name, hints[one.name])
        for one in msgspec.structs.fields(struct_type)
        if one.name not in shape.hidden
    }
    return plan | {name: ("", form) for name, form in shape.embedded.items()}


def _translated(value: dict[str, Any], shape: LooseShape) -> dict[str, Any]:
    """The object with snake-case names put into the form that fields are found by."""
    if not shape.aliases:
        return value
    made: dict[str, Any] = {}
    for key, item in value.items():
        lower = key.lower()
        if lower not in shape.aliases:
            made[key] = item
            continue
        canonical = lower.replace("_", "")
        if canonical not in value:
            made[canonical] = item
    return made


def _key_of(go_name: str, found: dict[str, Any]) -> str | None:
    if go_name in found:
        return go_name
    lower = go_name.lower()
    return next((key for key in found if key.lower() == lower), None)


# ---------------------------------------------------------------- lists of one


def _out_of_slice(value: Any) -> Any:
    """What is meant by a list where no list is wanted: its one element, if there is just one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _opaque(value: Any) -> Any:
    """The same where nobody knows what is wanted: then for all that is in it, too."""
    return _unsliced(value[0]) if isinstance(value, list) and len(value) == 1 else value


def _unsliced(value: Any) -> Any:
    if isinstance(value, dict):  # only what has a name is opened
        return {key: _unsliced(_out_of_slice(item)) for key, item in value.items()}
    return [_unsliced(item) for item in value] if isinstance(value, list) else value


# ---------------------------------------------------------------- scalars


class _ParseError(ValueError):
    """A text is no number; str() is what strconv says."""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return _digits(value) if isinstance(value, float) else str(value)


def _digits(number: float) -> str:
    """All of its digits, and no exponent."""
    plain = f"{Decimal(repr(number)):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _truth(value: Any) -> bool:
    if not isinstance(value, str):
        return bool(value)
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise _ParseError(f"strconv.ParseBool: parsing {quote(value)}: invalid syntax")


def _int(value: Any) -> int:
    if not isinstance(value, str):
        return _wrapped(_whole(value), INT_BITS)
    low, high = -(1 << (INT_BITS - 1)), (1 << (INT_BITS - 1)) - 1
    return _parsed(value, "strconv.ParseInt", low, high)


def _uint(bits: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        high = (1 << bits) - 1
        if not isinstance(value, str):
            return _whole(value) & high
        signed = value[:1] in ("-", "+")
        return _parsed("-" if signed else value, "strconv.ParseUint", 0, high, value)

    return convert


def _whole(number: float) -> int:
    return int(number) if math.isfinite(number) else 0


def _wrapped(number: int, bits: int) -> int:
    """As a register holds it."""
    return (number + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def _parsed(text: str, function: str, low: int, high: int, shown: str = "") -> int:
    """A number as Go writes them in its source: in base 8 with a leading 0, 16 with 0x."""
    start = f"{function}: parsing {quote(shown or text)}: "
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise _ParseError(start + "invalid syntax")
    base, digits = next((base, found[base]) for base in _BASES if found[base] is not None)
    number = int(digits.replace("_", ""), _BASES[base])
    if found["sign"] == "-":
        number = -number
    if not low <= number <= high:
        raise _ParseError(start + "value out of range")
    return number


_INTEGER = re.compile(
    r"(?P<sign>[+-]?)(0[xX]_?(?P<hex>[0-9a-fA-F_]*[0-9a-fA-F])|0[bB]_?(?P<binary>[01_]*[01])"
    r"|0[oO]?_?(?P<octal>[0-7_]*[0-7])|(?P<decimal>[0-9]([0-9_]*[0-9])?))",
    re.ASCII,
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}
_FLOAT = re.compile(
    r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan)", re.ASCII | re.IGNORECASE
)


def _float32(value: Any) -> Float32:
    if isinstance(value, str) and not _FLOAT.fullmatch(value):
        raise _ParseError(f"strconv.ParseFloat: parsing {quote(value)}: invalid syntax")
    number = float(value)
    try:
        return Float32.of(number)
    except OverflowError:
        return Float32(math.copysign(math.inf, number))


_SCALARS: dict[Any, tuple[Callable[[Any], Any], str]] = {
    str: (_text, "string"),
    bool: (_truth, "bool"),
    int: (_int, "int"),
    Duration: (_int, "int"),
    Float32: (_float32, "float"),
    "uint32": (_uint(32), "uint"),
    "uint64": (_uint(64), "uint"),
}
_GO_TYPES: dict[Any, str] = {
    str: "string",
    bool: "bool",
    int: "int",
    Duration: "time.Duration",
    Float32: "float32",
}
_KINDS: tuple[tuple[type | tuple[type, ...], str, str], ...] = (
    (str, "string", "string"),
    (bool, "bool", "bool"),
    ((int, float), "float64", "float64"),
    (list, "slice", "[]interface {}"),
    (dict, "map", "map[string]interface {}"),
)


def _kinds_of(value: Any) -> Iterator[tuple[str, str]]:
    return ((kind, name) for types, kind, name in _KINDS if isinstance(value, types))


def _kind(value: Any) -> str:
    return next(_kinds_of(value))[0]


def _go_type(value: Any) -> str:
    return next(_kinds_of(value))[1]


def _zero(form: Any) -> Any:
    """What Go's zero value of an element is."""
    form = without_none(form)
    if isinstance(form, type):
        return form()
    return None
