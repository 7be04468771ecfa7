"""What the raft node has written, as the log's records: entries, and term and vote."""

import struct
from collections.abc import Iterator
from typing import Final

from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    EntryKind,
    HardState,
    Index,
    Peer,
    ServerAddress,
    ServerId,
    Term,
    entry_kind,
)
from proconsul.runtime.wal_files import WalFiles
from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import HardState as WalHardState
from proconsul.wire import msgpack

START_READ_BYTES = 4 * 1024 * 1024
_BODY_HEAD = struct.Struct(">BI")  # kind, length of the extensions
_COMMAND: Final = EntryKind.COMMAND
_COMMAND_HEAD: Final = _BODY_HEAD.pack(EntryKind.COMMAND, 0)


def record_of(entry: Entry) -> LogRecord:
    """An entry as the log keeps it."""
    kind, extensions = entry.kind, entry.extensions
    if kind is _COMMAND and not extensions:  # almost all are
        return LogRecord(entry.term, entry.index, _COMMAND_HEAD + entry.data)
    head = _BODY_HEAD.pack(kind, len(extensions))
    return LogRecord(entry.term, entry.index, head + extensions + entry.data)


def entry_of(record: LogRecord) -> Entry:
    """The entry that was kept."""
    kind, extension_bytes = _BODY_HEAD.unpack_from(record.body)
    start = _BODY_HEAD.size
    return Entry(
        Index(record.index),
        Term(record.term),
        entry_kind(kind),
        bytes(record.body[start + extension_bytes :]),
        bytes(record.body[start : start + extension_bytes]),
    )


def read_entries(wal: WalFiles, first: Index, last: Index, bytes_max: int) -> list[Entry]:
    """Entries that are on disk, as many as `bytes_max` allows, one at least."""
    return [entry_of(record) for record in wal.read(first, last, bytes_max)]


def stored_entries(wal: WalFiles) -> Iterator[Entry]:
    """All that the log holds, piece by piece."""
    at = max(wal.first_index, 1)
    while at <= wal.last_index:
        for record in wal.read(at, wal.last_index, START_READ_BYTES):
            yield entry_of(record)
            at = record.index + 1


def wal_hard_state(state: HardState) -> WalHardState:
    """Term and vote as the log keeps them."""
    vote = b"" if state.vote is None else msgpack.pack([state.vote.id, state.vote.address])
    return WalHardState(state.term, vote)


def raft_hard_state(state: WalHardState) -> HardState:
    """The same, back."""
    if not state.vote:
        return HardState(Term(state.term), None)
    server_id, address = msgpack.unpack(state.vote)
    return HardState(Term(state.term), Peer(ServerId(server_id), ServerAddress(address)))
