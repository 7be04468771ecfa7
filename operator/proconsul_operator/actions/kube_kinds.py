"""Where the API server keeps which kind. What is not in the table is none of our business.

A fixed table and not discovery: discovery asks for every group of the cluster, and one that does
not answer would hold us up.
"""

from dataclasses import dataclass
from typing import Final

from proconsul_operator.api.group import API_VERSION


@dataclass(frozen=True, slots=True)
class KubeKind:
    """A kind: `api_version` is empty for none, `v1` for core."""

    api_version: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """As RBAC calls it; core is ""."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Of one object, or of all (of one namespace, or of every one with None)."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        where = f"/namespaces/{namespace}" if self.namespaced and namespace is not None else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{where}/{self.plural}{tail}"


_RBAC: Final = "rbac.authorization.k8s.io/v1"

KUBE_KINDS: Final[dict[str, KubeKind]] = {
    "ProconsulCluster": KubeKind(API_VERSION, "proconsulclusters"),
    "ProconsulSnapshot": KubeKind(API_VERSION, "proconsulsnapshots"),
    "ProconsulSnapshotSchedule": KubeKind(API_VERSION, "proconsulsnapshotschedules"),
    "ProconsulRestore": KubeKind(API_VERSION, "proconsulrestores"),
    "Pod": KubeKind("v1", "pods"),
    "PersistentVolumeClaim": KubeKind("v1", "persistentvolumeclaims"),
    "ConfigMap": KubeKind("v1", "configmaps"),
    "Secret": KubeKind("v1", "secrets"),
    "Service": KubeKind("v1", "services"),
    "ServiceAccount": KubeKind("v1", "serviceaccounts"),
    "Event": KubeKind("v1", "events"),
    "StatefulSet": KubeKind("apps/v1", "statefulsets"),
    "Job": KubeKind("batch/v1", "jobs"),
    "CronJob": KubeKind("batch/v1", "cronjobs"),
    "PodDisruptionBudget": KubeKind("policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": KubeKind("networking.k8s.io/v1", "networkpolicies"),
    "Role": KubeKind(_RBAC, "roles"),
    "RoleBinding": KubeKind(_RBAC, "rolebindings"),
    "Certificate": KubeKind("cert-manager.io/v1", "certificates"),
    "ServiceMonitor": KubeKind("monitoring.coreos.com/v1", "servicemonitors"),
    "PrometheusRule": KubeKind("monitoring.coreos.com/v1", "prometheusrules"),
    "Lease": KubeKind("coordination.k8s.io/v1", "leases"),
    "StorageClass": KubeKind("storage.k8s.io/v1", "storageclasses", namespaced=False),
    "Node": KubeKind("v1", "nodes", namespaced=False),
}
