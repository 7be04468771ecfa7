"""What Prometheus and Grafana are given: each member by the headless Service, alerts, graphs."""

from typing import Final

from proconsul_operator.specs import dashboard
from proconsul_operator.specs.alert_rules import Scraped, server_rules
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


def prometheus_rule(wanted: Wanted) -> Manifest:
    """The alerts. How old the newest snapshot is, the operator's own rules tell."""
    scraped = Scraped(namespace=wanted.namespace, job=wanted.headless, cluster=wanted.name)
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(wanted, wanted.name),
        "spec": {"groups": [server_rules(scraped)]},
    }


def dashboards(wanted: Wanted) -> Manifest:
    """Grafana's, which is the same for every cluster: one is chosen in it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(wanted, wanted.dashboards, extra=dashboard.LABEL),
        "data": {dashboard.FILE: dashboard.text()},
    }
