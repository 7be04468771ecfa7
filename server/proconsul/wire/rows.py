"""Reading rows of the state: flat structs, many at a time.

Flat is a struct of texts, integers, bools and byte strings, as keys and tombstones are; all its
defaults are Go's zeros. msgspec reads such a row in one go (wire/native.py), and to read it costs
no more than to look for it where decoded rows are kept.
"""

import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from proconsul.wire import gostruct, native
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.native import BYTES, REFUSALS, ZEROS, decode

__all__ = ["decode", "decode_all", "is_flat"]

S = TypeVar("S", bound=GoStruct)

_FLAT_TYPES: Final = (str, int, bool, BYTES)

_ordinary: set[type[GoStruct]] = set()
_flat: dict[type[GoStruct], "_Flat"] = {}


class _Flat:
    """How rows of a type are read fast."""

    def __init__(self, row_type: type[GoStruct]) -> None:
        double = native.double_of(row_type, "row")
        assert double is not None, "a flat one has a double"
        self.read: Callable[[bytes], Any] = msgspec.msgpack.Decoder(double.form).decode
        # Our own text, from class declarations.
        self.make_all: Callable[[Iterable[Any]], list[Any]] = eval(
            f"lambda rows: [{double.make} for row in rows]", double.names
        )


def decode_all(row_type: type[S], rows: Sequence[bytes]) -> list[S]:
    """`decode` for rows of one type, which is flat. Raises what that raises."""
    flat = _flat[row_type]
    try:
        return flat.make_all(map(flat.read, rows))
    except REFUSALS:
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
    return hint in _FLAT_TYPES and type(default) is type(ZEROS[hint]) and default == ZEROS[hint]
