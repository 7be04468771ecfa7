"""Failpoints: their names are the plans' own steps."""

from dataclasses import replace
from pathlib import Path

import pytest

from proconsul_operator.actions.cycles import KILLED, Failpoints
from proconsul_operator.plans.steps import FAILPOINTS, STEPS, Step


def test_every_act_of_every_plan_can_be_the_last() -> None:
    for step, row in STEPS.items():
        ended: list[int] = []
        names = frozenset({f"after-{step}"})
        Failpoints(names=names, end=ended.append).passed(step)
        assert ended == [KILLED]
        if row.acts:
            assert Failpoints.of(f"after-{step}=exit").names == names


def test_other_steps_pass() -> None:
    ended: list[int] = []
    points = Failpoints(names=frozenset({FAILPOINTS[0]}), end=ended.append)
    points.passed(Step.LET_GO)
    assert ended == []


@pytest.mark.parametrize(
    "text", ["after-Nothing=exit", "after-LetGo", "after-Idle=exit", f"{FAILPOINTS[0]}=stop"]
)
def test_a_name_that_no_plan_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no failpoint"):
        Failpoints.of(text)


def test_none_is_none() -> None:
    assert Failpoints.of("").names == frozenset()


def test_with_marks_each_ends_the_process_once_and_the_others_still_do(tmp_path: Path) -> None:
    ended: list[int] = []
    named = ",".join(f"{name}=exit" for name in FAILPOINTS[:2])
    first, second = (Step(name.removeprefix("after-")) for name in FAILPOINTS[:2])
    read = Failpoints.of(named, str(tmp_path / "marks"))
    for _process in range(2):
        points = Failpoints(names=read.names, marks=read.marks, end=ended.append)
        points.passed(first)
        points.passed(first)
    assert ended == [KILLED]
    Failpoints(names=read.names, marks=read.marks, end=ended.append).passed(second)
    assert ended == [KILLED, KILLED]


def test_who_is_to_halt_stays_dead_until_the_marks_are_gone(tmp_path: Path) -> None:
    ended: list[int] = []
    halts, exits = FAILPOINTS[:2]
    marks = tmp_path / "marks"
    read = Failpoints.of(f"{halts}=halt,{exits}=exit", str(marks))
    points = replace(read, end=ended.append)
    points.start()
    points.passed(Step(exits.removeprefix("after-")))
    points.start()
    assert ended == [KILLED], "that one goes on afterwards"
    points.passed(Step(halts.removeprefix("after-")))
    points.start()
    points.start()
    assert ended == [KILLED] * 4
    (marks / halts).unlink()
    points.start()
    assert ended == [KILLED] * 4


def test_nobody_halts_without_a_folder_that_remembers_it() -> None:
    with pytest.raises(ValueError, match="PROCONSUL_FAILPOINT_MARKS"):
        Failpoints.of(f"{FAILPOINTS[0]}=halt")
