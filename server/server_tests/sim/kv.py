"""The state machine of the simulator: keys with a value each, and a chain over all that was done.

A command is text: `put key value` or `cas key expected value`; a failed check-and-set returns
what it saw, so that the history's checker knows. The chain is a checksum over every entry in its
place: two servers with one chain at one index did the same things in the same order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

from proconsul.raft.entry import Entry
from proconsul.raft.messages import EntryKind, Index

NOTHING = ""  # the value of a key that was never written


@dataclass(frozen=True, slots=True)
class Body:
    """A snapshot's content."""

    values: Mapping[str, str]
    chain: int


class Kv:
    """What one server has applied."""

    def __init__(self, index: Index, body: Body) -> None:
        self.index = index
        self.values = dict(body.values)
        self.chain = body.chain

    def body(self) -> Body:
        """As it is now."""
        return Body(dict(self.values), self.chain)

    def get(self, key: str) -> str:
        """The value of a key."""
        return self.values.get(key, NOTHING)

    def apply(self, entry: Entry) -> str:
        """Do an entry: the value that the command met."""
        assert entry.index == self.index + 1, f"{entry.index} applied after {self.index}"
        self.index = entry.index
        self.chain = crc32(entry.data, self.chain ^ (entry.term << 8) ^ entry.kind)
        if entry.kind is not EntryKind.COMMAND:
            return NOTHING
        what, key, *arguments = entry.data.decode().split(" ")
        met = self.values.get(key, NOTHING)
        if what == "put" or met == arguments[0]:
            self.values[key] = arguments[-1]
        return met


EMPTY = Body({}, 0)
