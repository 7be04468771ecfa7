"""A restore that names what is not there waits a while, says so, and fails in the end."""

from typing import Any

import pytest

from operator_tests.plans.operator import Operator
from operator_tests.plans.stories import archived, is_whole, restore
from operator_tests.plans.world import World
from proconsul_operator.api.conditions import (
    ClusterCondition,
    RestoreCondition,
    condition_of,
    holds,
)
from proconsul_operator.api.group import RESTORE_LOCK
from proconsul_operator.api.restore import ProconsulRestore
from proconsul_operator.api.values import time_text
from proconsul_operator.plans.actions import RecordRestore
from proconsul_operator.plans.restore_source import NAMED_S, lack_of_cluster
from proconsul_operator.plans.steps import Step


def begun(**spec: Any) -> tuple[World, Operator, ProconsulRestore]:
    """A cluster that is well, and a restore in place of a record that is not there."""
    world = World()
    operator = Operator(world)
    operator.settle()
    named = {"mode": "InPlace", "snapshotRef": {"name": "nightly-1"}, **spec}
    world.restore = restore(created_s=world.now_s, **named)
    operator.steps.clear()
    return world, operator, world.restore


def reason(held: ProconsulRestore | None, kind: RestoreCondition) -> tuple[str, str]:
    """Of a condition: status and reason."""
    assert held is not None
    found = condition_of(held.status.conditions, kind)
    assert found is not None
    return found.status, found.reason


def test_it_is_pending_and_says_for_what_and_until_when() -> None:
    world, operator, _ = begun()
    decision = operator.cycle()
    assert isinstance(decision.action, RecordRestore)
    assert decision.action.event == "SnapshotNotFound"
    assert world.restore is not None
    assert world.restore.status.phase == "Pending"
    until = time_text(world.now_s + NAMED_S)
    assert world.restore.status.message == (
        f"ProconsulSnapshot nightly-1 is not there; it is waited for until {until}"
    )
    assert reason(world.restore, RestoreCondition.COMPLETE) == ("False", "SnapshotNotFound")
    operator.run(cycles=3)
    assert operator.steps == [Step.NOTE_LACK], "it is said once"


def test_the_cluster_is_not_held_up_meanwhile() -> None:
    world, operator, _ = begun()
    world.edit(replicas=5)
    operator.settle()
    assert is_whole(world, 5)
    assert RESTORE_LOCK not in world.cluster.metadata.annotations


def test_a_record_that_comes_a_moment_later_is_restored() -> None:
    world, operator, _ = begun()
    operator.run(cycles=3)
    archived(world, phase="Running")
    operator.cycle()
    assert reason(world.restore, RestoreCondition.COMPLETE) == ("False", "SnapshotNotCompleted")
    archived(world)
    operator.settle()
    assert world.restore is not None
    assert world.restore.status.phase == "Succeeded"
    assert world.restore.status.message.startswith("all members hold")


def test_a_record_that_never_comes_ends_it_and_it_stays_ended() -> None:
    world, operator, _ = begun()
    operator.run(cycles=int(NAMED_S / 5) + 2)
    assert world.restore is not None
    assert world.restore.status.phase == "Failed"
    assert reason(world.restore, RestoreCondition.FAILED) == ("True", "SnapshotNotFound")
    assert operator.steps == [Step.NOTE_LACK, Step.REFUSE_RESTORE]
    archived(world)
    operator.settle()
    assert world.puts == []
    assert "RestoreFailed" in [event.reason for event in operator.events]


def test_a_snapshot_that_failed_is_not_waited_for() -> None:
    world, operator, _ = begun()
    archived(world, phase="Failed")
    operator.cycle()
    assert reason(world.restore, RestoreCondition.FAILED) == ("True", "SnapshotFailed")


@pytest.mark.parametrize("phase", ["Validating", "Restoring"])
def test_a_record_that_goes_while_it_is_restored_ends_it(phase: str) -> None:
    world, operator, _ = begun()
    archived(world)
    while world.restore is None or world.restore.status.phase != phase:
        operator.cycle()
        operator.pass_time()
    world.snapshots.clear()
    world.objects.jobs = {
        name: job for name, job in world.objects.jobs.items() if "check" not in name
    }
    operator.settle()
    assert reason(world.restore, RestoreCondition.FAILED) == ("True", "SnapshotNotFound")
    assert RESTORE_LOCK not in world.cluster.metadata.annotations


def test_a_cluster_that_was_made_anew_is_not_restored_by_half_of_a_plan() -> None:
    world, operator, _ = begun()
    archived(world)
    while world.restore is None or world.restore.status.phase != "Restoring":
        operator.cycle()
        operator.pass_time()
    world.set_metadata(uid="another", annotations={})
    for ref, thing in world.objects.things.items():
        thing.controller_uid = "another" if thing.controller_uid else ""
        assert ref
    operator.cycle()
    assert reason(world.restore, RestoreCondition.FAILED) == ("True", "ClusterReplaced")
    assert world.puts == []


def test_a_cluster_that_is_not_there_is_waited_for_and_one_that_was_deleted_is_not() -> None:
    world, operator, asked = begun()
    assert lack_of_cluster(asked, there=True) is None
    never = lack_of_cluster(asked, there=False)
    assert never is not None
    assert (never.reason, never.waits_s) == ("ClusterNotFound", NAMED_S)
    archived(world)
    while world.restore is None or world.restore.status.phase != "Validating":
        operator.cycle()
    gone = lack_of_cluster(world.restore, there=False)
    assert gone is not None
    assert (gone.reason, gone.waits_s) == ("ClusterDeleted", 0.0)


def test_a_new_cluster_says_that_its_snapshot_is_missing_and_waits_for_it() -> None:
    world = World(bootstrap={"fromSnapshot": {"snapshotRef": {"name": "nightly-1"}}})
    operator = Operator(world)
    operator.run(cycles=20)
    conditions = world.cluster.status.conditions
    degraded = condition_of(conditions, ClusterCondition.DEGRADED)
    assert degraded is not None
    assert degraded.reason == "SnapshotMissing"
    assert "nightly-1 is not there" in degraded.message
    assert not holds(conditions, ClusterCondition.READY)
    archived(world)
    operator.settle()
    assert world.puts == [world.cluster.metadata.uid]
    assert holds(world.cluster.status.conditions, ClusterCondition.READY)
