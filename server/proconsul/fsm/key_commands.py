"""The bytes of a KVS command, spelled out: each write to a key is one of them.

The same as `gostruct.encode` makes of the request, a map of maps sorted by Go's names, in a third
of the time.
"""

from typing import Final

from proconsul.model.kv import KVSRequest
from proconsul.wire import msgpack

_DATACENTER: Final = b"\x84\xaaDatacenter"
_CREATED: Final = b"\xa6DirEnt\x87\xabCreateIndex"
_FLAGS: Final = b"\xa5Flags"
_KEY: Final = b"\xa3Key"
_LOCKED: Final = b"\xa9LockIndex"
_MODIFIED: Final = b"\xabModifyIndex"
_SESSION: Final = b"\xa7Session"
_VALUE: Final = b"\xa5Value"
_OP: Final = b"\xa2Op"
_TOKEN: Final = b"\xa5Token"


def encode_key_command(first: bytes, request: KVSRequest) -> bytes:
    """The command for the log, which begins with these bytes."""
    entry = request.dir_ent
    value = entry.value
    return b"".join(
        (
            first,
            _DATACENTER,
            _text(request.datacenter),
            _CREATED,
            _number(entry.create_index),
            _FLAGS,
            _number(entry.flags),
            _KEY,
            _text(entry.key),
            _LOCKED,
            _number(entry.lock_index),
            _MODIFIED,
            _number(entry.modify_index),
            _SESSION,
            _text(entry.session),
            _VALUE,
            b"\xc0" if value is None else _raw(value),
            _OP,
            _text(request.op),
            _TOKEN,
            _text(request.token),
        )
    )


def _text(text: str) -> bytes:
    return _raw(text.encode("utf-8", "surrogateescape")) if text else b"\xa0"


def _raw(data: bytes) -> bytes:
    """Msgpack's raw bytes, of before it told text from bytes."""
    size = len(data)
    if size < 32:
        return _SHORT[size] + data
    if size < 1 << 16:
        return b"\xda" + size.to_bytes(2, "big") + data
    return b"\xdb" + size.to_bytes(4, "big") + data


_SHORT: Final = [bytes((0xA0 | size,)) for size in range(32)]


def _number(number: int) -> bytes:
    return b"\x00" if number == 0 else msgpack.pack(number)
