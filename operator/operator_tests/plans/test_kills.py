"""The operator is killed at each act of each plan, and the plan still ends right.

The acts are taken from the plans' own table: one that no story passes through fails here.
"""

import functools

import pytest

from operator_tests.plans.records import RECORD_STEPS
from operator_tests.plans.stories import STORIES
from proconsul_operator.plans.steps import FAILPOINTS, STEPS, Step

ACTS = tuple(step for step, row in STEPS.items() if row.acts)


@functools.cache
def steps_of(name: str) -> frozenset[Step]:
    """What a story does when nobody disturbs it."""
    world, operator = STORIES[name].begin()
    operator.settle()
    assert STORIES[name].holds(world), f"{name} ends wrong: {operator.last}"
    return frozenset(operator.steps)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_right(name: str) -> None:
    assert steps_of(name)


@pytest.mark.parametrize("name", STORIES)
def test_killed_after_any_act_it_ends_as_if_nothing_had_happened(name: str) -> None:
    for step in sorted(steps_of(name)):
        world, operator = STORIES[name].begin()
        operator.settle(kill_after=step)
        assert STORIES[name].holds(world), f"killed after {step}: {operator.last}"


@pytest.mark.parametrize("name", STORIES)
def test_killed_after_every_act_it_ends_as_if_nothing_had_happened(name: str) -> None:
    world, operator = STORIES[name].begin()
    operator.settle_killed_each_time()
    assert STORIES[name].holds(world), f"{operator.last}"


def test_every_act_of_every_plan_is_in_a_story() -> None:
    reached = frozenset().union(*(steps_of(name) for name in STORIES))
    missing = set(ACTS) - reached - RECORD_STEPS
    assert not missing, f"no story passes through {sorted(missing)}"


def test_a_failpoint_is_named_by_its_act() -> None:
    assert "after-RollPod" in FAILPOINTS
    assert "after-Idle" not in FAILPOINTS
    assert len(FAILPOINTS) == len(ACTS)
