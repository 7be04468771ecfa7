"""How Prometheus finds the members."""

from operator_tests.specs.clusters import WANTED, wanted
from proconsul_operator.specs.monitoring import service_monitor
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
