"""The JSON of rows, encoded once a row.

Service discovery reads the same few rows again and again. A row is immutable, and the store gives
the same object until it changes: so its JSON is kept beside it, and an answer is put together
from pieces. A row that changed is another object, and the old piece is forgotten in time.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from proconsul.wire import json

FRAGMENTS_MAX = 65_536  # of one kind; then all are dropped, and made again as they are asked for

R = TypeVar("R")


class Fragments(Generic[R]):
    """Pieces of one kind: `make` gives the builtins of a row."""

    def __init__(
        self,
        make: Callable[[R], Any],
        holds_floats: Callable[[R], bool] = lambda row: False,
    ) -> None:
        """`holds_floats` says of which rows the numbers must be spelled as Go does."""
        self._make = make
        self._holds_floats = holds_floats
        self._kept: dict[int, tuple[R, bytes]] = {}

    def of(self, row: R) -> bytes:
        """The JSON of a row."""
        kept = self._kept.get(id(row))
        if kept is not None and kept[0] is row:
            return kept[1]
        made = json.encode(self._make(row), floats=self._holds_floats(row))
        if len(self._kept) >= FRAGMENTS_MAX:
            self._kept.clear()
        self._kept[id(row)] = (row, made)
        return made
