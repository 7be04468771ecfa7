"""Reading structs by msgspec's own decoder, a fifth of the ordinary time, where both say the same.

msgspec fills a struct in one go, but is stricter than Go: nil for a text, 1 for true, a text that
is no UTF-8 are errors to it. What it refuses is read the ordinary way (wire/gostruct.py), which
also says what is wrong with it. So it may only be asked for structs of which it takes nothing
that the ordinary way reads otherwise:

- what is missing is Go's zero there, so all defaults must be that;
- byte strings are texts on the wire (wire/msgpack.py), and are read raw here: the struct, and
  those in it, have a double with such fields, from which they are made;
- times, float32 and blobs have forms of their own, so structs that hold any are left out;
- extensions are refused; times, which msgspec knows, in interface{} values it would not refuse:
  bytes that might be one are read the ordinary way.
"""

import typing
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from proconsul.wire import golang, gostruct
from proconsul.wire.gostruct import GoStruct

S = TypeVar("S", bound=GoStruct)

BYTES: Final[Any] = bytes | None
ZEROS: Final[dict[Any, Any]] = {
    str: "",
    int: 0,
    golang.Duration: 0,
    bool: False,
    float: 0.0,
    BYTES: None,
}
REFUSALS: Final = (msgspec.MsgspecError, ValueError, KeyError)  # bad UTF-8 is a ValueError
_NIL: Final = msgspec.Raw(b"\xc0")
# How many bytes stand in front of those of a string, by the first: fixed, 8, 16 and 32 bits.
_HEADS: Final = dict.fromkeys(range(160, 192), 1) | {0xD9: 2, 0xDA: 3, 0xDB: 5}
_TIMES: Final = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")

_Reader = Callable[[bytes | memoryview], Any]
_readers: Final[dict[type[GoStruct], _Reader | None]] = {}


class Double(NamedTuple):
    """A stand-in that msgspec can read: `make`, of `row`, gives what stands for it as source.

    `names` are what the source refers to.
    """

    form: type[Any]
    make: str
    names: dict[str, Any]


def decode(struct_type: type[S], data: bytes | memoryview) -> S:
    """A struct from its msgpack bytes, as gostruct.decode reads it. Raises what that raises."""
    try:
        reader = _readers[struct_type]
    except KeyError:
        reader = _readers[struct_type] = _reader_of(struct_type)
    if reader is not None:
        try:
            made: S = reader(data)
        except REFUSALS:
            pass
        else:
            return made
    return gostruct.decode(struct_type, data)


def _reader_of(struct_type: type[GoStruct]) -> _Reader | None:
    if is_native(struct_type, set()):
        read: _Reader = msgspec.msgpack.Decoder(struct_type, ext_hook=_refuse).decode
        if not _holds_anything(struct_type, set()):
            return read
        return lambda data: _without_times(read, data)
    double = double_of(struct_type, "row")
    if double is None:
        return None
    read = msgspec.msgpack.Decoder(double.form, ext_hook=_refuse).decode
    # Our own text, from class declarations.
    make: Callable[[Any], Any] = eval(f"lambda row: {double.make}", double.names)
    return lambda data: make(read(data))


def _refuse(_code: int, _data: memoryview) -> Any:
    raise ValueError("no extensions")


def _without_times(read: _Reader, data: bytes | memoryview) -> Any:
    whole = bytes(data)
    if any(mark in whole for mark in _TIMES):
        raise KeyError("maybe a time")
    return read(whole)


def is_native(form: Any, seen: set[Any]) -> bool:
    """Whether msgspec reads values of an annotation as the ordinary way does, if it accepts them.

    `seen` are the structs whose fields are being looked at.
    """
    if form is Any or (form in ZEROS and form != BYTES):
        return True
    inner, optional = gostruct.strip_none(form)
    if gostruct.is_struct(inner):
        if inner in seen:
            return True
        hints = typing.get_type_hints(inner)
        return _is_plain(inner) and all(
            is_native(hints[one.name], seen | {inner}) for one in msgspec.structs.fields(inner)
        )
    origin, arguments = typing.get_origin(inner), typing.get_args(inner)
    return optional and origin in (list, dict) and is_native(arguments[-1], seen)


def double_of(struct_type: type[GoStruct], row: str) -> Double | None:
    """How msgspec can read a type with byte strings, from what the source calls `row`.

    None: it cannot, or one with a byte string may be absent or several.
    """
    if not _is_plain(struct_type):
        return None
    hints = typing.get_type_hints(struct_type)
    shape: list[tuple[str, Any, Any]] = []
    parts: list[str] = []
    make = f"make_{struct_type.__name__}"
    names: dict[str, Any] = {make: struct_type, "bytes_of": bytes_of}
    for one in msgspec.structs.fields(struct_type):
        hint, value, default = hints[one.name], f"{row}.{one.name}", one.default
        if hint == BYTES:
            hint, value, default = msgspec.Raw, f"bytes_of({value})", _NIL
        elif not is_native(hint, set()):
            double = double_of(hint, value) if gostruct.is_struct(hint) else None
            if double is None:
                return None
            hint, value, default = double.form, double.make, double.form()
            names.update(double.names)
        shape.append((one.name, hint, default))
        parts.append(f"{one.name}={value}")
    rename = {one.name: one.encode_name for one in msgspec.structs.fields(struct_type)}
    form = msgspec.defstruct(struct_type.__name__, shape, rename=rename, gc=False, frozen=True)
    return Double(form, f"{make}({', '.join(parts)})", names)


def _is_plain(struct_type: type[GoStruct]) -> bool:
    """Whether it stands as a map, and what is missing there has the value of its declaration."""
    if gostruct.is_blob(struct_type):
        return False
    try:
        return bool(struct_type() == gostruct.from_wire(struct_type, {}))
    except (TypeError, gostruct.WireError):
        return False


def _holds_anything(form: Any, seen: set[Any]) -> bool:
    """Whether an interface{} is in it somewhere."""
    inner, _ = gostruct.strip_none(form)
    if gostruct.is_struct(inner):
        if inner in seen:
            return False
        seen.add(inner)
        hints = typing.get_type_hints(inner)
        names = [one.name for one in msgspec.structs.fields(inner)]
        return any(_holds_anything(hints[name], seen) for name in names)
    return inner is Any or any(_holds_anything(part, seen) for part in typing.get_args(inner))


def bytes_of(raw: msgspec.Raw) -> bytes | None:
    """What the msgpack of a string holds, nil if it is empty; KeyError for any other value."""
    packed = bytes(raw)
    if packed == b"\xc0":
        return None
    return packed[_HEADS[packed[0]] :] or None
