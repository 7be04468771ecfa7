"""Reading rows of the state: flat structs in a tenth of the ordinary time.

Flat is a struct of texts, integers, bools and byte strings, as keys and tombstones are; all its
defaults are Go's zeros. msgspec reads such a row in one go, but refuses what Go allows and Python
strings do not: text that is no UTF-8. What it refuses is read the ordinary way (wire/gostruct.py),
which also says what is wrong with it.
"""

import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from proconsul.wire import gostruct
from proconsul.wire.gostruct import GoStruct

S = TypeVar("S", bound=GoStruct)

_BYTES: Final[Any] = bytes | None
_ZEROS: Final[dict[Any, Any]] = {str: "", int: 0, bool: False, _BYTES: None}
_NIL: Final = msgspec.Raw(b"\xc0")
# How many bytes stand in front of those of a string, by the first: fixed, 8, 16 and 32 bits.
_HEADS: Final = dict.fromkeys(range(160, 192), 1) | {0xD9: 2, 0xDA: 3, 0xDB: 5}

_ordinary: set[type[GoStruct]] = set()
_flat: dict[type[GoStruct], "_Flat"] = {}


class _Flat:
    """How rows of a type are read fast."""

    def __init__(self, row_type: type[GoStruct]) -> None:
        hints = typing.get_type_hints(row_type)
        fields = msgspec.structs.fields(row_type)
        raw = {field.name for field in fields if hints[field.name] == _BYTES}
        # Byte strings are texts on the wire (wire/msgpack.py): msgspec must not decode them.
        shape = msgspec.defstruct(
            row_type.__name__,
            [
                (one.name, msgspec.Raw, _NIL)
                if one.name in raw
                else (one.name, hints[one.name], one.default)
                for one in fields
            ],
            rename={one.name: one.encode_name for one in fields},
            gc=False,
        )
        self.read: Callable[[bytes], Any] = msgspec.msgpack.Decoder(shape).decode
        values = ", ".join(
            f"{one.name}=bytes_of(row.{one.name})"
            if one.name in raw
            else f"{one.name}=row.{one.name}"
            for one in fields
        )
        # Our own text, from class declarations.
        self.make_all: Callable[[Iterable[Any]], list[Any]] = eval(
            f"lambda rows: [make({values}) for row in rows]",
            {"make": row_type, "bytes_of": _bytes_of},
        )


def decode(row_type: type[S], data: bytes) -> S:
    """A row from its msgpack bytes, as gostruct.decode reads it. Raises what that raises."""
    return (
        decode_all(row_type, (data,))[0] if is_flat(row_type) else gostruct.decode(row_type, data)
    )


def decode_all(row_type: type[S], rows: Sequence[bytes]) -> list[S]:
    """`decode` for rows of one type, which is flat."""
    flat = _flat[row_type]
    try:
        return flat.make_all(map(flat.read, rows))
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        if len(rows) == 1:
            return [gostruct.decode(row_type, rows[0])]
        return [decode(row_type, row) for row in rows]


def is_flat(row_type: type[GoStruct]) -> bool:
    """Whether to read such a row costs no more than to look it up where rows are kept."""
    if row_type in _flat:
        return True
    if row_type in _ordinary:
        return False
    hints = typing.get_type_hints(row_type)
    fields = msgspec.structs.fields(row_type)
    if not gostruct.is_blob(row_type) and all(
        _is_plain(hints[one.name], one.default) for one in fields
    ):
        _flat[row_type] = _Flat(row_type)
        return True
    _ordinary.add(row_type)
    return False


def _is_plain(hint: Any, default: Any) -> bool:
    return hint in _ZEROS and type(default) is type(_ZEROS[hint]) and default == _ZEROS[hint]


def _bytes_of(raw: msgspec.Raw) -> bytes | None:
    """What the msgpack of a string holds, nil if it is empty; KeyError for any other value."""
    packed = bytes(raw)
    if packed == b"\xc0":
        return None
    return packed[_HEADS[packed[0]] :] or None
