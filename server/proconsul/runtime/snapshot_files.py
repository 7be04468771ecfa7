"""Snapshots on a disk: `<term>-<index>-<unix ms>/` with meta.json, state.bin and SHA256SUMS.

Written aside to `.tmp`, synced, then renamed: a folder without `.tmp` is whole, or was damaged
later. Two are kept. The layout and meta.json are HashiCorp's (wire/raft.md, 8), except for their
CRC-64 of the state: nobody but us reads this folder, and Python takes minutes for a gigabyte.
In its place is what their archives have, SHA256SUMS, which covers meta.json, too, takes about
a second a gigabyte, and can be checked by hand with `sha256sum -c`.
"""

import hashlib
import os.path
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import msgspec

from proconsul.errors import ProconsulError
from proconsul.raft.messages import (
    Configuration,
    Index,
    Server,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Suffrage,
    Term,
)
from proconsul.runtime.disk import Disk, DiskFile

KEPT: Final = 2  # raft: Consul's snapshotsRetained
META, STATE, SUMS = "meta.json", "state.bin", "SHA256SUMS"

_ASIDE: Final = ".tmp"
_NAME: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})-([0-9]{1,20})")
_PIECE_BYTES: Final = 256 * 1024  # a call to the disk; hashlib lets other threads run meanwhile
_SYNC_EVERY_BYTES: Final = 8 * 1024 * 1024  # so that no sync of the log queues behind all of it


class SnapshotDamagedError(ProconsulError):
    """A snapshot on the disk is not as it was written."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"the snapshot {path} is damaged: {why}. Look for disk errors; an older snapshot, "
            "another server or a backup has the state. The folder can be deleted."
        )


class StoredSnapshot(msgspec.Struct, frozen=True):
    """A snapshot on the disk. `name` is its id, `sha256` that of its state, in hex."""

    name: str
    meta: SnapshotMeta
    size_bytes: int
    sha256: str


class DamagedSnapshot(NamedTuple):
    """A snapshot that is not to be used, and a sentence for the log."""

    name: str
    why: str


class Survey(NamedTuple):
    """What there is, newest first."""

    usable: tuple[StoredSnapshot, ...]
    damaged: tuple[DamagedSnapshot, ...]


class _ServerJson(msgspec.Struct, rename="pascal"):
    suffrage: int
    id: str = msgspec.field(name="ID")
    address: str


class _ConfigurationJson(msgspec.Struct, rename="pascal"):
    servers: list[_ServerJson] | None


class _MetaJson(msgspec.Struct, rename="pascal"):
    """meta.json (raft: snapshot.go, file_snapshot.go), without Peers and CRC."""

    version: int
    id: str = msgspec.field(name="ID")
    index: int
    term: int
    configuration: _ConfigurationJson
    configuration_index: int
    size: int


class SnapshotFiles:
    """The folder of snapshots. Calls block; one thread at a time, but readers may be elsewhere."""

    def __init__(self, directory: str, disk: Disk) -> None:
        """Make the folder if need be, and remove what was not finished in it."""
        self._directory = directory
        self._disk = disk
        self._damaged: set[str] = set()
        disk.make_dirs(directory)
        for name in disk.names(directory):
            if name.endswith(_ASIDE) and _NAME.fullmatch(name.removesuffix(_ASIDE)):
                remove_folder(disk, os.path.join(directory, name))

    def survey(self, *, check_contents: bool) -> Survey:
        """List all; with `check_contents` each state is read and its checksum compared.

        meta.json and the size of the state are always checked.
        """
        usable: list[StoredSnapshot] = []
        damaged: list[DamagedSnapshot] = []
        for name in self._names():
            try:
                snapshot = self._load(name)
                if check_contents:
                    with self.open(snapshot) as reader:
                        while reader.read(_PIECE_BYTES):
                            pass
                usable.append(snapshot)
            except SnapshotDamagedError as error:
                damaged.append(DamagedSnapshot(name, str(error)))
        self._damaged = {snapshot.name for snapshot in damaged}
        return Survey(tuple(usable), tuple(damaged))

    def create(self, meta: SnapshotMeta, now_ms: int) -> "SnapshotWriter":
        """Begin to write one. It exists once `finish` returned. Raises OSError."""
        while self._is_taken(name := f"{meta.term}-{meta.index}-{now_ms}"):
            now_ms += 1
        return SnapshotWriter(self, self._disk, self._directory, name, meta)

    def write(self, meta: SnapshotMeta, now_ms: int, pieces: Iterable[bytes]) -> None:
        """Write a whole one. Raises OSError, and what `pieces` does, with nothing kept."""
        writer = self.write_aside(meta, now_ms, pieces)
        with writer.aborted_if_it_fails():
            writer.finish()

    def write_aside(
        self, meta: SnapshotMeta, now_ms: int, pieces: Iterable[bytes]
    ) -> "SnapshotWriter":
        """The same without its end: it does not count before `finish` of what this returns."""
        writer = self.create(meta, now_ms)
        with writer.aborted_if_it_fails():
            for piece in pieces:
                writer.write(piece)
        return writer

    def open(self, snapshot: StoredSnapshot) -> "SnapshotReader":
        """Read its state. Raises SnapshotDamagedError."""
        path = os.path.join(self._directory, snapshot.name)
        try:
            file = self._disk.open(os.path.join(path, STATE))
        except OSError as error:
            raise SnapshotDamagedError(path, f"its state cannot be read ({error})") from error
        return SnapshotReader(file, path, snapshot)

    def find(self, index: Index, term: Term) -> StoredSnapshot | None:
        """The newest one of just that index and term; None if there is none to be used."""
        for name in self._names():
            if _numbers(name)[:2] == [term, index]:
                try:
                    return self._load(name)
                except SnapshotDamagedError:
                    continue
        return None

    def forget(self, meta: SnapshotMeta) -> None:
        """Remove what was written for that index and term, durably. Raises OSError."""
        for name in self._names():
            if _numbers(name)[:2] == [meta.term, meta.index]:
                self._drop(name)

    def prune(self) -> None:
        """Remove all but the newest two that are not known to be damaged."""
        for name in [name for name in self._names() if name not in self._damaged][KEPT:]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        path = os.path.join(self._directory, name)
        aside = path + _ASIDE
        self._disk.rename(path, aside)  # half a snapshot must not look like a damaged one
        self._disk.fsync_dir(self._directory)
        remove_folder(self._disk, aside)

    def _is_taken(self, name: str) -> bool:
        names = self._disk.names(self._directory)
        return name in names or name + _ASIDE in names

    def _names(self) -> list[str]:
        """The snapshots, newest first: by term, index, time."""
        names = [name for name in self._disk.names(self._directory) if _NAME.fullmatch(name)]
        return sorted(names, key=_numbers, reverse=True)

    def _load(self, name: str) -> StoredSnapshot:
        path = os.path.join(self._directory, name)
        try:
            text = self._disk.read(os.path.join(path, META))
            sums = self._disk.read(os.path.join(path, SUMS)).decode("ascii", "replace")
            state = self._disk.open(os.path.join(path, STATE))
            size_bytes = state.size_bytes()
            state.close()
        except OSError as error:
            raise SnapshotDamagedError(path, f"it cannot be read ({error})") from error
        expected = dict(line.split("  ", 1)[::-1] for line in sums.splitlines() if "  " in line)
        if expected.get(META) != hashlib.sha256(text).hexdigest() or STATE not in expected:
            raise SnapshotDamagedError(path, f"{META} does not match {SUMS}")
        try:
            meta = msgspec.json.decode(text, type=_MetaJson)
        except msgspec.MsgspecError as error:
            raise SnapshotDamagedError(path, f"{META} is not what we write ({error})") from error
        if meta.id != name:
            raise SnapshotDamagedError(path, f"{META} belongs to {meta.id}")
        if meta.size != size_bytes:
            raise SnapshotDamagedError(path, f"{STATE} has {size_bytes} bytes of {meta.size}")
        return StoredSnapshot(name, _from_json(meta), meta.size, expected[STATE])


class SnapshotWriter:
    """Writes one snapshot aside. End with `finish` or `abort`; after an OSError, `abort`."""

    def __init__(
        self, files: SnapshotFiles, disk: Disk, directory: str, name: str, meta: SnapshotMeta
    ) -> None:
        self._files = files
        self._disk = disk
        self._directory = directory
        self._name = name
        self._meta = meta
        self._aside = os.path.join(directory, name + _ASIDE)
        disk.make_dirs(self._aside)
        self._state: DiskFile = disk.create(os.path.join(self._aside, STATE))
        self._is_open = True
        self._hash = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._pending_bytes = 0
        self._written_bytes = 0
        self._synced_bytes = 0

    @property
    def size_bytes(self) -> int:
        """How much was given to `write`."""
        return self._written_bytes + self._pending_bytes

    def write(self, piece: bytes) -> None:
        """More of the state. Raises OSError."""
        self._pieces.append(piece)
        self._pending_bytes += len(piece)
        if self._pending_bytes >= _PIECE_BYTES:
            self._flush()

    def read_back(self) -> Iterator[bytes]:
        """All that was written so far, from the beginning. Raises OSError."""
        self._flush()
        offset = 0
        while piece := self._state.pread(_PIECE_BYTES, offset):
            offset += len(piece)
            yield piece

    def finish(self) -> StoredSnapshot:
        """Sync it, give it its name, and remove what is too old. Raises OSError."""
        self._flush()
        self._state.fdatasync()
        self._close()
        stored = StoredSnapshot(self._name, self._meta, self._written_bytes, self._hash.hexdigest())
        text = msgspec.json.encode(_to_json(stored))
        sums = f"{hashlib.sha256(text).hexdigest()}  {META}\n{stored.sha256}  {STATE}\n"
        self._write_small(META, text)
        self._write_small(SUMS, sums.encode("ascii"))
        self._disk.fsync_dir(self._aside)
        self._disk.rename(self._aside, os.path.join(self._directory, self._name))
        self._disk.fsync_dir(self._directory)
        self._files.prune()
        return stored

    @contextmanager
    def aborted_if_it_fails(self) -> Iterator[None]:
        """Keep nothing when the block raises."""
        try:
            yield
        except BaseException:
            with suppress(OSError):  # the next start removes what is left aside
                self.abort()
            raise

    def abort(self) -> None:
        """Remove what was written."""
        self._close()
        if os.path.basename(self._aside) in self._disk.names(self._directory):
            remove_folder(self._disk, self._aside)

    def _flush(self) -> None:
        content = b"".join(self._pieces)
        self._pieces.clear()
        self._pending_bytes = 0
        self._hash.update(content)
        self._state.pwrite(content, self._written_bytes)
        self._written_bytes += len(content)
        if self._written_bytes - self._synced_bytes >= _SYNC_EVERY_BYTES:
            self._state.fdatasync()
            self._synced_bytes = self._written_bytes

    def _write_small(self, name: str, content: bytes) -> None:
        file = self._disk.create(os.path.join(self._aside, name))
        try:
            file.pwrite(content, 0)
            file.fdatasync()
        finally:
            file.close()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._state.close()


class SnapshotReader:
    """Reads a state from its beginning; the last read compares the checksum."""

    def __init__(self, file: DiskFile, path: str, snapshot: StoredSnapshot) -> None:
        self._file = file
        self._path = path
        self._snapshot = snapshot
        self._hash = hashlib.sha256()
        self._offset = 0

    @property
    def size_bytes(self) -> int:
        """Of the whole state."""
        return self._snapshot.size_bytes

    def read(self, size_bytes: int) -> bytes:
        """The next bytes, none at the end.

        The last ones come only if the checksum of all of them is right. Raises
        SnapshotDamagedError.
        """
        wanted = min(size_bytes, self._snapshot.size_bytes - self._offset)
        try:
            content = self._file.pread(wanted, self._offset)
        except OSError as error:
            raise SnapshotDamagedError(self._path, f"{STATE} cannot be read ({error})") from error
        self._offset += len(content)
        self._hash.update(content)
        is_short = len(content) < wanted
        is_end = self._offset == self._snapshot.size_bytes
        if is_short or (is_end and self._hash.hexdigest() != self._snapshot.sha256):
            raise SnapshotDamagedError(self._path, f"{STATE} does not match {SUMS}")
        return content

    def close(self) -> None:
        """Close the file; the rest may be left unread."""
        self._file.close()

    def __enter__(self) -> "SnapshotReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove_folder(disk: Disk, path: str) -> None:
    """Remove a folder of files."""
    for name in disk.names(path):
        disk.remove(os.path.join(path, name))
    disk.remove(path)


def _numbers(name: str) -> list[int]:
    return [int(part) for part in name.split("-")]


def _to_json(stored: StoredSnapshot) -> _MetaJson:
    meta = stored.meta
    servers = [
        _ServerJson(suffrage=int(server.suffrage), id=server.id, address=server.address)
        for server in meta.configuration.servers
    ]
    return _MetaJson(
        version=1,
        id=stored.name,
        index=meta.index,
        term=meta.term,
        configuration=_ConfigurationJson(servers),
        configuration_index=meta.configuration_index,
        size=stored.size_bytes,
    )


def _from_json(meta: _MetaJson) -> SnapshotMeta:
    servers = tuple(
        Server(ServerId(server.id), ServerAddress(server.address), Suffrage(server.suffrage))
        for server in meta.configuration.servers or ()
    )
    return SnapshotMeta(
        index=Index(meta.index),
        term=Term(meta.term),
        configuration=Configuration(servers),
        configuration_index=Index(meta.configuration_index),
    )
