"""The bytes of a KVS command, spelled out: each write to a key is one of them.

The same as `gostruct.encode` makes of the request, a map of maps sorted by Go's names, in a third
of the time. The plainest of them, which sets a value and says nothing else, is read back here, too:
followers read each one, and that takes half of the time that the ordinary way does.
"""

from typing import Final

from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.store.key_rows import encode_entry
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
            encode_entry(request.dir_ent),
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


# What is between the texts of a plain one.
_TO_KEY: Final = _ENTRY + b"\x87\xabCreateIndex\x00\xa5Flags\x00\xa3Key"
_TO_VALUE: Final = b"\xa9LockIndex\x00\xabModifyIndex\x00\xa7Session\xa0\xa5Value"
_END: Final = _OP + b"\xa3set" + _TOKEN + b"\xa0"


def decode_plain_set(data: bytes) -> KVSRequest | None:
    """A command that sets a value, without flags, session and token; None: read it otherwise.

    Its first byte says that it is a KVS command.
    """
    if not data.endswith(_END) or not data.startswith(_DATACENTER, 1):
        return None
    begin, end = string_at(data, 1 + len(_DATACENTER))
    datacenter = data[begin:end]
    if not data.startswith(_TO_KEY, end):
        return None
    begin, end = string_at(data, end + len(_TO_KEY))
    key = data[begin:end]
    if not data.startswith(_TO_VALUE, end):
        return None
    begin, end = string_at(data, end + len(_TO_VALUE))
    if (
        end != len(data) - len(_END)
        or begin == end  # an empty value is read as none at all
        or not key.isascii()  # it may be no text
        or not datacenter.isascii()
    ):
        return None
    return KVSRequest(
        datacenter=datacenter.decode("ascii"),
        op="set",
        dir_ent=DirEntry(key=key.decode("ascii"), value=data[begin:end]),
    )
