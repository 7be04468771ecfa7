"""The names of archives, and which may go."""

import pytest

from proconsul_operator.actions.snapshot_names import Archived, parsed, side_of, surplus
from proconsul_operator.api.schedule import Retention

DAY_S = 86400.0


def archived(day: int, run: str = "0123abcd") -> Archived:
    return Archived(cluster="c", taken_s=day * DAY_S, index=day, run=run)


def test_a_name_tells_all_that_it_was_made_of() -> None:
    made = Archived(cluster="c", taken_s=1764151200.0, index=84213, run="0123abcd")
    assert made.name == "c/20251126T100000Z-84213-0123abcd.snap"
    assert made.side == side_of(made.name) == "c/20251126T100000Z-84213-0123abcd.json"
    assert parsed("c", made.name) == made


@pytest.mark.parametrize(
    "name",
    [
        "c/20251126T100000Z-84213-0123abcd.json",
        "d/20251126T100000Z-84213-0123abcd.snap",
        "c/deeper/20251126T100000Z-84213-0123abcd.snap",
        "c/20251326T100000Z-84213-0123abcd.snap",
        "c/mine.snap",
        "c/20251126T100000Z-84213-0123abcd.snap.bak",
    ],
)
def test_what_is_not_named_so_is_somebody_elses(name: str) -> None:
    assert parsed("c", name) is None


def days(found: tuple[Archived, ...]) -> list[int]:
    return [each.index for each in found]


def test_the_newest_are_kept_by_number() -> None:
    held = {archived(day): True for day in range(1, 6)}
    assert days(surplus(held, Retention(keep_last=2), 6 * DAY_S)) == [1, 2, 3]


def test_the_young_are_kept_by_age() -> None:
    held = {archived(day): True for day in range(1, 6)}
    assert days(surplus(held, Retention(max_age="48h"), 6 * DAY_S)) == [1, 2, 3]


def test_one_rule_is_enough_to_stay() -> None:
    held = {archived(day): True for day in range(1, 6)}
    assert days(surplus(held, Retention(keep_last=1, max_age="72h"), 6 * DAY_S)) == [1, 2]


def test_the_newest_verified_one_never_goes() -> None:
    held = {archived(day): day <= 2 for day in range(1, 6)}
    assert days(surplus(held, Retention(keep_last=1), 6 * DAY_S)) == [1, 3, 4]


def test_without_a_rule_nothing_goes() -> None:
    held = {archived(day): True for day in range(1, 6)}
    assert surplus(held, Retention(), 600 * DAY_S) == ()
