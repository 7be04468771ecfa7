"""Records that stand in snapshots only."""

from proconsul.wire.gostruct import GoStruct


class SnapshotHeader(GoStruct, frozen=True, kw_only=True):
    """`fsm.snapshotHeader`."""

    last_index: int = 0


class IndexEntry(GoStruct, frozen=True, kw_only=True):
    """`state.IndexEntry`."""

    key: str = ""
    value: int = 0


class ChunkInfo(GoStruct, frozen=True, kw_only=True):
    """`raftchunking.ChunkInfo`."""

    op_num: int = 0
    sequence_num: int = 0
    num_chunks: int = 0
    term: int = 0
    data: bytes | None = None
