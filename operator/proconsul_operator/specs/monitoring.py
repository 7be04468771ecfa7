"""How Prometheus finds the members: each of them by the headless Service."""

from typing import Final

from proconsul_operator.specs.labels import SERVICE, metadata, selector
from proconsul_operator.specs.services import HEADLESS
from proconsul_operator.specs.wanted import Manifest, Wanted

INTERVAL: Final = "30s"


def service_monitor(wanted: Wanted) -> Manifest:
    """For the Prometheus operator."""
    endpoint: Manifest = {
        "port": "https" if wanted.has_tls else "http",
        "path": "/v1/agent/metrics",
        "params": {"format": ["prometheus"]},
        "honorLabels": False,
        "interval": INTERVAL,
    }
    if wanted.has_tls:
        endpoint["scheme"] = "https"
        endpoint["tlsConfig"] = {
            "ca": {"secret": {"name": wanted.tls_secret, "key": "ca.crt"}},
            "serverName": wanted.server_name,
        }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(wanted, wanted.name),
        "spec": {
            "selector": {"matchLabels": {**selector(wanted), SERVICE: HEADLESS}},
            "namespaceSelector": {"matchNames": [wanted.namespace]},
            "endpoints": [endpoint],
        },
    }
