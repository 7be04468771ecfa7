"""The cache is the end of the log, or part of it, and never anything else."""

from proconsul.wal.record import LogRecord
from proconsul.wal.tail import RECORD_COST_BYTES, TailCache


def entries(first: int, count: int, size: int = 10, term: int = 1) -> list[LogRecord]:
    return [LogRecord(term, first + i, bytes(size)) for i in range(count)]


def test_what_was_appended_is_read() -> None:
    cache = TailCache(10_000)
    cache.extend(entries(5, 3))
    cache.extend(entries(8, 2))
    assert cache.read(6, 9, 1000) == entries(6, 4)


def test_what_it_does_not_have_whole_it_does_not_tell() -> None:
    cache = TailCache(10_000)
    assert cache.read(1, 1, 1000) is None
    cache.extend(entries(5, 3))
    assert cache.read(4, 6, 1000) is None
    assert cache.read(5, 8, 1000) is None


def test_the_oldest_make_way() -> None:
    cache = TailCache(3 * (10 + RECORD_COST_BYTES))
    cache.extend(entries(1, 5))
    assert cache.read(2, 5, 1000) is None
    assert cache.read(3, 5, 1000) == entries(3, 3)


def test_an_entry_larger_than_the_cache_leaves_it_empty_and_usable() -> None:
    cache = TailCache(1000)
    cache.extend(entries(1, 1, size=5000))
    assert cache.read(1, 1, 1000) is None
    cache.extend(entries(2, 1))
    assert cache.read(2, 2, 1000) == entries(2, 1)


def test_a_cut_forgets_and_other_entries_follow() -> None:
    cache = TailCache(10_000)
    cache.extend(entries(1, 5))
    cache.forget_from(3)
    cache.extend(entries(3, 1, term=2))
    assert cache.read(1, 3, 1000) == entries(1, 2) + entries(3, 1, term=2)
    assert cache.read(1, 4, 1000) is None


def test_a_cut_before_all_of_it_empties_it() -> None:
    cache = TailCache(10_000)
    cache.extend(entries(5, 2))
    cache.forget_from(0)
    cache.extend(entries(100, 1))
    assert cache.read(100, 100, 1000) == entries(100, 1)


def test_a_read_takes_one_entry_at_least_and_then_what_fits() -> None:
    cache = TailCache(10_000)
    cache.extend(entries(1, 5))
    assert [len(cache.read(1, 5, size) or ()) for size in (0, 10, 29, 30, 500)] == [1, 1, 2, 3, 5]
