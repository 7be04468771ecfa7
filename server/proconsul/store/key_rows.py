"""The bytes of a key's row, spelled out: each write to a key makes one.

The same as `gostruct.encode` makes of the entry, a map sorted by Go's names, in a third of the
time.
"""

from typing import Final

from proconsul.model.kv import DirEntry
from proconsul.wire.pieces import number, string_head

_CREATED: Final = b"\x87\xabCreateIndex"
_FLAGS: Final = b"\xa5Flags"
_KEY: Final = b"\xa3Key"
_LOCKED: Final = b"\xa9LockIndex"
_MODIFIED: Final = b"\xabModifyIndex"
_SESSION: Final = b"\xa7Session"
_VALUE: Final = b"\xa5Value"
_NOT_LOCKED: Final = b"\xa9LockIndex\x00\xabModifyIndex"


def encode_entry(entry: DirEntry) -> bytes:
    """The map of the entry."""
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
    return b"".join(pieces)
