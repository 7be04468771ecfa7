"""Running many seeds: what was done is not done again, and the sums are those of all runs."""

from pathlib import Path

from server_tests.sim.run import Sums, blocks_of, run_all, seeds_of


def test_a_run_goes_on_where_the_one_before_ended(tmp_path: Path) -> None:
    out = tmp_path / "sim.json"
    assert run_all(1, 3, 1, out) == 0
    first = Sums.load(out)
    assert first.blocks == [(1, 3)]
    assert run_all(2, 5, 1, out) == 0
    both = Sums.load(out)
    assert both.blocks == [(1, 5)]
    assert both.steps > first.steps

    at_once = tmp_path / "at_once.json"
    assert run_all(1, 5, 1, at_once) == 0
    assert Sums.load(at_once).steps == both.steps
    assert Sums.load(at_once).counts == both.counts


def test_only_what_is_missing_is_run() -> None:
    done = Sums([(1, 10), (90, 100)])
    assert list(blocks_of(1, 120, done)) == [(11, 60), (61, 89), (101, 120)]
    assert list(blocks_of(2, 9, done)) == []


def test_the_report_names_a_fault_that_never_fired() -> None:
    sums = Sums([(1, 1)])
    sums.counts["bit rot"] = 2
    assert "2  bit rot" in sums.report()
    assert "NEVER  bridge" in sums.report()


def test_seeds_are_a_range_or_the_first_so_many() -> None:
    assert seeds_of("3..9") == (3, 9)
    assert seeds_of("7") == (1, 7)
