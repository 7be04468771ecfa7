"""What a pool keeps in the data directory, in Consul's own formats and places.

- `serf/local.snapshot`: who was alive, and the clocks (gossip/snapshot.py). It helps to find the
  pool again, and no more: lines are appended and left to the system, which has written them when
  the power goes, or not. Only when the file is written anew, aside and renamed, it is synced
  first, for else all of it could be gone.
- `serf/local.keyring`: the keys, a JSON array in base64, the primary one first. It is written
  aside, synced and renamed at each change, for its owner's eyes only: without it an encrypted
  server cannot come back.

The methods block: once the pool is at work, call them from a thread, one at a time.
"""

import base64
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from proconsul.gossip.failure import GossipError, KeyringError
from proconsul.gossip.keyring import KEYS_MAX, Keyring
from proconsul.gossip.snapshot import Kept, read
from proconsul.runtime.disk import Disk, DiskFile

ASIDE_SUFFIX = ".tmp"
SNAPSHOT_BYTES_MAX = 64 * 1024 * 1024  # no file of ours or of Consul's comes near
KEYRING_BYTES_MAX = KEYS_MAX * 100

_KEYS_ADVICE = (
    "Restore it from a backup or from another server of this datacenter, or remove it and start "
    "with the pool's key in -encrypt"
)
_SNAPSHOT_ADVICE = "It can be removed: it only helps to find the pool again"


class GossipFileError(GossipError):
    """A file of the pool that cannot be used; the text says what to do about it."""


class GossipFiles:
    """The two files of one pool."""

    def __init__(self, folder: str, disk: Disk, *, pool: str = "local") -> None:
        """`folder` is the `serf` of a data directory; `pool`: `local`, or `remote` for the WAN."""
        self._folder = folder
        self._disk = disk
        self.snapshot = os.path.join(folder, f"{pool}.snapshot")
        self.keyring = os.path.join(folder, f"{pool}.keyring")
        self._file: DiskFile | None = None  # of the snapshot
        self._end_bytes = 0

    # ---------------------------------------------------------------- the snapshot

    def load_snapshot(self, *, rejoin_after_leave: bool) -> Kept:
        """What was known; nothing if there is no file. Raises GossipFileError.

        Lines that say nothing are no error, `Kept.damaged` counts them: the rest still helps.
        """
        data = self._read(self.snapshot, SNAPSHOT_BYTES_MAX, _SNAPSHOT_ADVICE)
        return read(data or b"", rejoin_after_leave=rejoin_after_leave)

    def append(self, lines: Sequence[str]) -> int:
        """Append lines to the snapshot; how long it is then, in bytes. Raises OSError."""
        if self._file is None:
            self._file, self._end_bytes = self._open_snapshot()
        data = _text(lines)
        try:
            self._file.pwrite(data, self._end_bytes)
        except OSError:
            self.close()  # nobody knows where it ends: look again
            raise
        self._end_bytes += len(data)
        return self._end_bytes

    def _open_snapshot(self) -> tuple[DiskFile, int]:
        self._disk.make_dirs(self._folder)
        try:
            opened = self._disk.open(self.snapshot)
        except FileNotFoundError:
            return self._disk.create(self.snapshot), 0
        end_bytes = opened.size_bytes()
        try:
            # A crash may have cut a line short; what is appended must not become part of it.
            if end_bytes and opened.pread(1, end_bytes - 1) != b"\n":
                opened.pwrite(b"\n", end_bytes)
                end_bytes += 1
        except OSError:
            opened.close()
            raise
        return opened, end_bytes

    def rewrite(self, lines: Iterable[str]) -> int:
        """Put these lines in the place of all others; how long it is then. Raises OSError."""
        self.close()
        data = _text(lines)
        self._replace(self.snapshot, data)
        return len(data)

    def close(self) -> None:
        """Let go of the snapshot; the next `append` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    # ---------------------------------------------------------------- the keyring

    def load_keyring(self) -> Keyring | None:
        """The keys that were in use; None if there is no file. Raises GossipFileError."""
        data = self._read(self.keyring, KEYRING_BYTES_MAX, _KEYS_ADVICE)
        if data is None:
            return None
        try:
            return Keyring(_keys(data))
        except (ValueError, KeyringError) as failure:
            raise GossipFileError(
                f"the keyring file {self.keyring} is damaged: {failure}. {_KEYS_ADVICE}."
            ) from failure

    def keep_keyring(self, keys: Sequence[str]) -> None:
        """Write these keys, in base64, the primary one first.

        Raises OSError; the file is then the old one.
        """
        self._replace(self.keyring, json.dumps(list(keys), indent=2).encode("ascii"))

    # ---------------------------------------------------------------- both

    def _read(self, path: str, size_bytes_max: int, advice: str) -> bytes | None:
        try:
            data = self._disk.read(path)
        except FileNotFoundError:
            return None
        except OSError as failure:
            reason = os.strerror(failure.errno or 0).lower()
            raise GossipFileError(f"{path} cannot be read: {reason}. {advice}.") from failure
        if len(data) > size_bytes_max:
            raise GossipFileError(
                f"{path} has {len(data)} bytes, which is more than such a file can have. {advice}."
            )
        return data

    def _replace(self, path: str, data: bytes) -> None:
        self._disk.make_dirs(self._folder)
        aside = path + ASIDE_SUFFIX
        with suppress(FileNotFoundError):
            self._disk.remove(aside)  # of a process that ended in the middle
        file = self._disk.create(aside)
        try:
            file.pwrite(data, 0)
            file.fdatasync()
        finally:
            file.close()
        self._disk.rename(aside, path)
        self._disk.fsync_dir(self._folder)


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _keys(data: bytes) -> list[bytes]:
    """Raises ValueError: what is wrong."""
    try:
        keys = json.loads(data)
    except ValueError as failure:
        raise ValueError(f"it is no JSON ({failure})") from failure
    if not (isinstance(keys, list) and keys and all(isinstance(key, str) for key in keys)):
        raise ValueError("it holds no list of keys in base64")
    try:
        return [base64.b64decode(key, validate=True) for key in keys]
    except ValueError as failure:
        raise ValueError(f"a key of it is not in base64 ({failure})") from failure
