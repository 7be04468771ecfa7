"""Numbers and strings in msgpack, for who spells a value out, or reads one, without a map of it."""

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


def number_at(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends; -1 for what is none, or is negative."""
    size = len(data)
    first = data[at] if at < size else 0xC0
    if first < 0x80:
        return first, at + 1
    end = at + 1 + (1 << (first & 0x03))
    if not 0xCC <= first <= 0xCF or end > size:
        return -1, at
    value = 0
    for place in range(at + 1, end):
        value = value << 8 | data[place]
    return value, end


def string_at(data: bytes, at: int) -> tuple[int, int]:
    """Where the string begins and ends; beyond all data for what is none of less than 64 KiB."""
    size = len(data)
    if at < size:
        first = data[at]
        if first & 0xE0 == 0xA0:
            return at + 1, at + 1 + (first & 0x1F)
        if first == 0xDA and at + 2 < size:
            return at + 3, at + 3 + (data[at + 1] << 8 | data[at + 2])
    return size + 1, size + 1
