"""A torn tail is dropped; damage is told by file and byte, and refused."""

import pytest

from proconsul.wal.encoding import (
    encode_entries,
    encode_group,
    encode_hard_state,
    encode_index_and_term,
    encode_start,
)
from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import FORMAT_VERSION, RECORD, HardState, Kind, Position, Start
from proconsul.wal.recovery import Recovery, WalDamagedError
from proconsul.wal.segments import SegmentName

PAGE_BYTES = 4096


class Writer:
    """Makes the bytes of a segment, group by group. All is synced, unless `synced` says other."""

    def __init__(self, sequence: int, first_index: int, before: Position, term: int = 0) -> None:
        self.name = SegmentName(sequence, first_index, bytes((sequence,)) * 8)
        self.content = b""
        self._next_index = first_index
        self.add(encode_start(Start(FORMAT_VERSION, sequence, first_index, term)), synced=before)

    @property
    def end(self) -> Position:
        return Position(self.name.sequence, len(self.content))

    def add(self, *pieces: bytes, synced: Position | None = None) -> int:
        begin = len(self.content)
        self.content += encode_group(self.name.mark, begin, synced or self.end, pieces)
        return begin

    def entries(self, count: int, size: int = 10, synced: Position | None = None) -> int:
        first = self._next_index
        pieces, _ = encode_entries(
            [LogRecord(1, first + i, bytes(size)) for i in range(count)], first
        )
        self._next_index += count
        return self.add(*pieces, synced=synced)

    def wreck(self, at: int, size: int = 1) -> None:
        wrecked = bytes(byte ^ 0xFF for byte in self.content[at : at + size])
        self.content = self.content[:at] + wrecked + self.content[at + size :]


NOTHING = Position(0, 0)


def recover(*segments: Writer) -> Recovery:
    recovery = Recovery()
    for segment in segments:
        content = segment.content + bytes(PAGE_BYTES)
        recovery.feed(f"wal/{segment.name.sequence}", segment.name, content)
    return recovery


def test_entries_term_vote_and_snapshot_come_back() -> None:
    segment = Writer(1, 1, NOTHING)
    segment.entries(3)
    segment.add(encode_hard_state(HardState(4, b"s2")), encode_index_and_term(Kind.SNAPSHOT, 2, 1))
    log = recover(segment).log
    assert (log.first_index, log.last_index, log.last_term) == (1, 3, 1)
    assert log.hard_state == HardState(4, b"s2")
    assert (log.snapshot_index, log.snapshot_term) == (2, 1)


def test_a_log_goes_on_over_segments() -> None:
    one = Writer(1, 1, NOTHING)
    one.entries(3)
    two = Writer(2, 4, one.end, term=1)
    two.entries(2)
    log = recover(one, two).log
    assert (log.first_index, log.last_index) == (1, 5)
    assert log.segment_of(3).name.sequence == 1


def test_a_log_begins_behind_what_was_compacted() -> None:
    segment = Writer(9, 100, Position(8, 500), term=3)
    log = recover(segment).log
    assert (log.first_index, log.last_index, log.last_term) == (100, 99, 3)


def test_a_torn_last_group_is_dropped() -> None:
    segment = Writer(1, 1, NOTHING)
    segment.entries(3)
    end = segment.entries(2)
    segment.wreck(end + 50)
    recovery = recover(segment)
    assert recovery.log.last_index == 3
    assert recovery.tail.end == end


def test_a_torn_last_group_with_a_hole_in_front_is_dropped() -> None:
    segment = Writer(1, 1, NOTHING)
    segment.entries(3)
    end = segment.entries(4, size=3000)
    segment.wreck(end, PAGE_BYTES)  # its later pages landed
    assert recover(segment).log.last_index == 3


def test_a_hole_before_a_whole_group_is_a_torn_tail_while_neither_was_synced() -> None:
    segment = Writer(1, 1, NOTHING)
    segment.entries(3)
    synced = segment.end
    lost = segment.entries(2, synced=synced)
    stray = segment.entries(2, synced=synced)
    segment.wreck(lost, 60)
    recovery = recover(segment)
    assert recovery.log.last_index == 3
    assert recovery.tail.strays == (stray,)  # to be wiped: it reads well


def test_a_hole_that_a_later_sync_covers_is_damage() -> None:
    segment = Writer(1, 1, NOTHING)
    segment.entries(3)
    lost = segment.entries(2)
    segment.entries(2)
    segment.wreck(lost, 60)
    with pytest.raises(WalDamagedError, match=f"wal/1 at byte {lost}: .*move this data directory"):
        recover(segment)


def test_damage_in_an_earlier_segment_is_seen_even_in_its_last_group() -> None:
    one = Writer(1, 1, NOTHING)
    one.entries(3)
    lost = one.entries(2)
    two = Writer(2, 6, one.end)
    one.wreck(lost + 60)
    with pytest.raises(WalDamagedError, match=f"wal/1 at byte {lost}"):
        recover(one, two)


def test_a_segment_whose_first_group_is_bad_is_damage_with_nothing_behind_it_too() -> None:
    segment = Writer(1, 1, NOTHING)
    segment.wreck(20)
    with pytest.raises(WalDamagedError, match="wal/1 at byte 0"):
        recover(segment)


def test_a_missing_segment_is_damage() -> None:
    one = Writer(1, 1, NOTHING)
    two = Writer(2, 1, one.end)
    three = Writer(3, 1, two.end)
    with pytest.raises(WalDamagedError, match="segment 2 should come before it and is missing"):
        recover(one, three)


def test_a_gap_in_the_entries_is_damage() -> None:
    segment = Writer(1, 1, NOTHING)
    segment.entries(1)
    pieces, _ = encode_entries([LogRecord(1, 3, b"")], 3)
    segment.add(*pieces)
    with pytest.raises(WalDamagedError, match="entry 3 follows 1"):
        recover(segment)


def test_a_segment_that_begins_elsewhere_than_the_log_ends_is_damage() -> None:
    one = Writer(1, 1, NOTHING)
    one.entries(1)
    with pytest.raises(WalDamagedError, match="begins at entry 9, behind 1"):
        recover(one, Writer(2, 9, one.end))


def test_a_newer_format_is_refused() -> None:
    segment = Writer(1, 1, NOTHING)
    segment.content = b""
    segment.add(encode_start(Start(FORMAT_VERSION + 1, 1, 1, 0)))
    with pytest.raises(WalDamagedError, match="format 2"):
        recover(segment)


def test_an_unknown_record_is_refused() -> None:
    segment = Writer(1, 1, NOTHING)
    segment.add(RECORD.pack(1, 0) + bytes((99,)))
    with pytest.raises(WalDamagedError, match="kind 99 is unknown"):
        recover(segment)


def test_only_what_came_after_the_last_proven_sync_must_be_written_again() -> None:
    segment = Writer(1, 1, NOTHING)
    assert recover(segment).tail.unproven_from == 0
    segment.entries(3)
    begin = segment.entries(2)
    assert recover(segment).tail.unproven_from == begin


def test_entries_before_a_truncation_in_the_same_group_are_cut_by_it() -> None:
    segment = Writer(1, 1, NOTHING)
    pieces, _ = encode_entries([LogRecord(1, 1, b""), LogRecord(1, 2, b"")], 1)
    again, _ = encode_entries([LogRecord(2, 2, b"")], 2)
    segment.add(*pieces, encode_index_and_term(Kind.TRUNCATE, 2, 1), *again)
    log = recover(segment).log
    assert [log.term_of(index) for index in (1, 2, 3)] == [1, 2, None]
