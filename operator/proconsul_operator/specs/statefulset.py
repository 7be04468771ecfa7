"""The StatefulSet: it makes pods and volumes again, and takes no decision.

OnDelete: the operator alone chooses which pod goes when, and a broken template hits one pod. All
pods at once, or after a full stop the first could never become ready. Volumes are never deleted by
it: an orphaned deletion is the way to a bigger volume, and the operator deletes what is to go.
"""

from typing import Final

from proconsul_operator.specs.labels import CLUSTER, metadata, selector
from proconsul_operator.specs.pod import pod_template
from proconsul_operator.specs.wanted import Manifest, Wanted

REVISIONS_MAX: Final = 10


def stateful_set(wanted: Wanted, replicas: int) -> Manifest:
    """With `replicas` pods, which is the plan's business and not always the spec's number."""
    assert 0 <= replicas <= 9, "seven members, and two that leave or join"
    spec: Manifest = {
        "serviceName": wanted.headless,
        "replicas": replicas,
        "podManagementPolicy": "Parallel",
        "revisionHistoryLimit": REVISIONS_MAX,
        "updateStrategy": {"type": "OnDelete"},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "selector": {"matchLabels": selector(wanted)},
        "template": pod_template(wanted),
    }
    if wanted.spec.storage is not None:
        spec["volumeClaimTemplates"] = [_claim(wanted)]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(wanted, wanted.name),
        "spec": spec,
    }


def _claim(wanted: Wanted) -> Manifest:
    storage = wanted.spec.storage
    assert storage is not None
    spec: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    labels = {**selector(wanted), CLUSTER: wanted.name}
    return {"metadata": {"name": "data", "labels": labels}, "spec": spec}
