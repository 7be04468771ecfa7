"""Recovery by epoch: a file that says what to do with the disks that there are, once each.

    {"epoch": 4, "mode": "Reform", "voter": "<server ID>", "restoreUID": "<uid>"}

The file may be read-only and stay where it is, and a disk may come back months later; so each disk
remembers the last epoch that it has seen, in `applied_epoch`. A newer one is applied before raft
starts:

- `Reform`, the server with the ID `voter`: its log goes on with itself as the only member, in a
  higher term; what was there is copied to `raft.epoch-<n>.bak` first.
- `Reform`, any other, and `Rebootstrap`: the raft folder is moved to `raft.epoch-<n>.bak`, the
  state made of it goes, and the server has a new ID. After a `Reform` it joins and founds nothing,
  as long as no newer epoch says otherwise: several such servers would be enough to found a cluster
  beside the survivor, who may be late. After a `Rebootstrap` it founds, or joins.

Every step may be the last before a crash. Each is durable before the next begins, what was done is
seen and not done again (a copy is made under another name, synced, then renamed), and
`applied_epoch` comes last. `restoreUID` is for people who read the file: the restore itself comes
over HTTP. Where there is no file, nothing happens. A file that cannot be followed to the letter
ends the start before anything is touched.

`applied_epoch` holds one line: the epoch, and after a `Reform` for another `joins <voter>`, too.
"""

import itertools
import json
import os.path
import re
import uuid
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from proconsul.config.schema import Config
from proconsul.errors import ProconsulError
from proconsul.raft.messages import Configuration, Server, Term
from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.disk import Disk
from proconsul.runtime.logs import logger
from proconsul.runtime.own_files import (
    copy_folder,
    exists,
    move_folder,
    remove_file,
    remove_tree,
    replace_file,
)
from proconsul.runtime.peers_recovery import replace_members
from proconsul.runtime.storage import Storage
from proconsul.wal.record import HardState

EPOCH_FILE: Final = "applied_epoch"
REFORM, REBOOTSTRAP = "Reform", "Rebootstrap"
JOINS: Final = "joins"
EPOCH_MAX: Final = 2**63 - 1  # it becomes part of a folder's name
FILE_BYTES_MAX: Final = 1024 * 1024  # a ConfigMap has no more
SHOWN_MAX: Final = 80  # characters of a value that is complained about

# As the server itself writes its ID: another notation of it would be the ID of nobody.
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

log = logger("storage")


class RecoveryFileError(ProconsulError):
    """The recovery file cannot be followed; the text says what to do."""


class Recovery(Struct, frozen=True, kw_only=True):
    """What the file says."""

    epoch: int
    mode: str
    voter: str  # a server ID, of a Reform

    @property
    def backup(self) -> str:
        """The folder beside the data that keeps what was there."""
        return f"raft.epoch-{self.epoch}.bak"


def parse_recovery(path: str, text: bytes) -> Recovery:
    """Raises RecoveryFileError."""
    if len(text) > FILE_BYTES_MAX:
        raise RecoveryFileError(f"{path} has more than {FILE_BYTES_MAX} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as failure:
        raise RecoveryFileError(f"{path} is no JSON: {failure}") from failure
    if not isinstance(found, dict):
        raise RecoveryFileError(f"{path} must hold an object")
    epoch, mode, voter = found.get("epoch"), found.get("mode"), found.get("voter", "")
    if not isinstance(epoch, int) or isinstance(epoch, bool) or not 1 <= epoch <= EPOCH_MAX:
        raise RecoveryFileError(
            f"{path}: epoch must be a number from 1 to {EPOCH_MAX}, not {_shown(epoch)}"
        )
    if mode not in (REFORM, REBOOTSTRAP):
        raise RecoveryFileError(
            f"{path}: mode must be {REFORM} or {REBOOTSTRAP}, not {_shown(mode)}"
        )
    if mode == REBOOTSTRAP:
        return Recovery(epoch=epoch, mode=mode, voter="")
    if not isinstance(voter, str) or _UUID.fullmatch(voter.lower()) is None:
        raise RecoveryFileError(f"{path}: voter must be the ID of a server, not {_shown(voter)}")
    return Recovery(epoch=epoch, mode=mode, voter=voter.lower())


def _shown(value: Any) -> str:
    """For a message: a value of the file may have any size."""
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."


def applied_epoch(data: DataDir, disk: Disk) -> int:
    """The last epoch that this disk has seen, 0 for none. Raises RecoveryFileError."""
    return _applied(data, disk)[0]


def objection_to_founding(data: DataDir, disk: Disk) -> str:
    """Why a server with this disk may only join, "" if it may found. Raises RecoveryFileError."""
    epoch, voter = _applied(data, disk)
    if not voter:
        return ""
    return (
        f"epoch {epoch} of the recovery file has server {voter} go on alone: this one waits to be "
        f"taken in by it, and founds nothing. If there is no such server, write a higher epoch"
    )


def _applied(data: DataDir, disk: Disk) -> tuple[int, str]:
    """The epoch, and whom this server stepped aside for."""
    path = os.path.join(data.root, EPOCH_FILE)
    if not exists(disk, path):
        return 0, ""
    text = disk.read(path).decode("ascii", "replace").strip()
    match text.split(" "):
        case [epoch] if _is_epoch(epoch):
            return int(epoch), ""
        case [epoch, word, voter] if _is_epoch(epoch) and word == JOINS:
            return int(epoch), voter
        case _:
            raise RecoveryFileError(
                f"{path} holds {_shown(text)}, which is no epoch: write the number of the last "
                "recovery that this server took part in, or 0"
            )


def _is_epoch(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(EPOCH_MAX))


def due_recovery(data: DataDir, disk: Disk, path: str) -> Recovery | None:
    """What the file at `path` ("" for none) wants of this disk, if it has not seen it yet.

    Raises RecoveryFileError, OSError.
    """
    if not path:
        return None
    try:
        text = disk.read(path)
    except FileNotFoundError:
        return None
    recovery = parse_recovery(path, text)
    return recovery if recovery.epoch > applied_epoch(data, disk) else None


def begin_recovery(data: DataDir, disk: Disk, config: Config) -> Recovery | None:
    """Do what is due to this disk; a recovery if `reform` is to be called with it.

    Called at each start, before anything is opened. Raises RecoveryFileError, OSError.
    """
    recovery = due_recovery(data, disk, config.recovery_file)
    if recovery is None:
        return None
    own_id = _own_id(data, disk)
    if recovery.mode == REFORM and recovery.voter == own_id:
        copy_folder(disk, data.snapshots, os.path.join(data.root, recovery.backup))
        return recovery
    if config.node_id:
        raise RecoveryFileError(
            f"epoch {recovery.epoch} of {config.recovery_file} gives this server a new ID, and "
            "its configuration a fixed one: take node_id out of it"
        )
    # Told before it is done: the ID is nowhere else.
    log.warning(
        "recovery: epoch=%d mode=%s: the data go to %s, and this server, which was %s, has a new "
        "ID",
        recovery.epoch,
        recovery.mode,
        recovery.backup,
        own_id or "none",
    )
    become_another(data, disk, recovery.backup)
    _note(data, disk, recovery, joins=recovery.mode == REFORM)
    return None


def _own_id(data: DataDir, disk: Disk) -> str:
    """This server's, "" for none. Raises RecoveryFileError for a damaged one."""
    if not exists(disk, data.node_id):
        return ""
    text = disk.read(data.node_id).decode("ascii", "replace").strip()
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise RecoveryFileError(
            f"{data.node_id} holds no UUID, so it cannot be said whether the recovery means this "
            "server: restore it from a backup"
        ) from None


def become_another(data: DataDir, disk: Disk, backup: str) -> None:
    """Be an empty server with an ID that is yet to be made; the log is kept in `backup`.

    Or in `backup.<n>`, if there is such a folder: of a survivor that was to be another one before
    it was done.

    The ID goes first: a server that still had it and not its log could vote twice in a term, and
    acknowledge what it does not have. Raises OSError.
    """
    remove_file(disk, data.node_id)
    names = disk.names(data.root)
    free = next(name for name in _names_for(backup) if name not in names)
    move_folder(disk, data.snapshots, os.path.join(data.root, free))
    remove_tree(disk, data.state)


def _names_for(backup: str) -> Iterator[str]:
    yield backup
    for number in itertools.count(2):
        yield f"{backup}.{number}"


def reform(
    data: DataDir, disk: Disk, recovery: Recovery, storage: Storage, me: Server, now_ms: int
) -> Storage:
    """Have this server as the only member, in a term of its own: what it goes on from.

    Raises ProconsulError, OSError.
    """
    source = f"epoch {recovery.epoch} of the recovery file"
    reformed = replace_members(storage, Configuration((me,)), now_ms, source)
    wal = storage.wal
    wal.append([], HardState(Term(wal.hard_state.term + 1), b""))
    _note(data, disk, recovery, joins=False)
    log.warning(
        "recovery: epoch=%d: this server goes on alone, from entry %d of term %d; what it had is "
        "in %s",
        recovery.epoch,
        reformed.snapshot.index,
        reformed.snapshot.term,
        recovery.backup,
    )
    return reformed


def _note(data: DataDir, disk: Disk, recovery: Recovery, *, joins: bool) -> None:
    text = f"{recovery.epoch} {JOINS} {recovery.voter}" if joins else str(recovery.epoch)
    replace_file(disk, os.path.join(data.root, EPOCH_FILE), f"{text}\n".encode())
