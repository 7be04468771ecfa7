"""From runs to lines and verdicts."""

import pytest

from bench.bench_tests.measurements import pair, run
from bench.ratios import lines
from bench.servers import Side
from bench.table import others_text, rows_table


def test_ratios_are_taken_pair_by_pair() -> None:
    # Between the pairs the machine became ten times slower: each ratio is still of like with like.
    (line,) = lines([*pair(0, 1000, 3000), *pair(1, 100, 350), *pair(2, 100, 400)])
    assert line.ratios == (3.0, 3.5, 4.0)
    assert line.ratio == 3.5
    assert line.consul.per_s == 100


def test_a_pair_of_which_half_is_missing_does_not_count() -> None:
    (line,) = lines([*pair(0, 100, 300), run(Side.CONSUL, 1, pair=1)])
    assert line.ratios == (3.0,)
    assert lines([run(Side.OURS, 1)]) == []


def test_a_goal_is_of_the_size_of_the_cluster() -> None:
    one, three = lines([*pair(0, 100, 300), *pair(0, 100, 300, servers=3)])
    assert one.is_met
    assert not three.is_met


@pytest.mark.parametrize(
    ("row", "p99_us", "met"),
    [
        ("put-64-64", 1200, True),
        ("put-64-64", 1201, False),
        ("get", 1000, False),
        ("get", 999, True),
    ],
)
def test_a_read_needs_a_better_p99_and_a_write_one_that_is_near(
    row: str, p99_us: float, met: bool
) -> None:
    (line,) = lines(pair(0, 100, 1000, row=row, p99_us=p99_us))
    assert line.is_met is met


def test_quiet_and_busy_are_two_lines() -> None:
    quiet, busy = lines([*pair(0, 1, 3, row="get", busy=True), *pair(0, 1, 2, row="get")])
    assert (quiet.busy, busy.busy) == (False, True)


def test_the_table_says_what_is_missing() -> None:
    text = rows_table(lines(pair(0, 100, 200, p99_us=5000, load_cores=0.99, flushes_s=None)))
    assert "**2.00x** (2.00x to 2.00x) | 3x | **no**: ratio, p99 is 5.00x" in text
    assert "0 of 1 rows reach their goal" in text
    assert "wrk had no core to spare, so ours is at least so fast: put-64-64 (1)." in text
    assert "500 / -" in text


def test_the_table_says_where_more_cores_win_and_where_less_was_changed() -> None:
    runs = [
        run(Side.CONSUL, 100, row="get", busy=True, server_cores=1.6, beats_s=50.0),
        run(Side.OURS, 90, row="get", busy=True, beats_s=44.0),
    ]
    text = rows_table(lines(runs))
    assert "more than one core: get busy (1)." in text
    assert "too slow to take 50 changes a second: get busy (1)." in text
    assert "core: " not in rows_table(lines(pair(0, 100, 90)))


def test_other_work_is_told() -> None:
    assert "0.50 cores (median), 0.75 (most)" in others_text(
        [run(Side.OURS, 1, other_cores=cores) for cores in (0.25, 0.5, 0.75)]
    )
