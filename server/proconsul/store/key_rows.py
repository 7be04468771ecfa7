"""The bytes of a key's row, spelled out and read: each write to a key does both.

The same as `gostruct.encode` makes of the entry, a map sorted by Go's names, in a third of the
time. A row that nobody holds, without flags, is read in half of the time that `rows.decode` takes.
"""

from typing import Final

from proconsul.model.kv import DirEntry
from proconsul.wire import rows
from proconsul.wire.pieces import number, number_at, string_at, string_head

_CREATED: Final = b"\x87\xabCreateIndex"
_FLAGS: Final = b"\xa5Flags"
_KEY: Final = b"\xa3Key"
_LOCKED: Final = b"\xa9LockIndex"
_MODIFIED: Final = b"\xabModifyIndex"
_SESSION: Final = b"\xa7Session"
_VALUE: Final = b"\xa5Value"
_NOT_LOCKED: Final = _LOCKED + b"\x00" + _MODIFIED

# What is between the variable parts of a plain one.
_TO_KEY: Final = _FLAGS + b"\x00" + _KEY
_TO_VALUE: Final = _SESSION + b"\xa0" + _VALUE


def encode_entry(entry: DirEntry) -> bytes:
    """The map of the entry."""
    return b"".join(entry_pieces(entry))


def entry_pieces(entry: DirEntry) -> list[bytes]:
    """The same, to be joined with more: a large value is copied only once."""
    key = entry.key.encode("utf-8", "surrogateescape")
    session, value, locked = entry.session, entry.value, entry.lock_index
    pieces = [
        _CREATED,
        number(entry.create_index),
        _FLAGS,
        number(entry.flags),
        _KEY,
        string_head(len(key)),
        key,
        _LOCKED + number(locked) + _MODIFIED if locked else _NOT_LOCKED,
        number(entry.modify_index),
        _SESSION,
    ]
    if session:
        holder = session.encode("utf-8", "surrogateescape")
        pieces.append(string_head(len(holder)))
        pieces.append(holder)
    else:
        pieces.append(b"\xa0")
    pieces.append(_VALUE)
    if value is None:
        pieces.append(b"\xc0")
    else:
        pieces.append(string_head(len(value)))
        pieces.append(value)
    return pieces


def decode_entry(data: bytes) -> DirEntry:
    """The entry. Raises what `rows.decode` raises."""
    entry, end = plain_entry(data, 0)
    return entry if entry is not None and end == len(data) else rows.decode(DirEntry, data)


def plain_entry(data: bytes, at: int) -> tuple[DirEntry | None, int]:
    """The entry whose map begins there, and where it ends; None: it is not a plain one."""
    nothing: tuple[DirEntry | None, int] = None, at
    if not data.startswith(_CREATED, at):
        return nothing
    create_index, at = number_at(data, at + len(_CREATED))
    if not data.startswith(_TO_KEY, at):
        return nothing
    begin, end = string_at(data, at + len(_TO_KEY))
    key = data[begin:end]
    if not data.startswith(_NOT_LOCKED, end):
        return nothing
    modify_index, at = number_at(data, end + len(_NOT_LOCKED))
    if not data.startswith(_TO_VALUE, at):
        return nothing
    begin, end = string_at(data, at + len(_TO_VALUE))
    if (
        end > len(data)
        or begin == end  # an empty value is read as none at all
        or not key.isascii()  # it may be no text
        or create_index < 0
        or modify_index < 0
    ):
        return nothing
    entry = DirEntry(
        key=key.decode("ascii"),
        value=data[begin:end],
        create_index=create_index,
        modify_index=modify_index,
    )
    return entry, end
