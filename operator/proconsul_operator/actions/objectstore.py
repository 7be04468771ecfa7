"""Where archives lie: one protocol for S3, a folder (of a PersistentVolumeClaim), and plain HTTP.

Names are relative to the place that a destination gives (its prefix, its folder). Calls block: the
programs that use them do one thing after the other. An object is there whole or not at all: who is
killed in the middle of a `put` leaves nothing under its name.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

PIECE_BYTES: Final = 2**20


class StoreError(Exception):
    """The store did not do it. `reason` is one word for programs."""

    reason = "StoreFailed"


class AbsentError(StoreError):
    """There is no object of this name."""

    reason = "ObjectAbsent"


class DeniedError(StoreError):
    """The store knows us and lets us not, or knows us not."""

    reason = "StoreDenied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An object that is there. `modified_s`: seconds since 1970."""

    name: str
    size_bytes: int
    modified_s: float


class ObjectStore(Protocol):
    """Objects by name. Every method raises StoreError, or what is more special of it."""

    def put(self, name: str, source: Path, *, sha256: str) -> None:
        """The content of a file, of which `sha256` (hex) is known; what was there is replaced."""

    def get(self, name: str) -> Iterator[bytes]:
        """The content, piece by piece."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """Objects whose names begin so, in any order."""

    def delete(self, name: str) -> None:
        """Take it away; one that is not there is no error."""

    def url(self, name: str) -> str:
        """Where it lies, for people and for `location_of`."""


class FolderStore:
    """Files below a folder. A file is written under another name, synced, and renamed."""

    def __init__(self, root: Path, claim: str, path: str = "") -> None:
        """`path` below `root`, which is the mounted claim's root."""
        self._claim = claim
        self._folder = self._inside(root.resolve(), path)
        self._root = root.resolve()

    @staticmethod
    def _inside(root: Path, path: str) -> Path:
        found = (root / path.strip("/")).resolve()
        if not found.is_relative_to(root):
            raise StoreError(f"{path!r} leads out of the volume")
        return found

    def put(self, name: str, source: Path, *, sha256: str) -> None:
        """See ObjectStore."""
        target = self._inside(self._folder, name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            half = target.with_name(f".{target.name}.part")
            with source.open("rb") as read, half.open("wb") as write:
                while piece := read.read(PIECE_BYTES):
                    write.write(piece)
                write.flush()
                os.fsync(write.fileno())
            half.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            raise StoreError(f"{target}: {error.strerror or error}") from error

    def get(self, name: str) -> Iterator[bytes]:
        """See ObjectStore."""
        target = self._inside(self._folder, name)
        try:
            with target.open("rb") as read:
                while piece := read.read(PIECE_BYTES):
                    yield piece
        except FileNotFoundError:
            raise AbsentError(f"{target} is not there") from None
        except OSError as error:
            raise StoreError(f"{target}: {error.strerror or error}") from error

    def list(self, prefix: str) -> Iterator[Entry]:
        """See ObjectStore."""
        parent = self._inside(self._folder, prefix.rpartition("/")[0])
        if not parent.is_dir():
            return
        for path in sorted(parent.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if path.name.startswith(".") or not path.is_file() or not name.startswith(prefix):
                continue
            held = path.stat()
            yield Entry(name=name, size_bytes=held.st_size, modified_s=held.st_mtime)

    def delete(self, name: str) -> None:
        """See ObjectStore."""
        target = self._inside(self._folder, name)
        try:
            target.unlink(missing_ok=True)
            if target.parent.is_dir():
                _sync_folder(target.parent)
        except OSError as error:
            raise StoreError(f"{target}: {error.strerror or error}") from error

    def url(self, name: str) -> str:
        """See ObjectStore."""
        path = self._inside(self._folder, name).relative_to(self._root)
        return f"pvc://{self._claim}/{path.as_posix()}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
