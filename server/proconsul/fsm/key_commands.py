"""The bytes of a KVS command, spelled out: each write to a key is one of them.

The same as `gostruct.encode` makes of the request, a map of maps sorted by Go's names, in a third
of the time. The plainest of them, which sets a value and says nothing else, is known by its bytes.
"""

from typing import Final

from proconsul.model.kv import KVSRequest
from proconsul.store.key_rows import PlainSet, encode_plain_set, entry_pieces, plain_set_at
from proconsul.wire.pieces import string_at, string_head

_DATACENTER: Final = b"\x84\xaaDatacenter"
_ENTRY: Final = b"\xa6DirEnt"
_OP: Final = b"\xa2Op"
_TOKEN: Final = b"\xa5Token"


def encode_key_command(first: bytes, request: KVSRequest) -> bytes:
    """The command for the log, which begins with these bytes."""
    return b"".join(
        (
            first,
            _DATACENTER,
            _text(request.datacenter),
            _ENTRY,
            *entry_pieces(request.dir_ent),
            _OP,
            _text(request.op),
            _TOKEN,
            _text(request.token),
        )
    )


def _text(text: str) -> bytes:
    if not text:
        return b"\xa0"
    data = text.encode("utf-8", "surrogateescape")
    return string_head(len(data)) + data


# ---------------------------------------------------------------- that set a value and say no more

_END: Final = _OP + b"\xa3set" + _TOKEN + b"\xa0"


def plain_set_head(first: bytes, datacenter: str) -> bytes:
    """What each plain command begins with, for `plain_set_command`."""
    return first + _DATACENTER + _text(datacenter) + _ENTRY


def plain_set_command(head: bytes, key: bytes, value: bytes) -> bytes:
    """The command that sets a value, which is not empty, and says nothing else."""
    return encode_plain_set(head, key, value, _END)


def plain_set(data: bytes) -> PlainSet | None:
    """What a KVS command sets, by its bytes; None: it says more, or does something else."""
    if not data.endswith(_END) or not data.startswith(_DATACENTER, 1):
        return None
    begin, end = string_at(data, 1 + len(_DATACENTER))
    if not data.startswith(_ENTRY, end) or not data[begin:end].isascii():
        return None
    return plain_set_at(data, end + len(_ENTRY), len(data) - len(_END))
