"""The data directory's files of services, checks and TTL states.

A change is written aside, synced, renamed and the directory synced: after a crash a file is
the old one or the new one. The methods block: call them from a thread.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from proconsul.local.persistence import (
    CHECK_STATES,
    CHECKS,
    SERVICES,
    FileChange,
    PersistedError,
    Saved,
    Write,
    read_check,
    read_service,
    read_state,
)

ASIDE_SUFFIX = ".tmp"

T = TypeVar("T")


class LocalFiles:
    """The three directories below a data directory; they are created when first needed."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def load(self) -> Saved:
        """Read everything. Raises OSError; what does not decode is named in the result."""
        unreadable: dict[str, str] = {}
        return Saved(
            services=tuple(self._read(SERVICES, read_service, unreadable)),
            checks=tuple(self._read(CHECKS, read_check, unreadable)),
            states=tuple(self._read(CHECK_STATES, read_state, unreadable)),
            unreadable=unreadable,
        )

    def _read(
        self, directory: str, read: Callable[[bytes], T], unreadable: dict[str, str]
    ) -> Iterable[T]:
        root = self._data_dir / directory
        if not root.is_dir():
            return
        for path in sorted(root.iterdir()):
            if path.is_dir() or path.name.endswith("tmp"):
                continue
            try:
                yield read(path.read_bytes())
            except PersistedError as failure:
                unreadable[str(path)] = str(failure)

    def apply(self, changes: Sequence[FileChange]) -> None:
        """Do the changes in their order; the durable ones survive a power cut from here on.

        Raises OSError: what comes after the failing one has not been done.
        """
        to_sync: set[Path] = set()
        for change in changes:
            path = self._data_dir / change.path
            if isinstance(change, Write):
                self._write(path, change)
                if change.durable:
                    to_sync.add(path.parent)
            elif path.exists():
                path.unlink()
                to_sync.add(path.parent)
        for directory in to_sync:
            _sync_directory(directory)

    def _write(self, path: Path, change: Write) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = path.with_name(path.name + ASIDE_SUFFIX)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(change.data)
            file.flush()
            if change.durable:
                os.fsync(file.fileno())
        aside.replace(path)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
