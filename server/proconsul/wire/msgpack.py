"""The msgpack dialect of Consul's wire: old "raw" strings only (wire/rpc.md section 2).

Text and bytes share one family on the wire, so `unpack` gives str for both; bytes that are not
UTF-8 survive as surrogate escapes. `text_bytes` gives the original bytes back.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

import msgpack

from proconsul.wire.golang import Float32

VALUE_BYTES_MAX = 1 << 30  # no value on any of our wires is larger than 1 GiB

# Making a packer takes almost as long as packing a small value.
_idle: list[Any] = []  # as many as threads have packed at once; one in use is not among them
KEPT_BYTES_MAX = 1 << 18  # a packer's buffer stays as large as its largest value was


class MsgpackError(ValueError):
    """Bytes are not one whole msgpack value."""


class _NotPlainError(Exception):
    """The fast packer met a value that it would widen."""


# A map as a map's key is a TypeError of the library.
_MALFORMED = (ValueError, TypeError, msgpack.UnpackException, RecursionError)


def pack(value: Any) -> bytes:
    """Encode builtins as go-msgpack 0.5.5 does; dict order is kept as given."""
    try:
        packer: Any = _idle.pop()  # in one step: other threads pack, too
    except IndexError:
        packer = msgpack.Packer(
            use_bin_type=False,
            unicode_errors="surrogateescape",
            strict_types=True,
            default=_refuse,
        )
    try:
        packed: bytes = packer.pack(value)
    except _NotPlainError:
        slow = msgpack.Packer(use_bin_type=False, unicode_errors="surrogateescape")
        return b"".join(_pieces(value, slow))
    if len(packed) <= KEPT_BYTES_MAX:
        _idle.append(packer)
    return packed


def _refuse(value: Any) -> Any:
    raise _NotPlainError


def _pieces(value: Any, packer: msgpack.Packer) -> list[bytes]:
    """The slow way, which knows a float32 from a float64. One packer: each has a large buffer."""
    if isinstance(value, Float32):
        return [struct.pack(">Bf", 0xCA, value)]
    if isinstance(value, dict):
        pieces = [packer.pack_map_header(len(value))]
        for key, item in value.items():
            pieces += [packer.pack(key), *_pieces(item, packer)]
        return pieces
    if isinstance(value, list | tuple) and not isinstance(value, msgpack.ExtType):
        pieces = [packer.pack_array_header(len(value))]
        for item in value:
            pieces += _pieces(item, packer)
        return pieces
    return [packer.pack(value)]


def unpack(data: bytes | memoryview) -> Any:
    """Decode exactly one value.

    Raises MsgpackError on a short, long or malformed input.
    """
    try:
        return msgpack.unpackb(
            data, raw=False, unicode_errors="surrogateescape", strict_map_key=False
        )
    except _MALFORMED as failure:
        raise MsgpackError(f"not one msgpack value: {failure}") from failure


def unpack_all(data: bytes | memoryview, count: int) -> list[Any]:
    """Decode exactly `count` values that stand one behind the other.

    Raises MsgpackError as `unpack` does.
    """
    stream = unpack_stream()
    stream.feed(data)
    try:
        values = [stream.unpack() for _ in range(count)]
    except _MALFORMED as failure:
        raise MsgpackError(f"not {count} msgpack values: {failure}") from failure
    if stream.tell() != len(data):
        raise MsgpackError(f"{len(data) - stream.tell()} bytes follow {count} msgpack values")
    return values


def unpack_stream(size_max: int = VALUE_BYTES_MAX) -> msgpack.Unpacker:
    """An incremental decoder of concatenated values in the same dialect."""
    return msgpack.Unpacker(
        raw=False,
        unicode_errors="surrogateescape",
        strict_map_key=False,
        max_buffer_size=size_max,
    )


def unpack_chunks(chunks: Iterable[bytes]) -> Iterator[Any]:
    """The values of a stream that comes in pieces; no more than one value is ever held.

    Raises MsgpackError for what is no msgpack, and when the stream ends inside a value.
    """
    stream = unpack_stream()
    fed = 0
    try:
        for chunk in chunks:
            stream.feed(chunk)
            fed += len(chunk)
            yield from stream
    except _MALFORMED as failure:
        raise MsgpackError(f"no msgpack at byte {stream.tell()}: {failure}") from failure
    if stream.tell() != fed:
        raise MsgpackError(f"the stream ends inside the value at byte {stream.tell()}")


def text_bytes(text: str | bytes) -> bytes:
    """The bytes that stood on the wire for a value `unpack` gave as str."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def bytes_text(data: bytes) -> str:
    """The str that stands for these bytes in decoded values."""
    return data.decode("utf-8", "surrogateescape")
