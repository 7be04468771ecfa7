"""Keys of rows named by a UUID, and unique secondary indexes.

A secondary index is a table of its own whose value is the key of the row.
"""

import string

from proconsul.errors import RpcError
from proconsul.store.keys import folded
from proconsul.store.transaction import ReadTransaction, WriteTransaction

_UUID_LENGTH = 36
_HYPHENS_MAX = 4
_HEX = frozenset(string.hexdigits)


def uuid_key(uuid: str, failing: str) -> bytes:
    """The key of a row that must be named by a UUID.

    Raises RpcError, in go-memdb's words behind `failing`, for what is none; a lookup fails with
    "...: index error", an insertion with "...: failed to build index 'id'".
    """
    digits = uuid.replace("-", "")
    if len(uuid) != _UUID_LENGTH:
        raise RpcError(f"{failing}: UUID must be 36 characters")
    if uuid.count("-") > _HYPHENS_MAX:
        raise RpcError(f'{failing}: UUID should have maximum of 4 "-"; got {uuid.count("-")}')
    if len(digits) % 2:
        raise RpcError(f"{failing}: Input (without hyphens) must be even length")
    if not _HEX.issuperset(digits):
        found = digits.encode("utf-8", "surrogateescape")
        byte = next(byte for byte in found if chr(byte) not in _HEX)
        wrong = f"U+{byte:04X} '{chr(byte)}'"
        raise RpcError(f"{failing}: Invalid UUID: encoding/hex: invalid byte: {wrong}")
    return folded(uuid)


def find(txn: ReadTransaction, index: str, key: bytes) -> bytes | None:
    """The key of the row that `index` names by `key`."""
    return txn.view.get(index, key)


def move(txn: WriteTransaction, index: str, old: bytes | None, new: bytes, row: bytes) -> None:
    """Let `new` name the row instead of `old`."""
    if old is not None and old != new:
        txn.remove(index, old)
    if old != new or find(txn, index, new) != row:
        txn.put_raw(index, new, row)
