"""A snapshot that is not the state at one index is found, whichever way it is wrong."""

from e2e.e2e_tests.load.history import History
from e2e.load.cut import after_cut, check_cut
from e2e.load.ledger import Ledger

INDEX = 20
WHOLE = {"a": (2, 12), "b": (1, 20)}
"""What there was at INDEX, of `history`."""


def history() -> Ledger:
    made = History()
    for key, value in (("a", 1), ("a", 2), ("b", 1), ("a", 3), ("c", 1)):
        made.put(key, value)
    for key, found, modified in (("a", 1, 10), ("a", 2, 12), ("b", 1, 20), ("a", 3, 21)):
        made.stale("s1", key, found=found, modified=modified, index=modified)
    return made.ledger()


def test_the_state_at_the_index_is_right_and_what_came_after_it_is_known() -> None:
    assert check_cut(history(), WHOLE, INDEX) == []
    after = [(one.key, one.value) for one in after_cut(history(), WHOLE)]
    assert after == [("a", 3), ("c", 1)]


def test_a_write_from_after_the_index_is_found() -> None:
    (told, *_) = check_cut(history(), {**WHOLE, "a": (3, 21)}, INDEX)
    assert "after index 20" in told


def test_a_write_from_before_the_index_that_is_missing_is_found() -> None:
    assert check_cut(history(), {**WHOLE, "a": (1, 10)}, INDEX) == [
        "a = 2 was written at 12, and is not there"
    ]
    (told,) = check_cut(history(), {"a": WHOLE["a"]}, INDEX)
    assert told == "b = 1 was written at 20, and is not there"


def test_a_newer_value_under_an_older_index_is_found() -> None:
    (told,) = check_cut(history(), {**WHOLE, "a": (3, 12)}, INDEX)
    assert told == "a = 3 was written at 21, and is there"


def test_what_nobody_wrote_is_found() -> None:
    (told,) = check_cut(history(), {**WHOLE, "d": (1, 5)}, INDEX)
    assert "nobody wrote it" in told
