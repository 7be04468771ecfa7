"""Clusters to build for."""

from typing import Any

from proconsul_operator.api.cluster import ClusterSpec
from proconsul_operator.api.values import read
from proconsul_operator.specs.wanted import Wanted


def wanted(**spec: Any) -> Wanted:
    """A cluster named consul in infra; `spec` is what a person would write."""
    return Wanted(
        name="consul",
        namespace="infra",
        uid="0c9c0b3e-0f0a-4c8e-9d1b-2a3c4d5e6f70",
        spec=read(ClusterSpec, spec),
        version="0.1.0",
    )


STORAGE = {"size": "10Gi"}

WANTED = {
    "bare": wanted(replicas=1),
    "plain": wanted(storage=STORAGE, gossip={}),
    "tls": wanted(storage=STORAGE, gossip={"secretName": "keys"}, tls={}),
    "https-only": wanted(
        storage=STORAGE,
        tls={"httpsOnly": True, "issuerRef": {"name": "ca"}},
        monitoring={"serviceMonitor": True},
        extraConfigSecretRef={"name": "tokens"},
    ),
}
"""One for each way through the builders."""
