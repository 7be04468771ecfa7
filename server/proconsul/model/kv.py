"""Keys and values."""

from typing import ClassVar

from proconsul.model.query import QueryMeta, QueryOptions, WriteRequest
from proconsul.wire.gostruct import GoStruct


class DirEntry(GoStruct, frozen=True, kw_only=True):
    """A key with its value, flags and holder."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"session"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    lock_index: int = 0
    key: str = ""
    flags: int = 0
    value: bytes | None = None
    session: str = ""
    create_index: int = 0
    modify_index: int = 0


class KVSRequest(WriteRequest, frozen=True, kw_only=True):
    """Change keys: `op` says how."""

    datacenter: str = ""
    op: str = ""
    dir_ent: DirEntry = DirEntry()


class KeyRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for a key, or for all under a prefix."""

    datacenter: str = ""
    key: str = ""


class KeyListRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for the keys under a prefix, up to the next separator."""

    datacenter: str = ""
    prefix: str = ""
    seperator: str = ""


class IndexedDirEntries(QueryMeta, frozen=True, kw_only=True):
    """Answer: entries of the KV store."""

    entries: list[DirEntry] | None = None


class IndexedKeyList(QueryMeta, frozen=True, kw_only=True):
    """Answer: keys alone."""

    keys: list[str] | None = None


class TombstoneRequest(WriteRequest, frozen=True, kw_only=True):
    """Forget the tombstones up to an index."""

    datacenter: str = ""
    op: str = ""
    reap_index: int = 0


class Tombstone(GoStruct, frozen=True, kw_only=True):
    """A key, or a prefix, that was deleted at an index."""

    key: str = ""
    index: int = 0
