"""The table of limits, and the one way to wait."""

import pytest

from e2e.waits import LIMITS_S, TooLateError, limits, until


def test_the_environment_changes_a_limit_and_stretches_all() -> None:
    assert limits({}) == LIMITS_S
    changed = limits({"E2E_LIMITS": '{"ready": 10}', "E2E_SLOWNESS": "2"})
    assert changed["ready"] == 20
    assert changed["pod_gone"] == 2 * LIMITS_S["pod_gone"]


def test_a_limit_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no such limit: redy"):
        limits({"E2E_LIMITS": '{"redy": 10}'})


def test_a_wait_ends_when_nothing_is_missing() -> None:
    assert until(lambda: "", "it", 0.0) >= 0.0


def test_a_wait_in_vain_says_what_it_saw_last() -> None:
    with pytest.raises(TooLateError, match="the door; last seen: it is shut"):
        until(lambda: "it is shut", "the door", 0.0)


def test_what_the_world_does_is_waited_out_and_told() -> None:
    def look() -> str:
        raise LookupError("nobody leads")

    with pytest.raises(TooLateError, match="LookupError: nobody leads"):
        until(look, "it", 0.0)
