"""Keys and values."""

from typing import ClassVar

from proconsul.model.query import QueryMeta, QueryOptions, WriteRequest
from proconsul.wire.gostruct import GoStruct


class DirEntry(GoStruct, frozen=True, kw_only=True):
    """`structs.DirEntry`."""

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
    """`structs.KVSRequest`."""

    datacenter: str = ""
    op: str = ""
    dir_ent: DirEntry = DirEntry()


class KeyRequest(QueryOptions, frozen=True, kw_only=True):
    """`structs.KeyRequest`."""

    datacenter: str = ""
    key: str = ""


class KeyListRequest(QueryOptions, frozen=True, kw_only=True):
    """`structs.KeyListRequest`."""

    datacenter: str = ""
    prefix: str = ""
    seperator: str = ""


class IndexedDirEntries(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedDirEntries`."""

    entries: list[DirEntry] | None = None


class IndexedKeyList(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedKeyList`."""

    keys: list[str] | None = None


class TombstoneRequest(WriteRequest, frozen=True, kw_only=True):
    """`structs.TombstoneRequest`."""

    datacenter: str = ""
    op: str = ""
    reap_index: int = 0


class Tombstone(GoStruct, frozen=True, kw_only=True):
    """`state.Tombstone`."""

    key: str = ""
    index: int = 0
