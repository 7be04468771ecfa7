"""Segments: their names, which entries each of them holds, and which may be dropped.

`LogIndex` is the log without its bytes: where each entry lies, term and vote, and the newest
snapshot. Recovery builds it from the records; the writer applies to it what it has synced. So
the two cannot disagree about what a record means.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from proconsul.wal.record import (
    MARK_BYTES,
    RECORD_OVERHEAD_BYTES,
    HardState,
    Kind,
    Position,
)

DEFAULT_SEGMENT_BYTES: Final = 16 * 1024 * 1024  # thirty of the largest KV writes
SEGMENT_BYTES_MIN: Final = 4096

# Kept free at the end of a segment while no next one can be made, so that a vote, a
# truncation and the marker of the snapshot that frees the disk still have a place.
RESERVE_BYTES_MAX: Final = 64 * 1024

_NAME: Final = re.compile(r"([0-9]{10})-([0-9]{20})-([0-9a-f]{16})\.wal")


class SegmentName(NamedTuple):
    """What a segment's file name says: its place in the row, and the mark of its groups."""

    sequence: int
    first_index: int
    mark: bytes

    @property
    def text(self) -> str:
        """The file name."""
        return f"{self.sequence:010d}-{self.first_index:020d}-{self.mark.hex()}.wal"


def parse_name(text: str) -> SegmentName | None:
    """Read a file name; None if it is not a segment's."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    assert len(match[3]) == 2 * MARK_BYTES
    return SegmentName(int(match[1]), int(match[2]), bytes.fromhex(match[3]))


def reserve_bytes(segment_bytes: int) -> int:
    """How much of a segment's end is for small records only, while the disk is full."""
    return min(RESERVE_BYTES_MAX, segment_bytes // 16)


def bytes_for(group_bytes: int, start_bytes: int, segment_bytes: int) -> int:
    """How large a new segment must be to hold a group behind its start: usually as configured."""
    needed = start_bytes + group_bytes
    needed += reserve_bytes(max(segment_bytes, needed))
    return segment_bytes if needed <= segment_bytes else -(-needed // 4096) * 4096


@dataclass(frozen=True, slots=True)
class Extent:
    """Consecutive entries in one segment, to be read in one go; `starts` as in Segment."""

    sequence: int
    first_index: int
    starts: list[int]
    sizes: list[int]


@dataclass(slots=True)
class Segment:
    """One segment: where the next group goes, and its live entries, `first_index` and following.

    Entry `first_index + i` is the record of `sizes[i]` bytes at `starts[i]`, of term `terms[i]`.
    """

    name: SegmentName
    size_bytes: int
    end: int
    first_index: int
    starts: "array[int]" = field(default_factory=lambda: array("Q"))
    sizes: "array[int]" = field(default_factory=lambda: array("I"))
    terms: "array[int]" = field(default_factory=lambda: array("Q"))

    @property
    def last_index(self) -> int:
        """The last live entry; one below `first_index` if there is none."""
        return self.first_index + len(self.starts) - 1

    def forget_from(self, index: int) -> None:
        """Drop the entries from `index` on."""
        keep = max(index - self.first_index, 0)
        del self.starts[keep:], self.sizes[keep:], self.terms[keep:]
        self.first_index = min(self.first_index, index)


@dataclass(slots=True)
class LogIndex:
    """The log without its bytes. `before_index` and `before_term` name the entry in front of it."""

    hard_state: HardState = field(default_factory=HardState)
    snapshot_index: int = 0
    snapshot_term: int = 0
    before_index: int = 0
    before_term: int = 0
    last_index: int = 0
    last_term: int = 0
    segments: list[Segment] = field(default_factory=list)

    @property
    def first_index(self) -> int:
        """The first entry that can be read; one above `last_index` if the log is empty."""
        return self.before_index + 1

    @property
    def end(self) -> Position:
        """Where the next group goes."""
        current = self.segments[-1]
        return Position(current.name.sequence, current.end)

    def add_segment(self, segment: Segment) -> None:
        """A new segment behind the others; it continues the log."""
        assert segment.first_index == self.last_index + 1
        self.segments.append(segment)

    def add_entries(self, starts: Sequence[int], sizes: Sequence[int], terms: list[int]) -> None:
        """Entries behind the last one, in the last segment."""
        segment = self.segments[-1]
        segment.starts.extend(starts)
        segment.sizes.extend(sizes)
        segment.terms.extend(terms)
        self.last_index += len(terms)
        self.last_term = terms[-1]

    def apply(self, kind: Kind, index: int, term: int) -> None:
        """A SNAPSHOT, RESET or TRUNCATE record."""
        if kind is Kind.TRUNCATE:
            self._forget_from(index, term)
            return
        self.snapshot_index, self.snapshot_term = index, term
        if kind is Kind.RESET:
            self._start_behind(index, term)

    def drop_segments_before(self, count: int) -> list[Segment]:
        """Take the first `count` segments off; the log begins with the next one."""
        assert count < len(self.segments), "the last segment is being written to"
        if not count:
            return []
        dropped, first = self.segments[:count], self.segments[count]
        before_index = first.first_index - 1
        if before_index > self.before_index:
            self.before_term = self._required_term(before_index)
            self.before_index = before_index
        self.segments = self.segments[count:]
        return dropped

    def count_droppable(self, up_to_index: int) -> int:
        """How many segments at the front hold no entry above `up_to_index`."""
        count = 0
        for segment in self.segments[:-1]:
            if segment.last_index > up_to_index:
                break
            count += 1
        return count

    def term_of(self, index: int) -> int | None:
        """The term of an entry, of the one before the first, or of the snapshot; else None."""
        if self.before_index < index <= self.last_index:
            segment = self.segment_of(index)
            return segment.terms[index - segment.first_index]
        if index == self.before_index:
            return self.before_term
        return self.snapshot_term if index == self.snapshot_index else None

    def segment_of(self, index: int) -> Segment:
        """The segment that holds the entry."""
        assert self.before_index < index <= self.last_index
        # Segments that a truncation emptied share their first index with the one that goes on
        # from there, and that is the last of them.
        place = bisect_right(self.segments, index, key=lambda segment: segment.first_index) - 1
        return self.segments[place]

    def plan_read(self, first: int, last: int, bytes_max: int) -> list[Extent]:
        """Where those entries are: at least one, then while bodies are `bytes_max` in all."""
        extents: list[Extent] = []
        left = bytes_max
        index = first
        while index <= last:
            segment = self.segment_of(index)
            begin = end = index - segment.first_index
            stop = min(last, segment.last_index) - segment.first_index + 1
            while end < stop:
                left -= segment.sizes[end] - RECORD_OVERHEAD_BYTES
                if left < 0 and (extents or end > begin):
                    break
                end += 1
            if end > begin:
                starts, sizes = (
                    segment.starts[begin:end].tolist(),
                    segment.sizes[begin:end].tolist(),
                )
                extents.append(Extent(segment.name.sequence, index, starts, sizes))
            if end < stop:
                break
            index = segment.last_index + 1
        return extents

    def _required_term(self, index: int) -> int:
        term = self.term_of(index)
        assert term is not None
        return term

    def _forget_from(self, index: int, term_before: int) -> None:
        for segment in self.segments:
            segment.forget_from(index)
        self.last_index, self.last_term = index - 1, term_before
        if self.before_index >= index - 1:
            self.before_index, self.before_term = index - 1, term_before

    def _start_behind(self, index: int, term: int) -> None:
        for segment in self.segments:
            segment.forget_from(0)
            segment.first_index = index + 1
        self.before_index, self.before_term = index, term
        self.last_index, self.last_term = index, term
