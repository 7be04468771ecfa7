"""Labels, and the metadata that every child has.

A selector is name, instance and component, and never changes: Kubernetes refuses it, and a version
in it would cut a Service off from the pods of yesterday. CLUSTER is on everything, so that the
operator watches no more than its own.
"""

from collections.abc import Mapping
from typing import Final

from proconsul_operator.api.group import API_VERSION, KEPT
from proconsul_operator.specs.wanted import Manifest, Wanted

CLUSTER: Final = "proconsul.io/cluster"
SERVICE: Final = "proconsul.io/service"
SCHEDULE: Final = "proconsul.io/schedule"  # on what a ProconsulSnapshotSchedule brought about
VERIFIES: Final = "proconsul.io/verifies"  # on a Job: the UID of the record that it looks at again
MANAGER: Final = "proconsul-operator"

Labels = dict[str, str]


def selector(wanted: Wanted) -> Labels:
    """What finds the servers of a cluster."""
    return {
        "app.kubernetes.io/name": "proconsul",
        "app.kubernetes.io/instance": wanted.name,
        "app.kubernetes.io/component": "server",
    }


def client_selector(wanted: Wanted) -> Labels:
    """What finds client agents that the chart runs beside the cluster."""
    return {**selector(wanted), "app.kubernetes.io/component": "client"}


def pod_labels(wanted: Wanted) -> Labels:
    """Those of a pod: no version, or each new operator would restart every member."""
    return {
        **wanted.spec.pod_template.labels,
        **selector(wanted),
        "app.kubernetes.io/part-of": "proconsul",
        CLUSTER: wanted.name,
    }


def labels(wanted: Wanted) -> Labels:
    """Those of every object but pods."""
    return {
        **selector(wanted),
        "app.kubernetes.io/part-of": "proconsul",
        "app.kubernetes.io/managed-by": MANAGER,
        "app.kubernetes.io/version": wanted.version,
        CLUSTER: wanted.name,
    }


def metadata(
    wanted: Wanted,
    name: str,
    *,
    extra: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Of an object that goes with the cluster."""
    made: Manifest = {
        "name": name,
        "namespace": wanted.namespace,
        "labels": {**labels(wanted), **(extra or {})},
    }
    if wanted.uid:  # a record outlives its cluster, and may have work to do after it
        made["ownerReferences"] = [owner(wanted)]
    if annotations:
        made["annotations"] = dict(annotations)
    return made


def kept_metadata(wanted: Wanted, name: str) -> Manifest:
    """Of an object that outlives the cluster, as its volumes do: it has no owner."""
    return {
        "name": name,
        "namespace": wanted.namespace,
        "labels": {**labels(wanted), KEPT: "true"},
    }


def owner(wanted: Wanted) -> Manifest:
    """The reference by which Kubernetes deletes what belongs to a deleted cluster."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ProconsulCluster",
        "name": wanted.name,
        "uid": wanted.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
