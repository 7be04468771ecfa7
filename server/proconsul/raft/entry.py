"""An entry of the log.

A module by itself, so that it can be machine code: a write asks some thirty times for a field of
its entry, and each time would cost as much as a call.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proconsul.raft.messages import EntryKind, Index, Term


class Entry:
    """One of them. `extensions` is set on the pieces of a chunked command only."""

    __slots__ = ("data", "extensions", "index", "kind", "term")

    def __init__(
        self,
        index: "Index",
        term: "Term",
        kind: "EntryKind",
        data: bytes = b"",
        extensions: bytes = b"",
    ) -> None:
        self.index: Final = index
        self.term: Final = term
        self.kind: Final = kind
        self.data: Final = data
        self.extensions: Final = extensions

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return (
            self.index == other.index
            and self.term == other.term
            and self.kind == other.kind
            and self.data == other.data
            and self.extensions == other.extensions
        )

    def __hash__(self) -> int:
        return hash((self.index, self.term, self.kind, self.data, self.extensions))

    def __repr__(self) -> str:
        return (
            f"Entry(index={self.index}, term={self.term}, kind={self.kind!r}, data={self.data!r}, "
            f"extensions={self.extensions!r})"
        )
