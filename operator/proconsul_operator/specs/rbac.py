"""What servers may do in Kubernetes: label their own pods, read and mark the guard.

Names, not kinds: a server cannot touch another pod or ConfigMap of its namespace.
"""

from proconsul_operator.api.cluster import REPLICAS_MAX
from proconsul_operator.specs.labels import metadata
from proconsul_operator.specs.wanted import Manifest, Wanted

_GROUP = "rbac.authorization.k8s.io"


def service_account(wanted: Wanted) -> Manifest:
    """Who the servers are. Its token is mounted where a pod asks for it."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(wanted, wanted.name),
        "automountServiceAccountToken": False,
    }


def role(wanted: Wanted) -> Manifest:
    """What they may do."""
    pods = [wanted.pod(ordinal) for ordinal in range(REPLICAS_MAX)]
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "Role",
        "metadata": metadata(wanted, wanted.name),
        "rules": [
            _rule("pods", pods, "patch"),
            _rule("configmaps", [wanted.guard], "get", "patch"),
        ],
    }


def _rule(resource: str, names: list[str], *verbs: str) -> Manifest:
    return {
        "apiGroups": [""],
        "resources": [resource],
        "resourceNames": names,
        "verbs": list(verbs),
    }


def role_binding(wanted: Wanted) -> Manifest:
    """Both together."""
    account = {"kind": "ServiceAccount", "name": wanted.name, "namespace": wanted.namespace}
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": metadata(wanted, wanted.name),
        "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": wanted.name},
        "subjects": [account],
    }
