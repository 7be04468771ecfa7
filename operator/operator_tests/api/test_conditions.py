"""Conditions keep their time, their order and their words."""

from collections.abc import Iterable

import pytest

from proconsul_operator.api.conditions import (
    CONDITIONS_MAX,
    NOT_YET_OBSERVED,
    REASONS,
    ClusterCondition,
    Condition,
    Finding,
    RestoreCondition,
    ScheduleCondition,
    SnapshotCondition,
    Truth,
    condition_of,
    holds,
    settle,
)

READY = ClusterCondition.READY
CREATING = Finding(type=READY, status=Truth.FALSE, reason="Creating", message="0 of 3")
SCALING = Finding(type=READY, status=Truth.FALSE, reason="Scaling", message="3 to 5")
WELL = Finding(type=READY, status=Truth.TRUE, reason="AsSpecified")


def after(
    held: Iterable[Condition], *found: Finding, at_s: float, generation: int = 1
) -> tuple[Condition, ...]:
    return settle(held, found, types=ClusterCondition, generation=generation, now_s=at_s)


def ready(held: Iterable[Condition]) -> Condition:
    condition = condition_of(held, READY)
    assert condition is not None
    return condition


def test_all_conditions_are_there_from_the_first_moment() -> None:
    first = after((), CREATING, at_s=0)
    assert [condition.type for condition in first] == [each.value for each in ClusterCondition]
    assert len(first) == 13
    unseen = condition_of(first, ClusterCondition.QUORATE)
    assert unseen is not None
    assert (unseen.status, unseen.reason) == (Truth.UNKNOWN, NOT_YET_OBSERVED)


def test_the_time_is_kept_while_the_status_is_and_the_words_are_new() -> None:
    held = after((), CREATING, at_s=0)
    held = after(held, SCALING, at_s=60, generation=2)
    assert ready(held).last_transition_time == "1970-01-01T00:00:00Z"
    assert (ready(held).reason, ready(held).message) == ("Scaling", "3 to 5")
    assert ready(held).observed_generation == 2


def test_the_time_moves_with_the_status() -> None:
    held = after(after((), CREATING, at_s=0), WELL, at_s=60)
    assert ready(held).last_transition_time == "1970-01-01T00:01:00Z"


def test_what_was_not_looked_at_stays_with_its_generation() -> None:
    held = after((), WELL, at_s=0, generation=1)
    later = after(held, at_s=60, generation=2)
    assert later == held


def test_a_condition_of_an_unknown_type_is_let_go() -> None:
    old = Condition(
        type="Haunted",
        status=Truth.TRUE,
        reason="Ghost",
        last_transition_time="1970-01-01T00:00:00Z",
    )
    assert condition_of(after((old,), at_s=0), READY) is not None
    assert "Haunted" not in {condition.type for condition in after((old,), at_s=0)}


def test_unknown_is_not_enough_to_hold() -> None:
    held = after((), at_s=0)
    assert not holds(held, READY)
    assert not holds((), READY)
    assert holds(after(held, WELL, at_s=0), READY)


def test_a_reason_that_nobody_promised_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="Ready is never True for Creating"):
        Finding(type=READY, status=Truth.TRUE, reason="Creating")


def test_every_condition_has_a_reason_for_true_and_for_false() -> None:
    assert set(REASONS) == set(ClusterCondition)
    for reasons in REASONS.values():
        assert set(reasons) == set(Truth)
        assert reasons[Truth.TRUE]
        assert reasons[Truth.FALSE]


@pytest.mark.parametrize(
    "types", [ClusterCondition, SnapshotCondition, ScheduleCondition, RestoreCondition]
)
def test_there_are_fewer_conditions_than_a_status_may_have(types: type[ClusterCondition]) -> None:
    assert len(types) <= CONDITIONS_MAX
    assert len(settle((), (), types=types, generation=1, now_s=0)) == len(types)
