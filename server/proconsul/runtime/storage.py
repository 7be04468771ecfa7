"""What lies in the data directory, opened and judged: log, snapshots, state.

The log and the snapshots are the truth; the state is what was made of them, and is made again
when it cannot be trusted:

- the engine does not trust it (the system was booted since it was written);
- it holds entries beyond the log and every snapshot: the disk lost what it had promised to keep,
  or an older log was put in place. What the log has not, the cluster may never have agreed on.

A snapshot can be used if the log goes on right behind it, or further in front. The newest such
one gives the members of the cluster, and the state's beginning where the state is made anew. If
there is none, or the log is gone while its fruits are there, starting is refused: the server
would take part with less than it has promised to know.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
from msgspec import Struct

from proconsul.errors import DiskFullError
from proconsul.fsm.snapshot import SnapshotError
from proconsul.raft.messages import Configuration, Index, SnapshotMeta, Term
from proconsul.runtime.data_dir import DataDir, DataDirError, no_room, says_full
from proconsul.runtime.disk import Disk
from proconsul.runtime.lmdb_engine import LmdbEngine
from proconsul.runtime.logs import logger
from proconsul.runtime.snapshot_files import SnapshotDamagedError, SnapshotFiles, StoredSnapshot
from proconsul.runtime.state_machine import CONSUL, Machine, ReplicatedState
from proconsul.runtime.wal_files import WalFiles
from proconsul.store.buffered_engine import BufferedEngine
from proconsul.store.engine import StateEngine, StateFullError
from proconsul.wal.segments import DEFAULT_SEGMENT_BYTES, parse_name

PIECE_BYTES = 256 * 1024

NO_SNAPSHOT = SnapshotMeta(
    index=Index(0), term=Term(0), configuration=Configuration(), configuration_index=Index(0)
)

OpenState = Callable[[Path], tuple[StateEngine, bool]]  # (engine, whether it can be trusted)

log = logger("storage")


class Storage(Struct, frozen=True):
    """All that lasts, ready to go on from."""

    wal: WalFiles
    replicated: ReplicatedState
    snapshot_files: SnapshotFiles
    snapshot: SnapshotMeta

    def close(self) -> None:
        """Close everything; the writers must have ended."""
        self.wal.close()
        self.replicated.close()


def open_buffered(path: Path) -> tuple[StateEngine, bool]:
    """The state on disk, with its newest commits in memory. Raises OSError or lmdb.Error."""
    engine, trusted = LmdbEngine.open(path)
    return BufferedEngine(engine), trusted


def open_storage(
    data: DataDir,
    disk: Disk,
    open_state: OpenState = open_buffered,
    segment_bytes: int = DEFAULT_SEGMENT_BYTES,
    machine: Machine = CONSUL,
) -> Storage:
    """Open what is there, or begin anew in an empty folder.

    Raises ProconsulError: the text says what is wrong and what to do.
    """
    data.refuse_strangers()
    disk.make_dirs(data.log)
    has_log = any(parse_name(name) for name in disk.names(data.log))
    if not has_log:
        _refuse_lost_log(data, disk)
    try:
        wal = WalFiles.open(data.log, disk, segment_bytes)
    except DiskFullError as full:
        raise no_room(data.root) from full
    try:
        return _open_behind(data, disk, open_state, wal, machine)
    except BaseException:
        wal.close()
        raise


def _refuse_lost_log(data: DataDir, disk: Disk) -> None:
    """A log that is gone while its fruits are there must not pass for a new server's.

    The log's first segment is durable before anything else is made, so this is no crash's doing.
    """
    snapshots = SnapshotFiles(data.snapshots, disk).survey(check_contents=False)
    found = [path for path in (data.state,) if data.has_state]
    found += [data.snapshots] if snapshots.usable or snapshots.damaged else []
    if found:
        raise DataDirError(
            f"the log under {data.log} is empty, but there is data in {' and '.join(found)}: the "
            "log was lost. Bring it back; or move the data directory away, start an empty server "
            "and restore a snapshot into it (consul snapshot restore)."
        )


def _open_behind(
    data: DataDir, disk: Disk, open_state: OpenState, wal: WalFiles, machine: Machine
) -> Storage:
    files = SnapshotFiles(data.snapshots, disk)
    try:
        engine, trusted = open_state(Path(data.state))
    except (OSError, lmdb.Error) as failure:
        if says_full(failure):
            raise no_room(data.root) from failure
        raise DataDirError(f"the state under {data.state} cannot be opened: {failure}") from failure
    replicated = ReplicatedState(engine, machine)
    try:
        snapshot = _recover(data, files, replicated, wal, trusted=trusted)
        if not _continues(wal, snapshot):
            log.warning(
                "the log up to %d is dropped: the last entry of snapshot %d is not in it",
                wal.last_index,
                snapshot.index,
            )
            wal.reset(snapshot.index, snapshot.term)
    except (DiskFullError, StateFullError) as full:
        replicated.close()
        raise no_room(data.root) from full
    except BaseException:
        replicated.close()
        raise
    return Storage(wal, replicated, files, snapshot)


def _recover(
    data: DataDir,
    files: SnapshotFiles,
    replicated: ReplicatedState,
    wal: WalFiles,
    *,
    trusted: bool,
) -> SnapshotMeta:
    """Bring the state to where the log can take over; the snapshot that this builds on."""
    survey = files.survey(check_contents=not trusted)
    for damaged in survey.damaged:
        log.error("a snapshot cannot be used: %s", damaged.why)
    newest = survey.usable[0].meta.index if survey.usable else 0
    if replicated.applied_index > max(wal.last_index, newest):
        log.error(
            "the state holds entries up to %d, the log ends at %d: the state is built anew from "
            "the log. Look for disk errors: what was acknowledged in between is lost",
            replicated.applied_index,
            wal.last_index,
        )
        with replicated.replacement(0):
            pass
    for snapshot in survey.usable:
        if _reaches(wal, snapshot.meta) and _bring_to(files, replicated, snapshot, wal):
            return snapshot.meta
    if _reaches(wal, NO_SNAPSHOT):
        return NO_SNAPSHOT
    raise DataDirError(
        f"the log under {data.log} begins at entry {wal.first_index}, and there is no usable "
        f"snapshot in {data.snapshots} that reaches up to it: what was written before is lost. "
        "With other servers alive: move this data directory away and let the server join anew. "
        "Alone: restore the data directory or a snapshot from a backup."
    )


def _reaches(wal: WalFiles, snapshot: SnapshotMeta) -> bool:
    """Whether the log goes on behind the snapshot without a hole."""
    if snapshot.term > wal.hard_state.term:
        log.error(
            "a snapshot of term %d is not used: the log knows of no term after %d, so it is not "
            "the log that the snapshot was taken of",
            snapshot.term,
            wal.hard_state.term,
        )
        return False
    return wal.first_index <= snapshot.index + 1


def _continues(wal: WalFiles, snapshot: SnapshotMeta) -> bool:
    """Whether the log holds the snapshot's last entry; else none of it counts (paper, figure 13).

    A user's snapshot lies beyond the log, a leader's may contradict it: the snapshot was durable
    first, and the crash came before the log was reset.
    """
    return snapshot.index <= wal.last_index and wal.term_of(snapshot.index) == snapshot.term


def _bring_to(
    files: SnapshotFiles, replicated: ReplicatedState, snapshot: StoredSnapshot, wal: WalFiles
) -> bool:
    """Have the state hold that snapshot, and more only of the log; False if it cannot be read."""
    if replicated.applied_index >= snapshot.meta.index and _continues(wal, snapshot.meta):
        return True
    log.info("building the state from snapshot %s", snapshot.name)
    try:
        with replicated.replacement(snapshot.meta.index) as new:
            new.fill(_pieces(files, snapshot))
    except StateFullError:
        raise
    except (SnapshotDamagedError, SnapshotError) as failure:
        log.error("the snapshot %s cannot be used: %s", snapshot.name, failure)
        return False
    return True


def _pieces(files: SnapshotFiles, snapshot: StoredSnapshot) -> Iterator[bytes]:
    with files.open(snapshot) as reader:
        while piece := reader.read(PIECE_BYTES):
            yield piece
