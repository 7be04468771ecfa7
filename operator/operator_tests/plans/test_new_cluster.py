"""A snapshot becomes a new cluster, once, and never somebody else's."""

from operator_tests.plans.records import NewClusterWorld, somebody_elses
from operator_tests.plans.stories import archived, restore
from operator_tests.plans.world import START_S, World
from proconsul_operator.api.conditions import RestoreCondition, condition_of, holds
from proconsul_operator.api.restore import ProconsulRestore
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.plans.steps import Step


def asked() -> ProconsulRestore:
    """A restore into a cluster named clone."""
    return restore(
        created_s=START_S,
        mode="NewCluster",
        clusterRef={"name": "clone"},
        snapshotRef={"name": "nightly-1"},
        newCluster={"replicas": 1},
    )


def records() -> tuple[ProconsulSnapshot, ...]:
    """The one that is named."""
    world = World()
    archived(world)
    return tuple(world.snapshots.values())


def test_the_cluster_is_made_once_with_the_snapshot_that_it_begins_with() -> None:
    world = NewClusterWorld(asked(), snapshots=records())
    for _ in range(4):
        world.cycle()
    assert world.made == 1
    assert world.cluster is not None
    assert world.cluster.spec.bootstrap is not None
    assert world.cluster.spec.bootstrap.from_snapshot.snapshot_ref is not None
    assert world.held.status.phase == "Succeeded"
    assert holds(world.held.status.conditions, RestoreCondition.COMPLETE)
    assert world.events == ["RestoreSucceeded"]


def test_while_the_cluster_is_made_the_restore_says_so_and_it_fails_with_it() -> None:
    world = NewClusterWorld(asked(), snapshots=records(), becomes_ready=False)
    for _ in range(5):
        world.cycle()
    assert world.held.status.phase == "Restoring"
    world.cluster = None
    world.cycle()
    assert world.made == 1, "what a person deleted does not come back"
    assert world.held.status.phase == "Failed"
    assert world.events == ["RestoreFailed"]


def test_a_cluster_of_that_name_is_not_touched() -> None:
    world = NewClusterWorld(asked(), cluster=somebody_elses(), snapshots=records())
    for _ in range(3):
        world.cycle()
    assert world.made == 0
    assert world.held.status.phase == "Failed"
    failed = condition_of(world.held.status.conditions, RestoreCondition.FAILED)
    assert failed is not None
    assert (failed.status, failed.reason) == ("True", "ClusterExists")


def test_no_cluster_is_made_of_a_snapshot_that_is_not_there() -> None:
    world = NewClusterWorld(asked())
    steps = [world.cycle().step for _ in range(3)]
    assert steps == [Step.NOTE_LACK, Step.AWAIT_SOURCE, Step.AWAIT_SOURCE]
    assert (world.made, world.held.status.phase) == (0, "Pending")
    world.snapshots = records()
    for _ in range(4):
        world.cycle()
    assert (world.made, world.held.status.phase) == (1, "Succeeded")
