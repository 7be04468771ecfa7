"""A parked query: what is kept of one that waits, and what it needs of its connection."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from proconsul.api.blocking_requests import Asked
from proconsul.api.http import Handler, Request

if TYPE_CHECKING:
    from proconsul.runtime.shared_answers import Shared

Pieces = tuple[bytes, ...]
"""What is written, one piece after another: a large body is not copied to stand behind its head."""


class Connection(Protocol):
    """Whose query is parked."""

    @property
    def date_line(self) -> bytes:
        """The Date field at this moment."""

    @property
    def added_fields(self) -> tuple[tuple[str, str], ...]:
        """Fields that each answer gets."""

    def say(self, pieces: Pieces) -> None:
        """Here is the answer, for a query that is not parked yet."""

    def park(self, parked: "Parked") -> None:
        """The query is parked."""

    def tell(self, pieces: Pieces) -> None:
        """Here is the answer, for a query that was parked."""

    def resume(self, request: Request, handle: Handler) -> None:
        """The query that was parked is answered by this handler."""

    def abort(self) -> None:
        """Hang up."""


class Parked:
    """One query that waits; there may be very many."""

    __slots__ = ("_left", "at", "began_s", "connection", "fresh", "index", "until_s", "wait")

    def __init__(
        self,
        connection: Connection,
        asked: Asked,
        began_s: float,
        until_s: float,
        left: Callable[["Parked"], None],
    ) -> None:
        """Both times by the world's clock; `left` is called when its client has gone."""
        self.connection: Connection | None = connection
        self.index = asked.index
        self.wait = asked.wait
        self.began_s = began_s
        self.until_s = until_s
        self.at: Shared | None = None  # the answer at which it waits
        self.fresh = b""  # how fresh that was when it came there
        self._left = left

    def __lt__(self, other: "Parked") -> bool:
        return self.until_s < other.until_s

    @property
    def is_gone(self) -> bool:
        """Whether it waits no more."""
        return self.connection is None

    def cancel(self) -> None:
        """The client has gone."""
        self._left(self)
