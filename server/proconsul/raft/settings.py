"""What a server starts with: its settings, and what its disk holds."""

from collections.abc import Iterable

import msgspec

from proconsul.raft.entry import Entry
from proconsul.raft.messages import HardState, Index, SnapshotMeta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Times in ticks, which the driver makes as long as it likes, and limits."""

    heartbeat_ticks: int = 1
    election_ticks: int = 10  # a timeout is drawn from here up to twice that
    lease_ticks: int = 5  # a leader that no majority answered for so long steps down
    entries_a_message_max: int = 64  # HashiCorp's MaxAppendEntries
    message_bytes_max: int = 4 << 20  # of entries that are read back from disk
    flights_max: int = 128  # requests with entries under way to one follower
    held_entries_max: int = 128  # that a follower waits for whose word is not needed (front.py)
    uncommitted_entries_max: int = 16_384  # more proposals are refused
    apply_entries_max: int = 1024  # entries in one Effects.apply
    apply_ahead_max: int = 4096  # entries handed out and not yet reported as applied
    young_entries_max: int = 1024  # entries kept in memory although on disk and applied
    stagger_ticks: int = 2  # between the candidacies of servers that lost their leader together
    probe_pause_ticks_max: int = 64  # the longest wait between tries to reach a follower

    @property
    def promise_ticks(self) -> int:
        """Who has answered a leader votes for nobody else before so many ticks of its own."""
        return min(self.lease_ticks + 1, self.election_ticks)


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What the disk held at the start.

    `entries` come in order without holes, from at most `snapshot.index + 1` on; `applied` is
    what the state store holds already, at least the snapshot.
    """

    hard_state: HardState
    snapshot: SnapshotMeta
    entries: Iterable[Entry]
    applied: Index
