"""Recovery by peers.json: an operator gives a cluster that lost its majority other members.

As raft's RecoverCluster does (wire/raft.md, 9), all entries of the log are taken as committed, and
a snapshot at the last of them has the new members; the log then begins behind it. The steps are

1. the snapshot is durable; 2. the state holds what it says; 3. the log is reset; 4. peers.json is
   removed.

Before the first nothing has changed: what was not committed is applied to a state that nobody
sees yet. After it a start goes on from the snapshot and its members (runtime/storage.py, and
raft/state.py, which hears of no members in front of a snapshot); as long as peers.json is there,
it recovers once more, to the same end.
"""

import os.path
from collections.abc import Iterator
from typing import Final

import lmdb
from msgspec.structs import replace

from proconsul.errors import DiskFullError, ProconsulError
from proconsul.fsm.commands import CommandError
from proconsul.fsm.snapshot import SnapshotError
from proconsul.raft.entry import Entry
from proconsul.raft.messages import Configuration, Index, SnapshotMeta, Suffrage, Term
from proconsul.raft.peers_file import PEERS_INFO, PeersFileError, parse_peers
from proconsul.runtime.data_dir import DataDir, no_room, says_full
from proconsul.runtime.disk import Disk
from proconsul.runtime.log_entries import entry_of
from proconsul.runtime.logs import logger
from proconsul.runtime.snapshot_files import SnapshotFiles
from proconsul.runtime.storage import Storage
from proconsul.runtime.wal_files import WalFiles
from proconsul.store.engine import StateFullError

PEERS: Final = "peers.json"
INFO: Final = "peers.info"  # without it, peers.json was not put there for this server

CONFIGURATION_INDEX: Final = Index(1)  # of no entry: HashiCorp's choice
READ_BYTES: Final = 4 * 1024 * 1024

_INFO_ASIDE: Final = "peers.info.new"

log = logger("storage")


class RecoveryError(ProconsulError):
    """The members could not be replaced; the text says what to do."""


def recover_from_peers_file(data: DataDir, disk: Disk, storage: Storage, now_ms: int) -> Storage:
    """Recover if there is a peers.json: what the server goes on from, else `storage` as it is.

    Called at each start, before anything else has looked at `storage`; the caller closes it when
    this raises. `now_ms` is wall time. At a first start, when there is no peers.info, that is
    written, and a stray peers.json removed. Raises ProconsulError, OSError.
    """
    names = disk.names(data.snapshots)
    path = os.path.join(data.snapshots, PEERS)
    try:
        if INFO not in names:
            if PEERS in names:
                _remove(disk, path)
                log.warning("deleted peers.json file (see peers.info for details)")
            _write_info(disk, data.snapshots)
            return storage
        if PEERS not in names:
            return storage
        log.info("found peers.json file, recovering Raft configuration...")
        configuration = parse_peers(path, _content(disk, path))
        recovered = replace_members(storage, configuration, now_ms, path)
        _remove(disk, path)
    except (DiskFullError, StateFullError) as full:
        raise no_room(data.root) from full
    except OSError as failure:
        if says_full(failure):
            raise no_room(data.root) from failure
        raise
    log.info("deleted peers.json file after successful recovery")
    return recovered


def replace_members(
    storage: Storage, configuration: Configuration, now_ms: int, source: str
) -> Storage:
    """Give the log other members: what the server goes on from.

    `source` says who wants that. What fails, or a crash, leaves all as it was, or done; to do it
    again does no harm. Raises ProconsulError, OSError.
    """
    wal = storage.wal
    if not wal.last_index:
        raise RecoveryError(
            "recovery failed: refused to recover cluster with no initial state, this is probably "
            f"an operator error: this server has no data that {source} could apply to. Take that "
            "away, or give the server the data directory that it had."
        )
    snapshot = SnapshotMeta(
        index=Index(wal.last_index),
        term=Term(wal.last_term),
        configuration=configuration,
        configuration_index=CONFIGURATION_INDEX,
    )
    time_ms = max(now_ms, _time_of_the_newest(source, storage.snapshot_files, snapshot) + 1)
    try:
        _put_in_place(storage, snapshot, time_ms)
    except (CommandError, SnapshotError, lmdb.Error) as failure:
        raise RecoveryError(
            f"recovery failed: {failure}. The log is as it was, and {source} is still there."
        ) from failure
    wal.reset(snapshot.index, snapshot.term)
    log.warning(
        "recovered: index=%d term=%d, the members are now %s",
        snapshot.index,
        snapshot.term,
        _described(configuration),
    )
    return replace(storage, snapshot=snapshot)


def _time_of_the_newest(source: str, files: SnapshotFiles, wanted: SnapshotMeta) -> int:
    """When the newest snapshot of that index and term was written, in ms; 0: there is none.

    Raises RecoveryError for one that would win over what is to be written.
    """
    survey = files.survey(check_contents=False)
    newest = 0
    names = [one.name for one in survey.usable] + [one.name for one in survey.damaged]
    for name in names:
        term, index, time_ms = (int(part) for part in name.split("-"))
        if (term, index) > (wanted.term, wanted.index):
            raise RecoveryError(
                f"recovery failed: the snapshot {name} beside {source} is newer than the log, "
                f"which ends at entry {wanted.index} of term {wanted.term}, so it is not the log "
                "that it was taken of. Nothing was changed. Bring back the log that belongs to it, "
                "or move that snapshot away."
            )
        if (term, index) == (wanted.term, wanted.index):
            newest = max(newest, time_ms)
    return newest


def _put_in_place(storage: Storage, snapshot: SnapshotMeta, time_ms: int) -> None:
    """Have the snapshot durable, and the state hold what it does."""
    replicated, files = storage.replicated, storage.snapshot_files
    applied = replicated.applied_index
    if applied == snapshot.index:
        with replicated.held() as held:
            files.write(snapshot, time_ms, held.chunks())
        return
    # A state with entries that no majority may have must not be seen before the snapshot is there.
    with replicated.replacement(snapshot.index) as new:
        with replicated.held() as held:
            new.fill(held.chunks())
        for entries in _entries(storage.wal, applied + 1):
            new.apply(entries)
        files.write(snapshot, time_ms, new.chunks())


def _entries(wal: WalFiles, first: int) -> Iterator[list[Entry]]:
    while first <= wal.last_index:
        records = wal.read(first, wal.last_index, READ_BYTES)
        yield [entry_of(record) for record in records]
        first = records[-1].index + 1


def _described(configuration: Configuration) -> str:
    return ", ".join(
        f"{server.id} at {server.address}"
        + (" (no voter)" if server.suffrage is Suffrage.NONVOTER else "")
        for server in configuration.servers
    )


def _content(disk: Disk, path: str) -> bytes:
    try:
        return disk.read(path)
    except OSError as failure:
        raise PeersFileError(path, f"it cannot be read ({failure})") from failure


def _remove(disk: Disk, path: str) -> None:
    try:
        disk.remove(path)
        disk.fsync_dir(os.path.dirname(path))
    except OSError as failure:
        raise RecoveryError(
            f"failed to delete {path}, please delete it manually (see peers.info for details): "
            f"{failure}"
        ) from failure


def _write_info(disk: Disk, folder: str) -> None:
    aside = os.path.join(folder, _INFO_ASIDE)
    if _INFO_ASIDE in disk.names(folder):
        disk.remove(aside)
    file = disk.create(aside)
    try:
        file.pwrite(PEERS_INFO.encode(), 0)
        file.fdatasync()
    finally:
        file.close()
    disk.rename(aside, os.path.join(folder, INFO))
    disk.fsync_dir(folder)
