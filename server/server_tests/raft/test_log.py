"""The log as one: appended, handed to the writer, on disk."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.raft.effects import WriteNumber
from proconsul.raft.entry import Entry
from proconsul.raft.log import Log
from proconsul.raft.messages import EntryKind, Index, SnapshotMeta, Term


def entry(index: int, term: int) -> Entry:
    return Entry(Index(index), Term(term), EntryKind.COMMAND, b"%d/%d" % (index, term))


def no_reading(first: Index, last: Index, bytes_max: int) -> Sequence[Entry]:
    raise AssertionError("nothing old is needed here")


def log_of(*terms: int) -> Log:
    entries = [entry(index, term) for index, term in enumerate(terms, start=1)]
    return Log(SnapshotMeta(), entries, no_reading, young_max=100)


def test_terms_are_known_without_reading() -> None:
    log = log_of(1, 1, 2, 4, 4)
    assert [log.term_at(Index(index)) for index in range(7)] == [0, 1, 1, 2, 4, 4, None]
    assert [log.first_of_its_term(Index(index)) for index in range(1, 6)] == [1, 1, 3, 4, 4]


def test_what_is_there_already_is_not_cut() -> None:
    log = log_of(1, 1, 2)
    assert log.merge([entry(2, 1)]) == (None, ())
    assert log.last_index == 3
    assert not log.has_work


def test_a_conflict_cuts_from_there_on() -> None:
    log = log_of(1, 1, 2, 2)
    new = [entry(2, 1), entry(3, 3)]
    assert log.merge(new) == (3, new[1:])
    assert (log.last_index, log.last_term, log.stable_index) == (3, 3, 2)
    assert log.hand(WriteNumber(1)) == (None, 3, (new[1],))
    log.persisted(WriteNumber(1))
    assert log.stable_index == 3


def test_a_write_that_was_overtaken_by_a_cut_counts_up_to_the_cut() -> None:
    log = log_of(1)
    log.merge([entry(2, 1), entry(3, 1)])
    log.hand(WriteNumber(1))
    log.merge([entry(3, 2), entry(4, 2)])
    log.hand(WriteNumber(2))
    log.merge([entry(2, 3), entry(3, 1 + 2)])  # and again, with what looks like the first one
    log.persisted(WriteNumber(1))
    assert log.stable_index == 1
    log.persisted(WriteNumber(2))
    assert log.stable_index == 1, "neither write has the entries that are there now"
    assert log.hand(WriteNumber(3)) == (None, 2, (entry(2, 3), entry(3, 3)))
    log.persisted(WriteNumber(3))
    assert log.stable_index == 3


def test_what_is_cut_before_it_was_handed_leaves_no_trace() -> None:
    log = log_of(1)
    log.merge([entry(2, 1)])
    log.merge([entry(2, 2)])
    assert log.hand(WriteNumber(1)) == (None, None, (entry(2, 2),))


def test_compaction_keeps_the_term_in_front_of_the_rest() -> None:
    log = log_of(1, 1, 2, 2, 3)
    log.compact(SnapshotMeta(index=Index(4), term=Term(2)), Index(4))
    assert (log.first_index, log.last_index) == (4, 5)
    assert [log.term_at(Index(index)) for index in range(2, 6)] == [None, 2, 2, 3]
    log.compact(SnapshotMeta(index=Index(5), term=Term(3)), Index(6))
    assert (log.first_index, log.last_index, log.term_at(Index(5))) == (6, 5, 3)
    assert log.append(Term(3), EntryKind.NOOP, b"", b"") == 6


def test_old_entries_are_read_back_and_young_ones_are_not() -> None:
    asked: list[tuple[Index, Index, int]] = []

    def read(first: Index, last: Index, bytes_max: int) -> Sequence[Entry]:
        asked.append((first, last, bytes_max))
        return [entry(first, 1)]

    log = Log(SnapshotMeta(), [entry(index, 1) for index in range(1, 4)], read, young_max=2)
    for _ in range(10):
        log.append(Term(1), EntryKind.COMMAND, b"", b"")
    log.hand(WriteNumber(1))
    log.trim(Index(13))
    assert log.is_young(Index(4)), "what is not on disk cannot be let go"
    log.persisted(WriteNumber(1))
    log.trim(Index(13))
    assert not log.is_young(Index(11))
    assert log.entries(Index(2), Index(13), 77) == [entry(2, 1)]
    assert asked == [(2, 11, 77)]
    assert [one.index for one in log.entries(Index(12), Index(13), 77)] == [12, 13]


def test_large_entries_are_let_go_sooner_once_they_are_on_disk_and_applied() -> None:
    log = Log(SnapshotMeta(), [], no_reading, young_max=100, young_bytes_max=1000)

    def append(term: int, count: int) -> None:
        for _ in range(count):
            log.append(Term(term), EntryKind.COMMAND, bytes(300), b"")

    def oldest_young() -> int:
        return next(index for index in range(1, 99) if log.is_young(Index(index)))

    append(1, 12)
    log.hand(WriteNumber(1))
    log.trim(Index(12))
    assert oldest_young() == 1, "what is not on disk cannot be let go"
    log.persisted(WriteNumber(1))
    log.trim(Index(4))
    assert oldest_young() == 5, "nor what is not applied"
    log.trim(Index(12))
    assert oldest_young() == 10
    log.truncate(Index(11))
    append(2, 5)
    log.hand(WriteNumber(2))
    log.persisted(WriteNumber(2))
    log.trim(Index(15))
    assert oldest_young() == 10, "those that were cut off do not count"


@pytest.mark.parametrize(("index", "term", "newer"), [(3, 2, True), (2, 3, True), (9, 1, False)])
def test_the_last_term_decides_before_the_length(index: int, term: int, newer: bool) -> None:
    assert log_of(1, 1, 2).is_up_to_date(Index(index), Term(term)) is newer


@given(st.data())
def test_a_log_is_what_a_plain_list_would_be(data: st.DataObject) -> None:
    plain: list[Entry] = []
    log = log_of()
    number = 0
    term = 1
    for _ in range(data.draw(st.integers(1, 12))):
        what = data.draw(st.sampled_from(["append", "merge", "hand", "persisted"]))
        if what == "append":
            log.append(Term(term), EntryKind.COMMAND, b"", b"")
            plain.append(log.entries(log.last_index, log.last_index, 1)[0])
        elif what == "merge":
            term += data.draw(st.integers(0, 1))
            previous = data.draw(st.integers(0, len(plain)))
            end = previous + data.draw(st.integers(1, 3))
            least = plain[previous - 1].term if previous else 1
            new = [entry(index, max(term, least)) for index in range(previous + 1, end + 1)]
            log.merge(new)
            same = all(
                index <= len(plain) and plain[index - 1].term == one.term
                for index, one in enumerate(new, start=previous + 1)
            )
            if not same:
                kept = [
                    plain[one.index - 1]
                    if one.index <= len(plain) and plain[one.index - 1].term == one.term
                    else one
                    for one in new
                ]
                plain = plain[:previous] + kept
        elif what == "hand":
            number += 1
            log.hand(WriteNumber(number))
        else:
            log.persisted(WriteNumber(number))
        assert log.last_index == len(plain)
        assert [log.term_at(Index(n + 1)) for n in range(len(plain))] == [e.term for e in plain]
        assert log.stable_index <= log.handed_index <= log.last_index
        if plain:
            assert [e.term for e in log.entries(Index(1), log.last_index, 1)] == [
                e.term for e in plain
            ]
