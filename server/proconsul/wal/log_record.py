"""An entry as the log keeps it. A module by itself, so that it can be machine code."""

from typing import Final


class LogRecord:
    """One entry of the raft log. The body is the raft codec's business."""

    __slots__ = ("body", "index", "term")

    def __init__(self, term: int, index: int, body: bytes) -> None:
        self.term: Final = term
        self.index: Final = index
        self.body: Final = body

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LogRecord):
            return NotImplemented
        return self.term == other.term and self.index == other.index and self.body == other.body

    def __hash__(self) -> int:
        return hash((self.term, self.index, self.body))

    def __repr__(self) -> str:
        return f"LogRecord(term={self.term}, index={self.index}, body={self.body!r})"
