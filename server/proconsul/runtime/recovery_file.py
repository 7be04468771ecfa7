"""Recovery by epoch: a file that says what to do with the disks that there are, once each.

    {"epoch": 4, "mode": "Reform", "voter": "<server ID>", "restoreUID": "<uid>"}

The file may be read-only and stay where it is, and a disk may come back months later; so each disk
remembers the last epoch that it has seen, in `applied_epoch`. A newer one is applied before raft
starts:

- `Reform`, the server with the ID `voter`: its log goes on with itself as the only member, in a
  higher term; what was there is copied to `raft.epoch-<n>.bak` first.
- `Reform`, any other, and `Rebootstrap`: the raft folder is moved to `raft.epoch-<n>.bak`, the
  state made of it goes, and the server has a new ID: it joins, or founds, as an empty one.

Every step may be the last before a crash. Each is durable before the next begins, what was done is
seen and not done again (a copy is made under another name, synced, then renamed), and
`applied_epoch` comes last. `restoreUID` is for people who read the file: the restore itself comes
over HTTP. Where there is no file, nothing happens.
"""

import json
import os.path
import uuid
from dataclasses import dataclass
from typing import Any, Final

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

log = logger("storage")


class RecoveryFileError(ProconsulError):
    """The recovery file cannot be followed; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
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
    try:
        found = json.loads(text)
    except ValueError as failure:
        raise RecoveryFileError(f"{path} is no JSON: {failure}") from failure
    if not isinstance(found, dict):
        raise RecoveryFileError(f"{path} must hold an object")
    epoch, mode, voter = found.get("epoch"), found.get("mode"), found.get("voter", "")
    if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
        raise RecoveryFileError(f"{path}: epoch must be a number from 1 on, not {epoch!r}")
    if mode not in (REFORM, REBOOTSTRAP):
        raise RecoveryFileError(f"{path}: mode must be {REFORM} or {REBOOTSTRAP}, not {mode!r}")
    if mode == REFORM and not _is_uuid(voter):
        raise RecoveryFileError(f"{path}: voter must be the ID of a server, not {voter!r}")
    return Recovery(epoch=epoch, mode=mode, voter=str(voter).lower() if mode == REFORM else "")


def _is_uuid(text: Any) -> bool:
    try:
        return isinstance(text, str) and bool(uuid.UUID(text))
    except ValueError:
        return False


def applied_epoch(data: DataDir, disk: Disk) -> int:
    """The last epoch that this disk has seen, 0 for none. Raises RecoveryFileError."""
    path = os.path.join(data.root, EPOCH_FILE)
    if not exists(disk, path):
        return 0
    text = disk.read(path).decode("ascii", "replace").strip()
    if not text.isdecimal():
        raise RecoveryFileError(
            f"{path} holds {text!r}, which is no epoch: write the number of the last recovery that "
            "this server took part in, or 0"
        )
    return int(text)


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
    own_id = disk.read(data.node_id).decode().strip() if exists(disk, data.node_id) else ""
    if recovery.mode == REFORM and recovery.voter == own_id.lower():
        copy_folder(disk, data.snapshots, os.path.join(data.root, recovery.backup))
        return recovery
    if config.node_id:
        raise RecoveryFileError(
            f"epoch {recovery.epoch} of {config.recovery_file} gives this server a new ID, and "
            "its configuration a fixed one: take node_id out of it"
        )
    _step_aside(data, disk, recovery)
    return None


def _step_aside(data: DataDir, disk: Disk, recovery: Recovery) -> None:
    become_another(data, disk, recovery.backup)
    _note(data, disk, recovery)
    log.warning(
        "recovery: epoch=%d mode=%s: the data are in %s, this server has a new ID",
        recovery.epoch,
        recovery.mode,
        recovery.backup,
    )


def become_another(data: DataDir, disk: Disk, backup: str) -> None:
    """Be an empty server with an ID that is yet to be made; the log is kept in `backup`.

    The ID goes first: a server that still had it and not its log could vote twice in a term, and
    acknowledge what it does not have. Raises OSError.
    """
    remove_file(disk, data.node_id)
    move_folder(disk, data.snapshots, os.path.join(data.root, backup))
    remove_tree(disk, data.state)


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
    _note(data, disk, recovery)
    log.warning(
        "recovery: epoch=%d: this server goes on alone, from entry %d of term %d; what it had is "
        "in %s",
        recovery.epoch,
        reformed.snapshot.index,
        reformed.snapshot.term,
        recovery.backup,
    )
    return reformed


def _note(data: DataDir, disk: Disk, recovery: Recovery) -> None:
    replace_file(disk, os.path.join(data.root, EPOCH_FILE), f"{recovery.epoch}\n".encode())
