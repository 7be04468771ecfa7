"""What lies in the data directory, and the server's ID, which lives with the data."""

import errno
import os
import uuid

from msgspec import Struct

from proconsul.errors import ProconsulError

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


class DataDirError(ProconsulError):
    """The data directory cannot be used; the text says what to do."""


def no_room(path: str) -> DataDirError:
    """The error of a start on a full disk."""
    return DataDirError(
        f"no space left for the data under {path}: the server cannot start. Make some room on "
        "that disk and start it again; nothing is lost."
    )


def says_full(failure: Exception) -> bool:
    """Whether an error of the system's, or of LMDB's, means a full disk."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(failure, OSError):
        return failure.errno in codes
    return any(os.strerror(code) in str(failure) for code in codes)


class DataDir(Struct, frozen=True):
    """Paths below `-data-dir`."""

    root: str

    @property
    def log(self) -> str:
        """The write-ahead log's folder."""
        return os.path.join(self.root, "raft", "log")

    @property
    def snapshots(self) -> str:
        """The folder of raft snapshots."""
        return os.path.join(self.root, "raft")

    @property
    def state(self) -> str:
        """The state store's folder."""
        return os.path.join(self.root, "state")

    @property
    def has_state(self) -> bool:
        """Whether a state was ever made."""
        return os.path.isdir(self.state) and bool(os.listdir(self.state))

    @property
    def node_id(self) -> str:
        """The file with this server's ID."""
        return os.path.join(self.root, "node-id")

    def prepare(self) -> None:
        """Make the folder; raises DataDirError if it cannot be written."""
        try:
            os.makedirs(self.root, mode=0o755, exist_ok=True)
            probe = os.path.join(self.root, ".probe")
            with open(probe, "wb"):
                pass
            os.unlink(probe)
        except OSError as failure:
            if says_full(failure):
                raise no_room(self.root) from failure
            raise DataDirError(
                f"the data directory {self.root} cannot be used: {failure}. "
                "Create it, or make it writable for this user."
            ) from failure

    def refuse_strangers(self) -> None:
        """Raise DataDirError for the data of HashiCorp's server, which we do not read."""
        theirs = os.path.join(self.root, "raft", "raft.db")
        if os.path.exists(theirs):
            raise DataDirError(
                f"{self.root} holds the data of HashiCorp's Consul ({theirs}), which is not read "
                "here. Save a snapshot from that server (consul snapshot save), give this one an "
                "empty data directory, and restore the snapshot into it."
            )

    def load_node_id(self, wanted: str) -> str:
        """The ID in the data directory, or `wanted`, or a new random one, kept from now on.

        Raises DataDirError when the data belongs to another ID than the one that is wanted.
        """
        kept = self._read_node_id()
        if kept and wanted and kept != wanted.lower():
            raise DataDirError(
                f"the data in {self.root} belongs to node-id {kept}, not to {wanted}: leave out "
                "-node-id, or give this server a data directory of its own"
            )
        node_id = kept or wanted or str(uuid.uuid4())
        if not kept:
            try:
                self._write_node_id(node_id)
            except OSError as failure:
                if says_full(failure):
                    raise no_room(self.root) from failure
                raise
        return node_id

    def _read_node_id(self) -> str:
        try:
            with open(self.node_id, encoding="ascii", errors="replace") as file:
                text = file.read().strip().lower()
        except FileNotFoundError:
            return ""
        try:
            return str(uuid.UUID(text))
        except ValueError:
            raise DataDirError(
                f"{self.node_id} holds no UUID: restore it from a backup, or remove it only if "
                "this server has never been in a cluster"
            ) from None

    def _write_node_id(self, node_id: str) -> None:
        aside = self.node_id + ".tmp"
        with open(os.open(aside, _NEW_FILE, 0o600), "w", encoding="ascii") as file:
            file.write(node_id)
            file.flush()
            os.fsync(file.fileno())
        os.rename(aside, self.node_id)
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
