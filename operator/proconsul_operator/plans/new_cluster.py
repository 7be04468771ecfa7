"""A restore into a new cluster: make it once, and see that it becomes ready.

The cluster's own plan puts the snapshot in, before it is Ready for the first time. A cluster of
that name that is not ours is never touched.
"""

from dataclasses import dataclass

import msgspec

from proconsul_operator.api.cluster import ProconsulCluster
from proconsul_operator.api.cluster_parts import Bootstrap
from proconsul_operator.api.conditions import ClusterCondition, holds
from proconsul_operator.api.group import API_VERSION, MADE_BY_RESTORE
from proconsul_operator.api.places import SnapshotSource
from proconsul_operator.api.restore import ProconsulRestore, RestorePhase
from proconsul_operator.api.values import plain, time_text
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    CreateIfAbsent,
    Decision,
    RecordRestore,
    wait,
)
from proconsul_operator.plans.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClusterObserved:
    """A restore of mode NewCluster, and the cluster of that name."""

    now_s: float
    restore: ProconsulRestore
    cluster: ProconsulCluster | None


def plan(observed: NewClusterObserved) -> Decision:
    """Make the cluster, wait until it is Ready, say so."""
    restore, cluster = observed.restore, observed.cluster
    if restore.status.phase in (RestorePhase.SUCCEEDED, RestorePhase.FAILED):
        return wait(Step.AWAIT_CLUSTER, "it is done", seconds=LOOK_LATER_S)
    if cluster is None:
        return _make(restore)
    if cluster.metadata.annotations.get(MADE_BY_RESTORE) != restore.metadata.uid:
        name = cluster.metadata.name
        return _end(observed, RestorePhase.FAILED, f"ProconsulCluster {name} is there already")
    if holds(cluster.status.conditions, ClusterCondition.READY):
        return _end(observed, RestorePhase.SUCCEEDED, "the cluster is ready")
    return wait(Step.AWAIT_CLUSTER, "the cluster is being made", target=cluster.metadata.name)


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


def _end(observed: NewClusterObserved, phase: RestorePhase, message: str) -> Decision:
    restore = observed.restore
    status = msgspec.structs.replace(
        restore.status,
        phase=phase.value,
        message=message,
        observed_generation=restore.metadata.generation,
        completed_at=time_text(observed.now_s),
    )
    failed = phase is RestorePhase.FAILED
    return Decision(
        step=Step.REFUSE_RESTORE if failed else Step.FINISH_RESTORE,
        action=RecordRestore(name=restore.metadata.name, uid=restore.metadata.uid, status=status),
        target=restore.metadata.name,
        why=message,
    )
