"""See gossip/repeats.py."""

from proconsul.gossip.repeats import EVERY_S, HELD_MAX, Repeats


def test_a_line_is_due_once_a_minute() -> None:
    repeats = Repeats()
    due = [repeats.is_due(float(now_s), "a", "no") for now_s in range(200)]
    assert [now_s for now_s, is_due in enumerate(due) if is_due] == [0, 60, 120, 180]


def test_members_and_reasons_are_told_apart() -> None:
    repeats = Repeats()
    assert repeats.is_due(0.0, "a", "no")
    assert repeats.is_due(0.0, "b", "no")
    assert repeats.is_due(0.0, "a", "never")
    assert not repeats.is_due(1.0, "a", "never")


def test_who_makes_up_names_gets_only_so_many_lines_a_minute() -> None:
    repeats = Repeats()
    assert sum(repeats.is_due(1.0, f"x{number}") for number in range(3 * HELD_MAX)) == HELD_MAX
    assert not repeats.is_due(EVERY_S, "y")
    assert repeats.is_due(EVERY_S + 1.0, "y")


def test_an_endless_name_is_not_kept_as_a_whole() -> None:
    repeats = Repeats()
    assert repeats.is_due(0.0, "x" * 100_000 + "1")
    assert not repeats.is_due(0.0, "x" * 100_000 + "2")
