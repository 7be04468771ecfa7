"""The log seen whole: what the disk holds, the tail that it does not hold yet, and the snapshot.

Terms of all entries are known without reading (they come in long runs). Entries themselves are
kept in memory while they are young; older ones are read back through the function given. An
entry is *appended* (in memory), then *handed* to the writer, then *stable* (on disk).
Truncation may overtake writes that are under way: what they will report is then capped.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from proconsul.raft.effects import WriteNumber
from proconsul.raft.entry import Entry
from proconsul.raft.messages import EntryKind, Index, SnapshotMeta, Term

YOUNG_BYTES_MAX: Final = 8 * 1024 * 1024
ReadLog = Callable[[Index, Index, int], Sequence[Entry]]
"""`read(first, last, bytes_max)`: a prefix of those stable entries, one at least."""


class Log:
    """Entries `first_index` to `last_index`; in front of them what the snapshot covers."""

    def __init__(
        self,
        snapshot: SnapshotMeta,
        entries: Iterable[Entry],
        read: ReadLog,
        young_max: int,
        young_bytes_max: int = YOUNG_BYTES_MAX,
    ) -> None:
        """Of entries that are on disk and applied so many stay in memory, of so many bytes."""
        self.snapshot = snapshot
        self.base_index = snapshot.index  # the entry before the first that we hold
        self._base_term: Term | None = snapshot.term  # None: compacted away, and unknown
        self.last_index = snapshot.index
        self.last_term = snapshot.term
        self._run_starts: list[int] = []
        self._run_terms: list[Term] = []
        self._young: list[Entry] = []
        self._young_first = snapshot.index + 1
        self._young_bytes = 0
        self._young_max = young_max
        self._young_bytes_max = young_bytes_max
        self._read = read
        self._writing: deque[tuple[WriteNumber, Index]] = deque()
        self._cut_from: Index | None = None
        self._reset_to: SnapshotMeta | None = None
        self._load(entries)
        self.stable_index = self.last_index
        self.handed_index = self.last_index

    def _load(self, entries: Iterable[Entry]) -> None:
        """Learn the terms of what the disk holds."""
        any_seen = False
        for entry in entries:
            if not any_seen:
                any_seen = True
                assert entry.index <= self.snapshot.index + 1, "a hole behind the snapshot"
                if entry.index <= self.snapshot.index:
                    self.base_index = Index(entry.index - 1)
                    self._base_term = None if entry.index > 1 else Term(0)
                self.last_index = self.base_index
                self.last_term = Term(0)
            self._append(entry)
            self._young.clear()
            self._young_bytes = 0
            self._young_first = self.last_index + 1
        if any_seen and self.term_in_log(self.snapshot.index) != self.snapshot.term:
            # A restored snapshot lies behind all entries, a received one may contradict them:
            # the snapshot was durable first, and the crash came before the log was emptied.
            self.reset(self.snapshot)

    @property
    def first_index(self) -> Index:
        """The first entry that is there, if any is."""
        return Index(self.base_index + 1)

    @property
    def is_empty(self) -> bool:
        """Whether there never was an entry or a snapshot."""
        return self.last_index == 0

    def term_in_log(self, index: Index) -> Term | None:
        """The term of an entry that the log itself knows; the snapshot is not asked."""
        if self.base_index < index <= self.last_index:
            return self._run_terms[bisect_right(self._run_starts, index) - 1]
        return self._base_term if index == self.base_index else None

    def term_at(self, index: Index) -> Term | None:
        """The term of the entry, or None when it is unknown: compacted, or not here yet."""
        if index == self.last_index:
            return self.last_term
        if index == self.snapshot.index:
            return self.snapshot.term
        return self.term_in_log(index)

    def first_of_its_term(self, index: Index) -> Index:
        """The first entry here of the term that `index` has."""
        assert self.base_index < index <= self.last_index, "only of entries that are here"
        return Index(self._run_starts[bisect_right(self._run_starts, index) - 1])

    def is_up_to_date(self, last_index: Index, last_term: Term) -> bool:
        """Whether a log with such an end may lead us (paper, 5.4.1)."""
        return (last_term, last_index) >= (self.last_term, self.last_index)

    def append(self, term: Term, kind: EntryKind, data: bytes, extensions: bytes) -> Index:
        """Add a leader's own entry."""
        index = Index(self.last_index + 1)
        self._append(Entry(index, term, kind, data, extensions))
        return index

    def _append(self, entry: Entry) -> None:
        index, term = entry.index, entry.term
        assert index == self.last_index + 1, "the log has no holes"
        assert term >= self.last_term, "terms never go down"
        if not self._run_terms or term != self._run_terms[-1]:
            self._run_starts.append(index)
            self._run_terms.append(term)
        self._young.append(entry)
        self._young_bytes += len(entry.data)
        self.last_index = index
        self.last_term = term

    def merge(self, entries: Sequence[Entry]) -> tuple[Index | None, Sequence[Entry]]:
        """Take a leader's entries: (where the log was cut, the entries that are new).

        Those that are here already are skipped, so a late copy never cuts the tail.
        """
        for position, entry in enumerate(entries):
            if entry.index <= self.base_index:
                continue
            if entry.index > self.last_index:
                cut = None
            elif self.term_in_log(entry.index) != entry.term:
                cut = entry.index
                self.truncate(cut)
            else:
                continue
            new = entries[position:]
            for one in new:
                self._append(one)
            return cut, new
        return None, ()

    def truncate(self, from_index: Index) -> None:
        """Drop an entry and all behind it."""
        assert self.base_index < from_index <= self.last_index, "only what is here can go"
        end = Index(from_index - 1)
        while self._run_starts and self._run_starts[-1] >= from_index:
            self._run_starts.pop()
            self._run_terms.pop()
        self.last_index = end
        term = self._run_terms[-1] if self._run_terms else self._base_term
        assert term is not None, "the entry in front of a cut is known"
        self.last_term = term
        cut = max(0, from_index - self._young_first)
        self._young_bytes -= _size_bytes(self._young[cut:])
        del self._young[cut:]
        self._young_first = min(self._young_first, from_index)
        if from_index <= self.handed_index:
            self._cut_from = min(self._cut_from or from_index, from_index)
            self.handed_index = end
            self.stable_index = min(self.stable_index, end)
            self._writing = deque((number, min(last, end)) for number, last in self._writing)

    def reset(self, snapshot: SnapshotMeta) -> None:
        """Drop all entries: the log begins behind this snapshot."""
        self.snapshot = self._reset_to = snapshot
        self.base_index = self.last_index = snapshot.index
        self.stable_index = self.handed_index = snapshot.index
        self._base_term = self.last_term = snapshot.term
        self._run_starts, self._run_terms, self._young, self._young_bytes = [], [], [], 0
        self._young_first = snapshot.index + 1
        self._writing.clear()
        self._cut_from = None

    def compact(self, snapshot: SnapshotMeta, keep_from: Index) -> None:
        """Remember the newer snapshot, and forget the entries in front of `keep_from`."""
        assert keep_from <= snapshot.index + 1, "what no snapshot covers stays"
        assert keep_from <= self.stable_index + 1, "what is being written stays"
        if snapshot.index > self.snapshot.index:
            self.snapshot = snapshot
        base = Index(keep_from - 1)
        if base <= self.base_index:
            return
        self._base_term = self.term_at(base)
        runs = bisect_right(self._run_starts, keep_from) - 1
        if keep_from > self.last_index:
            self._run_starts, self._run_terms = [], []
        else:
            del self._run_starts[:runs]
            del self._run_terms[:runs]
            self._run_starts[0] = keep_from
        self.base_index = base
        self._forget_young(keep_from)

    def entries(self, first: Index, last: Index, bytes_max: int) -> Sequence[Entry]:
        """A prefix of these entries: all that are young, or about `bytes_max` read back."""
        assert self.base_index < first <= last <= self.last_index, "only what is here"
        if first >= self._young_first:
            return self._young[first - self._young_first : last - self._young_first + 1]
        return self._read(first, min(last, Index(self._young_first - 1)), bytes_max)

    def is_young(self, index: Index) -> bool:
        """Whether the entry can be had without reading."""
        return index >= self._young_first

    def trim(self, applied_index: Index) -> None:
        """Let go of old entries that are both on disk and applied."""
        # Many at a time; a few that are left make no difference.
        if len(self._young) > 2 * self._young_max or self._young_bytes > 2 * self._young_bytes_max:
            done = min(self.stable_index, applied_index)
            self._forget_young(Index(min(done, self.last_index - self._young_max) + 1))
            if self._young_bytes > self._young_bytes_max:
                self._forget_young(self._first_of_bytes(Index(done + 1)))

    def _first_of_bytes(self, at_most: Index) -> Index:
        """Where the young ones begin that are of no more bytes than may be kept."""
        left, keep_from = self._young_bytes, self._young_first
        while left > self._young_bytes_max and keep_from < at_most:
            left -= len(self._young[keep_from - self._young_first].data)
            keep_from += 1
        return Index(keep_from)

    def _forget_young(self, keep_from: Index) -> None:
        if keep_from > self._young_first:
            count = keep_from - self._young_first
            self._young_bytes -= _size_bytes(self._young[:count])
            del self._young[:count]
            self._young_first = keep_from

    @property
    def has_work(self) -> bool:
        """Whether the writer must be given something."""
        return (
            self.last_index > self.handed_index
            or self._cut_from is not None
            or self._reset_to is not None
        )

    def hand(
        self, number: WriteNumber
    ) -> tuple[SnapshotMeta | None, Index | None, tuple[Entry, ...]]:
        """What the write of this number does: (reset to, cut from, entries)."""
        entries = tuple(self._young[self.handed_index + 1 - self._young_first :])
        work = (self._reset_to, self._cut_from, entries)
        self._reset_to = self._cut_from = None
        self.handed_index = self.last_index
        self._writing.append((number, self.last_index))
        return work

    def persisted(self, number: WriteNumber) -> None:
        """All writes up to this one are on disk."""
        while self._writing and self._writing[0][0] <= number:
            self.stable_index = max(self.stable_index, self._writing.popleft()[1])


def _size_bytes(entries: list[Entry]) -> int:
    return sum([len(entry.data) for entry in entries])
