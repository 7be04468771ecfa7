"""Msgpack maps read and written as Go reads and writes structs (wire/gossip/gossip.md section 1).

Go writes text and bytes alike as raw strings, all fields sorted by name, and nil for what is
empty. It reads more than it writes: any order, keys that it does not know, nil and missing for
zero, str8 and bin, a list of small numbers for bytes, and it does not mind what follows.

A few bytes can claim to be the beginning of something huge, or be many small containers, which
take some fifty times their bytes in memory. So lists are short, and who reads more than
`UNCOUNTED_BYTES` has its containers counted. Nesting is bounded by msgpack (1024): at that depth
lists of the allowed length take some 8 MiB.
"""

import struct
from collections.abc import Mapping
from typing import Any

import msgpack

from proconsul.gossip.failure import PacketError

# Items of a list. The longest are the keys on a ring, and the names in a filter: a query has 1024
# bytes, which is 256 names of three letters.
ARRAY_MAX = 256
CONTAINERS_MAX = 1024  # lists and maps in one value; who needs more takes it apart step by step

UINT8_MAX = (1 << 8) - 1
UINT16_MAX = (1 << 16) - 1
UINT32_MAX = (1 << 32) - 1
UINT64_MAX = (1 << 64) - 1
INT64_MAX = (1 << 63) - 1

# OverflowError, struct.error: a timestamp that is none.
MALFORMED = (
    *(ValueError, TypeError, OverflowError, struct.error, RecursionError, MemoryError),
    msgpack.UnpackException,
)

Value = Any  # what msgpack gives, before one of the functions below has looked at it
Fields = Mapping[bytes, Value]


class _Census:
    """Counts the containers that are built."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def count(self, container: Value) -> Value:
        self._left -= 1
        if self._left < 0:
            raise PacketError(f"more than {self._most} lists and maps in one message")
        return container


def unpacker(data: bytes | memoryview, *, containers_max: int) -> msgpack.Unpacker:
    """To take these bytes apart step by step; what it raises is MALFORMED, or a PacketError."""
    count = _Census(containers_max).count
    stream = msgpack.Unpacker(
        raw=True,
        strict_map_key=True,
        max_array_len=ARRAY_MAX,
        max_buffer_size=0,
        list_hook=count,
        object_hook=count,
    )
    stream.feed(data)
    return stream


def unpack(data: bytes | memoryview) -> tuple[Value, bytes]:
    """The first value, and the bytes that follow it. Raises PacketError."""
    count = _Census(CONTAINERS_MAX).count
    try:
        value = msgpack.unpackb(
            data,
            raw=True,
            # Keys that are no bytes could be made to collide, and Go's structs have none.
            strict_map_key=True,
            max_array_len=ARRAY_MAX,
            list_hook=count,
            object_hook=count,
        )
    except msgpack.ExtraData as more:
        return more.unpacked, bytes(more.extra)
    except MALFORMED as failure:
        raise unreadable(failure) from failure
    return value, b""


def unreadable(failure: BaseException) -> PacketError:
    """The error for what msgpack raised."""
    return PacketError(f"not msgpack: {str(failure) or type(failure).__name__}")


def read_fields(data: bytes | memoryview) -> Fields:
    """The fields of the struct that these bytes begin with; none for nil. Raises PacketError."""
    return fields_of(unpack(data)[0])


def fields_of(value: Value) -> Fields:
    """The fields of a struct in a struct; none for nil. Raises PacketError."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise PacketError(f"a map is wanted, not {type(value).__name__}")
    return value


def text(value: Value) -> str:
    """A Go string; bytes that are not UTF-8 survive as surrogate escapes. Raises PacketError."""
    if value is None:
        return ""
    if type(value) is not bytes:
        raise PacketError(f"a text is wanted, not {type(value).__name__}")
    return value.decode("utf-8", "surrogateescape")


def raw(value: Value) -> bytes:
    """A Go []byte; b"" for nil. Raises PacketError."""
    if type(value) is bytes:
        return value
    if value is None:
        return b""
    if type(value) is list:
        return bytes([unsigned(one, UINT8_MAX) for one in value])
    raise PacketError(f"bytes are wanted, not {type(value).__name__}")


def unsigned(value: Value, largest: int) -> int:
    """A Go uint of that size. Raises PacketError."""
    if value is None:
        return 0
    if type(value) is not int:
        raise PacketError(f"a number is wanted, not {type(value).__name__}")
    if not 0 <= value <= largest:
        raise PacketError(f"{value} is not within 0 to {largest}")
    return value


def signed(value: Value) -> int:
    """A Go int64. Raises PacketError."""
    if type(value) is int and -INT64_MAX - 1 <= value < 0:
        return value
    return unsigned(value, INT64_MAX)


def flag(value: Value) -> bool:
    """A Go bool. Raises PacketError."""
    if value is None:
        return False
    if type(value) is not bool:
        raise PacketError(f"a yes or no is wanted, not {type(value).__name__}")
    return value


def texts(value: Value) -> tuple[str, ...]:
    """A Go []string. Raises PacketError."""
    return tuple(text(one) for one in items(value))


def items(value: Value) -> list[Value]:
    """The items of a Go slice; none for nil. Raises PacketError."""
    if value is None:
        return []
    if type(value) is not list:
        raise PacketError(f"a list is wanted, not {type(value).__name__}")
    return value


def text_map(value: Value) -> dict[str, str]:
    """A Go map[string]string; empty for nil. Raises PacketError."""
    return {text(key): text(one) for key, one in fields_of(value).items()}


def pack(value: object) -> bytes:
    """Write builtins; who makes a dict for a struct gives its keys sorted."""
    packed: bytes = msgpack.packb(value, use_bin_type=False, unicode_errors="surrogateescape")
    return packed
