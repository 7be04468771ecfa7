"""Names, sizes, and which segment holds what after all that can happen to a log."""

import pytest

from proconsul.wal.record import RECORD_OVERHEAD_BYTES, Kind
from proconsul.wal.segments import (
    LogIndex,
    Segment,
    SegmentName,
    bytes_for,
    parse_name,
    reserve_bytes,
)

MARK = bytes(range(8))


def log_of(*segments: tuple[int, int]) -> LogIndex:
    """A log of term 1 whose segments hold (first index, count) entries of ten bytes."""
    log = LogIndex()
    for sequence, (first_index, count) in enumerate(segments, start=1):
        log.add_segment(Segment(SegmentName(sequence, first_index, MARK), 4096, 0, first_index))
        if count:
            fill(log, count)
    return log


def fill(log: LogIndex, count: int, term: int = 1) -> None:
    starts = [100 * i for i in range(count)]
    log.add_entries(starts, [RECORD_OVERHEAD_BYTES + 10] * count, [term] * count)


def holders(log: LogIndex) -> dict[int, int]:
    """Which segment has each entry."""
    indexes = range(log.first_index, log.last_index + 1)
    return {index: log.segment_of(index).name.sequence for index in indexes}


def test_a_name_tells_sequence_first_index_and_mark() -> None:
    name = SegmentName(7, 1234, MARK)
    assert name.text == "0000000007-00000000000000001234-0001020304050607.wal"
    assert parse_name(name.text) == name


def test_names_sort_as_their_segments_do() -> None:
    names = [SegmentName(sequence, 2**63, MARK) for sequence in (2, 10, 9, 100)]
    assert sorted(name.text for name in names) == [name.text for name in sorted(names)]


@pytest.mark.parametrize(
    "text", ["LOCK", "spare-1.tmp", "1-2-3.wal", SegmentName(1, 1, MARK).text + ".bak"]
)
def test_other_files_are_no_segments(text: str) -> None:
    assert parse_name(text) is None


def test_a_group_that_fits_gets_a_usual_segment() -> None:
    assert bytes_for(1000, 100, 16384) == 16384


def test_a_group_too_large_for_one_gets_a_segment_of_its_own_with_the_reserve() -> None:
    size = bytes_for(20_000, 100, 16384)
    assert size % 4096 == 0
    assert 20_100 + reserve_bytes(16384) <= size < 32768


def test_a_segment_knows_its_entries() -> None:
    log = log_of((1, 3), (4, 2))
    assert holders(log) == {1: 1, 2: 1, 3: 1, 4: 2, 5: 2}


def test_a_truncation_reaches_back_over_segments_and_the_log_goes_on_in_the_last() -> None:
    log = log_of((1, 3), (4, 2), (6, 2))
    log.apply(Kind.TRUNCATE, 3, 1)
    assert (log.last_index, log.last_term) == (2, 1)
    fill(log, 2, term=9)
    assert holders(log) == {1: 1, 2: 1, 3: 3, 4: 3}
    assert [log.term_of(index) for index in range(6)] == [0, 1, 1, 9, 9, None]


def test_a_truncation_of_everything_moves_the_beginning() -> None:
    log = log_of((1, 3), (4, 2))
    log.drop_segments_before(1)
    assert (log.first_index, log.term_of(3), log.term_of(2)) == (4, 1, None)
    log.apply(Kind.TRUNCATE, 2, 1)
    assert (log.first_index, log.last_index, log.last_term) == (2, 1, 1)


def test_a_reset_empties_the_log_and_starts_it_behind_the_snapshot() -> None:
    log = log_of((1, 3), (4, 2))
    log.apply(Kind.RESET, 100, 7)
    assert (log.first_index, log.last_index, log.last_term) == (101, 100, 7)
    assert (log.snapshot_index, log.snapshot_term) == (100, 7)
    assert [log.term_of(index) for index in (5, 99, 100, 101)] == [None, None, 7, None]
    fill(log, 1, term=8)
    assert holders(log) == {101: 2}


def test_only_segments_wholly_below_are_dropped_and_never_the_last() -> None:
    log = log_of((1, 3), (4, 2), (6, 2))
    assert [log.count_droppable(up_to) for up_to in (2, 3, 4, 5, 7)] == [0, 1, 1, 2, 2]


def test_the_term_before_the_first_entry_stays_known() -> None:
    log = log_of((1, 3), (4, 2))
    log.drop_segments_before(1)
    assert log.term_of(log.first_index - 1) == 1


def test_a_snapshot_marker_leaves_the_entries() -> None:
    log = log_of((1, 3))
    log.apply(Kind.SNAPSHOT, 2, 1)
    assert (log.snapshot_index, log.first_index, log.last_index) == (2, 1, 3)


@pytest.mark.parametrize(
    ("bytes_max", "expected"), [(0, 1), (10, 1), (19, 1), (20, 2), (35, 3), (1000, 5)]
)
def test_a_read_takes_one_entry_at_least_and_then_what_fits(bytes_max: int, expected: int) -> None:
    log = log_of((1, 3), (4, 2))
    extents = log.plan_read(1, 5, bytes_max)
    assert sum(len(extent.starts) for extent in extents) == expected
    assert [extent.first_index for extent in extents] == [1, 4][: len(extents)]


def test_a_read_begins_in_the_middle_of_a_segment() -> None:
    (extent,) = log_of((1, 3), (4, 2)).plan_read(2, 3, 1000)
    assert (extent.sequence, extent.first_index, extent.starts) == (1, 2, [100, 200])
