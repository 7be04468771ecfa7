"""Records that stand in snapshots only."""

from proconsul.wire.gostruct import GoStruct


class SnapshotHeader(GoStruct, frozen=True, kw_only=True):
    """What a snapshot begins with: the highest index of its tables."""

    last_index: int = 0


class IndexEntry(GoStruct, frozen=True, kw_only=True):
    """The raft index at which a table, a service or a kind of services last changed."""

    key: str = ""
    value: int = 0


class ChunkInfo(GoStruct, frozen=True, kw_only=True):
    """A piece of a large command: which one of how many, of which operation, in which term."""

    op_num: int = 0
    sequence_num: int = 0
    num_chunks: int = 0
    term: int = 0
    data: bytes | None = None
