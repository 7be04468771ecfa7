"""The frames of yamux, version 0 (wire/rpc.md section 4).

A frame is a header of 12 bytes; only DATA has a payload behind it, of `length` bytes. In the other
types `length` is a number of its own: a window's growth, a ping's id, a reason.
"""

import struct
from enum import IntEnum, IntFlag

from msgspec import Struct

VERSION = 0
HEADER = struct.Struct(">BBHII")
HEADER_BYTES = HEADER.size


class Kind(IntEnum):
    """What a frame is."""

    DATA = 0
    WINDOW_UPDATE = 1
    PING = 2
    GO_AWAY = 3


class Flags(IntFlag):
    """What it does to its stream besides."""

    NONE = 0
    SYN = 1
    ACK = 2
    FIN = 4
    RST = 8


class GoAwayCode(IntEnum):
    """Why a session ends."""

    NORMAL = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


class Header(Struct, frozen=True):
    """A frame without its payload."""

    kind: Kind
    flags: Flags
    stream: int
    length: int

    def encode(self) -> bytes:
        """The 12 bytes."""
        return HEADER.pack(VERSION, self.kind, self.flags, self.stream, self.length)


class FrameError(ValueError):
    """No frame of this protocol."""


def decode_header(data: bytes | bytearray | memoryview) -> Header:
    """The header in 12 bytes. Raises FrameError for another version or an unknown type.

    Flags that nobody has defined are left out, as HashiCorp's library does.
    """
    version, kind, flags, stream, length = HEADER.unpack(data)
    if version != VERSION:
        raise FrameError(f"version {version}")
    if kind > Kind.GO_AWAY:
        raise FrameError(f"type {kind}")
    return Header(Kind(kind), Flags(flags & 0xF), stream, length)
