"""Tar, as much of it as a snapshot archive is made of, in a stream.

The standard library's reader reads on in blocks of its own and so cannot tell where an archive
ends; Consul refuses one with anything behind its end. Errors are in the words of Go's archive/tar.
"""

import tarfile
from collections.abc import Callable, Iterator

from msgspec import Struct

BLOCK = 512
_PIECE_BYTES_MAX = 64 * 1024
_EXTENSION_BYTES_MAX = 1024 * 1024  # of a pax header
_USTAR_SIZE_MAX = 8**11 - 1
_CHECKSUM = slice(148, 156)
_SIZE = slice(124, 136)
_PLAIN_FILES = (b"0", b"\0")

Read = Callable[[int], bytes]  # up to n bytes; fewer only at the end


class TarError(ValueError):
    """A stream is no tar archive, or ends too early."""


class Member(Struct, frozen=True):
    """A file of the archive; `pieces` must be read before the next member is asked for."""

    name: str
    size_bytes: int
    pieces: Iterator[bytes]


def member_header(name: str, size_bytes: int, mtime_s: int) -> bytes:
    """The block in front of a file, as Consul writes it: mode 0600, nobody's."""
    info = tarfile.TarInfo(name)
    info.size = size_bytes
    info.mtime = mtime_s
    info.mode = 0o600
    fits = size_bytes <= _USTAR_SIZE_MAX
    return info.tobuf(tarfile.USTAR_FORMAT if fits else tarfile.GNU_FORMAT)


def padding(size_bytes: int) -> bytes:
    """The zeros behind a file of this size."""
    return bytes(-size_bytes % BLOCK)


END = bytes(2 * BLOCK)


def members(read: Read) -> Iterator[Member]:
    """The files of an archive, up to its end and not a byte further. Raises TarError."""
    size_override: int | None = None
    while (header := _header(read)) is not None:
        size = _number(header[_SIZE]) if size_override is None else size_override
        size_override = None
        kind = header[156:157]
        pieces = _pieces(read, size)
        if kind in (b"x", b"g"):
            if size > _EXTENSION_BYTES_MAX:
                raise TarError("archive/tar: invalid tar header")
            size_override = _pax_size(b"".join(pieces)) if kind == b"x" else None
        elif kind in _PLAIN_FILES:
            yield Member(_name(header), size, pieces)
        for _ in pieces:  # what the caller has left
            pass
        _exactly(read, len(padding(size)))


def _header(read: Read) -> bytes | None:
    """The next header; None behind the two zero blocks, or where the stream just ends."""
    block = read(BLOCK)
    if not block:
        return None
    if len(block) < BLOCK:
        raise TarError("unexpected EOF")
    if not any(block):
        second = read(BLOCK)
        if second and any(second):
            raise TarError("archive/tar: invalid tar header")
        return None
    blanked = block[: _CHECKSUM.start] + b" " * 8 + block[_CHECKSUM.stop :]
    if _number(block[_CHECKSUM]) != sum(blanked):
        raise TarError("archive/tar: invalid tar header")
    return block


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU's form for what octal digits cannot hold
        return int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if not digits.isdigit() or max(digits) > ord("7"):  # `int` takes signs and underscores, too
        raise TarError("archive/tar: invalid tar header")
    return int(digits, 8)


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _pax_size(records: bytes) -> int | None:
    for line in records.split(b"\n"):
        _, _, record = line.partition(b" ")
        key, _, value = record.partition(b"=")
        if key == b"size" and value.isdigit():
            return int(value)
    return None


def _pieces(read: Read, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = _exactly(read, min(size, _PIECE_BYTES_MAX))
        size -= len(piece)
        yield piece


def _exactly(read: Read, size: int) -> bytes:
    data = read(size)
    if len(data) < size:
        raise TarError("unexpected EOF")
    return data
