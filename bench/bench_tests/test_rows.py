"""The table of what is measured."""

import pytest

from bench.failure import BenchError
from bench.rows import BY_NAME, ROWS, chosen


def test_names_are_no_other_rows() -> None:
    assert len(BY_NAME) == len(ROWS)


def test_every_read_is_measured_quiet_and_busy() -> None:
    assert all(row.moods == (False, True) for row in ROWS if row.workload.reads)


def test_a_read_through_a_follower_needs_one() -> None:
    assert all(1 not in row.goals for row in ROWS if row.through_follower)


def test_rows_are_chosen_by_name_and_group() -> None:
    assert chosen(["rows"]) == ROWS
    assert [row.name for row in chosen(["lock", "get"])] == ["get", "lock"]
    assert {row.workload.reads for row in chosen(["writes"])} == {False}
    assert chosen([]) == ()


def test_a_row_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(BenchError, match=r"no workload 'gte'.*get-stale"):
        chosen(["gte"])
