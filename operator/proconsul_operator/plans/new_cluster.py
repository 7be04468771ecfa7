"""A restore into a new cluster: make it once, and see that it becomes ready.

The cluster's own plan puts the snapshot in, before it is Ready for the first time. A cluster of
that name that is not ours is never touched.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from proconsul_operator.api.cluster import ProconsulCluster
from proconsul_operator.api.cluster_parts import Bootstrap
from proconsul_operator.api.conditions import ClusterCondition, holds
from proconsul_operator.api.group import API_VERSION, MADE_BY_RESTORE
from proconsul_operator.api.places import SnapshotSource
from proconsul_operator.api.restore import ProconsulRestore, RestorePhase
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import plain, time_text
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    CreateIfAbsent,
    Decision,
    wait,
)
from proconsul_operator.plans.restore_record import note
from proconsul_operator.plans.restore_source import Lack, fail, has_begun, lack_of_archive, settle
from proconsul_operator.plans.steps import Step

CLUSTER_GONE: Final = Lack(
    reason="ClusterDeleted", message="the new ProconsulCluster was deleted", waits_s=0.0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClusterObserved:
    """A restore of mode NewCluster, and the cluster of that name."""

    now_s: float
    restore: ProconsulRestore
    cluster: ProconsulCluster | None
    snapshots: tuple[ProconsulSnapshot, ...] = ()


def plan(observed: NewClusterObserved) -> Decision:
    """Make the cluster, wait until it is Ready, say so."""
    restore, cluster = observed.restore, observed.cluster
    if restore.status.phase in (RestorePhase.SUCCEEDED, RestorePhase.FAILED):
        return wait(Step.AWAIT_CLUSTER, "it is done", seconds=LOOK_LATER_S)
    if cluster is None:
        return _begin(observed)
    if cluster.metadata.annotations.get(MADE_BY_RESTORE) != restore.metadata.uid:
        name = cluster.metadata.name
        taken = Lack(
            reason="ClusterExists", message=f"ProconsulCluster {name} is there already", waits_s=0.0
        )
        return fail(observed.now_s, restore, taken)
    if holds(cluster.status.conditions, ClusterCondition.READY):
        return note(
            observed.now_s,
            restore,
            RestorePhase.SUCCEEDED,
            step=Step.FINISH_RESTORE,
            message="the cluster is ready",
            completed_at=time_text(observed.now_s),
        )
    return _await_ready(observed, cluster)


def _begin(observed: NewClusterObserved) -> Decision:
    restore, snapshots = observed.restore, observed.snapshots
    if has_begun(restore):
        return fail(observed.now_s, restore, CLUSTER_GONE)
    lack = lack_of_archive(restore.spec.snapshot_ref, snapshots)
    return _make(restore) if lack is None else settle(observed.now_s, restore, lack)


def _await_ready(observed: NewClusterObserved, cluster: ProconsulCluster) -> Decision:
    """What the cluster lacks is told by the cluster; here that it is on its way."""
    restore, name = observed.restore, cluster.metadata.name
    if restore.status.phase == RestorePhase.RESTORING:
        return wait(Step.AWAIT_CLUSTER, "the cluster is being made", target=name)
    return note(
        observed.now_s,
        restore,
        RestorePhase.RESTORING,
        started_at=time_text(observed.now_s),
        cluster_uid=cluster.metadata.uid,
        message=f"ProconsulCluster {name} is being made; its own status tells how far it is",
    )


def _make(restore: ProconsulRestore) -> Decision:
    spec = restore.spec
    assert spec.new_cluster is not None, "a rule of the schema"
    source = SnapshotSource(snapshot_ref=spec.snapshot_ref, location=spec.location)
    made = msgspec.structs.replace(spec.new_cluster, bootstrap=Bootstrap(from_snapshot=source))
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "ProconsulCluster",
        "metadata": {
            "name": spec.cluster_ref.name,
            "namespace": restore.metadata.namespace,
            "annotations": {MADE_BY_RESTORE: restore.metadata.uid},
        },
        "spec": plain(made),
    }
    return Decision(
        step=Step.MAKE_CLUSTER,
        action=CreateIfAbsent(manifests=(manifest,)),
        target=spec.cluster_ref.name,
        why="the snapshot becomes a new cluster",
    )
