"""How Prometheus finds the members, what it wakes for, and what Grafana shows."""

import re

from operator_tests.specs.clusters import WANTED, wanted
from proconsul_operator.specs.children import children
from proconsul_operator.specs.monitoring import prometheus_rule, service_monitor
from proconsul_operator.specs.services import headless_service


def test_each_member_is_scraped_once_by_the_headless_service() -> None:
    cluster = wanted()
    wanted_labels = service_monitor(cluster)["spec"]["selector"]["matchLabels"]
    assert wanted_labels.items() <= headless_service(cluster)["metadata"]["labels"].items()
    assert wanted_labels["proconsul.io/service"] == "headless"


def test_the_port_is_one_of_that_service() -> None:
    for cluster in WANTED.values():
        (endpoint,) = service_monitor(cluster)["spec"]["endpoints"]
        ports = {port["name"] for port in headless_service(cluster)["spec"]["ports"]}
        assert endpoint["port"] in ports


def test_with_tls_the_server_is_verified_by_its_name() -> None:
    (endpoint,) = service_monitor(wanted(tls={}, datacenter="east"))["spec"]["endpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["serverName"] == "server.east.consul"
    assert "insecureSkipVerify" not in endpoint["tlsConfig"]


ALL_OF_IT = {"serviceMonitor": True, "prometheusRule": True, "dashboards": True}


def names(**spec: object) -> set[tuple[str, str]]:
    made = children(wanted(monitoring=ALL_OF_IT, **spec))
    return {(each["kind"], each["metadata"]["name"]) for each in made}


def test_rules_and_dashboard_are_made_where_they_are_asked_for() -> None:
    asked = {("PrometheusRule", "consul"), ("ConfigMap", "consul-dashboards")}
    assert asked <= names()
    made = {(each["kind"], each["metadata"]["name"]) for each in children(wanted())}
    assert not asked & made


def test_who_hibernates_wakes_nobody() -> None:
    assert "PrometheusRule" not in {kind for kind, _ in names(replicas=0)}


def test_each_rule_is_about_this_cluster_only() -> None:
    cluster = wanted()
    (group,) = prometheus_rule(cluster)["spec"]["groups"]
    for rule in group["rules"]:
        asked = re.findall(r"\bconsul_\w+(\{[^}]*\})?", rule["expr"])
        assert set(asked) == {'{namespace="infra",job="consul-headless"}'}, rule
        assert (rule["labels"]["namespace"], rule["labels"]["cluster"]) == ("infra", "consul")
