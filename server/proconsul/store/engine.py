"""What the state needs of a storage engine: ordered keys, snapshots, one writer.

The engine on disk is runtime/lmdb_engine.py; keys may be longer than it allows by itself
(Consul's may), and their order is kept: that is the engine's business, not the caller's.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

from proconsul.errors import ProconsulError


class StateFullError(ProconsulError):
    """The engine has no room: nothing of the transaction was kept; it may be tried again."""

    retry: ClassVar[bool] = True

    def __init__(self, path: str, cause: str) -> None:
        super().__init__(
            f"the state under {path} has no room: {cause}. Applying waits; free some space on "
            "that disk and it goes on by itself."
        )


class ViewEndedError(RuntimeError):
    """A view of the newest state was read after the next commit: a mistake of the reader's."""

    def __init__(self) -> None:
        super().__init__("this view of the newest state has ended: there is a newer one")


class View(Protocol):
    """One consistent state."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value, or None."""

    def scan(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of all keys that start with `prefix`, in byte order."""

    def keys(self, table: str, prefix: bytes = b"", start: bytes = b"") -> Iterator[bytes]:
        """The keys of `scan`, from the first one that is >= `start`."""


class Batch(View, Protocol):
    """The one write transaction; it sees its own writes.

    What a scan yields after a write in the middle of it is undefined: list first, then write.
    """

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set a value."""

    def delete(self, table: str, key: bytes) -> bool:
        """Remove a key; False if it was not there."""

    def child(self) -> AbstractContextManager["Batch"]:
        """A nested transaction: kept when the block ends, undone when it raises."""


class Engine(Protocol):
    """Where the state lives."""

    def newest(self) -> View:
        """The newest committed state, shared and cheap; it fails once there is a newer one."""

    def view(self) -> AbstractContextManager[View]:
        """The newest committed state, held for the block; may be read on another thread."""

    def write(self) -> AbstractContextManager[Batch]:
        """Begin the write transaction; committed when the block ends, undone when it raises.

        Raises StateFullError.
        """

    def replace(self) -> AbstractContextManager[Batch]:
        """Write another, empty state, which replaces this one whole when the block ends."""

    def write_down(self) -> None:
        """Have a restart find the newest state, while nobody writes. Raises StateFullError."""


class StateEngine(Engine, Protocol):
    """An engine that can be closed, and whose replacement may be committed on another thread."""

    def settle(self) -> None:
        """Commit what is written in the block of `replace`; nothing more can be written in it.

        For another thread, because it takes long. Raises StateFullError.
        """

    def close(self) -> None:
        """Make the state last, so that the next start trusts it."""
