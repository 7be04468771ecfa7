"""A snapshot becomes a new cluster, once, and never somebody else's."""

from operator_tests.plans.records import NewClusterWorld, somebody_elses
from operator_tests.plans.stories import restore
from proconsul_operator.api.restore import ProconsulRestore


def asked() -> ProconsulRestore:
    """A restore into a cluster named clone."""
    return restore(
        mode="NewCluster",
        clusterRef={"name": "clone"},
        snapshotRef={"name": "nightly-1"},
        newCluster={"replicas": 1},
    )


def test_the_cluster_is_made_once_with_the_snapshot_that_it_begins_with() -> None:
    world = NewClusterWorld(asked())
    for _ in range(4):
        world.cycle()
    assert world.made == 1
    assert world.cluster is not None
    assert world.cluster.spec.bootstrap is not None
    assert world.cluster.spec.bootstrap.from_snapshot.snapshot_ref is not None
    assert world.held.status.phase == "Succeeded"


def test_a_cluster_of_that_name_is_not_touched() -> None:
    world = NewClusterWorld(asked(), cluster=somebody_elses())
    for _ in range(3):
        world.cycle()
    assert world.made == 0
    assert world.held.status.phase == "Failed"
