"""Numbers and the heads of strings in msgpack, for who spells a value out without a map of it."""

import struct
from typing import Final

import msgpack

_NUMBERS: Final = [bytes((number,)) for number in range(0x80)]  # as one byte
_HEADS: Final = [bytes((0xA0 | length,)) for length in range(32)]  # of a string, in one byte
_BYTE: Final = struct.Struct(">BB")
_SHORT: Final = struct.Struct(">BH")
_INT: Final = struct.Struct(">BI")
_LONG: Final = struct.Struct(">BQ")
_LONG_MAX: Final = (1 << 64) - 1


def number(value: int) -> bytes:
    """A number, in as few bytes as it needs. Raises OverflowError for what has no 64 bits."""
    if 0 <= value < 0x80:
        return _NUMBERS[value]
    if value < 0 or value > _LONG_MAX:
        negative: bytes = msgpack.packb(value)
        return negative
    if value > 0xFFFF:
        packed = _INT.pack(0xCE, value) if value <= 0xFFFF_FFFF else _LONG.pack(0xCF, value)
    else:
        packed = _BYTE.pack(0xCC, value) if value <= 0xFF else _SHORT.pack(0xCD, value)
    return packed


def string_head(length: int) -> bytes:
    """What stands in front of a string, of before msgpack told text from bytes."""
    if length < 32:
        return _HEADS[length]
    return _SHORT.pack(0xDA, length) if length <= 0xFFFF else _INT.pack(0xDB, length)
