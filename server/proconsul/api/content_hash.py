"""The hash over a value by which Consul's clients wait for a change of it.

The rules are those of Go's mitchellh/hashstructure, version 1: 64-bit FNV-1 over each part;
fields and map entries are combined without order, list elements in order. So our hashes are
those of a real agent for the same service, and a client may move from one to the other.
"""

import struct
from typing import Any

import msgspec

from proconsul.wire.gostruct import GoStruct

_OFFSET = 0xCBF29CE484222325
_PRIME = 0x100000001B3
_MASK = (1 << 64) - 1


def content_hash(value: Any) -> int:
    """The hash of a struct whose class is named as in Go, or of builtins."""
    if isinstance(value, GoStruct):
        return _struct(value)
    if isinstance(value, dict):
        return _unordered((content_hash(key), content_hash(item)) for key, item in value.items())
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, str):
        return _fnv(value.encode("utf-8", "surrogateescape"))
    return _fnv(_number(value))


def _number(value: bool | int | float | None) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<b", value)
    if isinstance(value, float):
        return struct.pack("<d", value)
    return struct.pack("<q", 0 if value is None else value)


def _struct(value: GoStruct) -> int:
    """The name of the type, and its fields without order; nil lists and maps are empty ones."""
    made = content_hash(type(value).__name__)
    pairs = (
        (content_hash(one.encode_name), _field(one.type, getattr(value, one.name)))
        for one in msgspec.structs.fields(value)
    )
    return made ^ _unordered(pairs)


def _field(form: Any, value: Any) -> int:
    if value is None and ("list[" in str(form) or "dict[" in str(form)):
        return 0
    return content_hash(value)


def _list(values: list[Any]) -> int:
    made = 0
    for item in values:
        made = _ordered(made, content_hash(item))
    return made


def _unordered(pairs: Any) -> int:
    made = 0
    for key, value in pairs:
        made ^= _ordered(key, value)
    return made


def _ordered(first: int, second: int) -> int:
    return _fnv(struct.pack("<QQ", first, second))


def _fnv(data: bytes) -> int:
    """FNV-1: multiply, then xor."""
    made = _OFFSET
    for octet in data:
        made = (made * _PRIME & _MASK) ^ octet
    return made
