"""Four Services, each for another question."""

from typing import Any

from operator_tests.specs.clusters import wanted
from proconsul_operator.specs.services import services


def by_name(**spec: Any) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"] for each in services(wanted(**spec))}


def port_names(spec: dict[str, Any]) -> list[str]:
    return [port["name"] for port in spec["ports"]]


def test_members_and_stale_readers_reach_those_that_are_not_ready() -> None:
    made = by_name()
    unready = {name for name, spec in made.items() if spec.get("publishNotReadyAddresses")}
    assert unready == {"consul-headless", "consul-stale"}


def test_only_the_leaders_service_goes_by_the_role() -> None:
    roles = {name: spec["selector"].get("proconsul.io/role") for name, spec in by_name().items()}
    assert roles == {
        "consul": None,
        "consul-headless": None,
        "consul-leader": "leader",
        "consul-stale": None,
    }


def test_services_that_nobody_wants_are_not_there() -> None:
    made = by_name(service={"leaderService": False, "staleService": False})
    assert set(made) == {"consul", "consul-headless"}


def test_type_and_annotations_are_of_the_clients_service_alone() -> None:
    spec = {"type": "LoadBalancer", "annotations": {"a": "b"}}
    for each in services(wanted(service=spec)):
        of_clients = each["metadata"]["name"] == "consul"
        assert (each["spec"].get("type") == "LoadBalancer") is of_clients
        assert (each["metadata"].get("annotations") == {"a": "b"}) is of_clients


def test_the_families_are_those_of_all() -> None:
    spec = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]}
    for made in by_name(service=spec).values():
        assert made["ipFamilyPolicy"] == "RequireDualStack"
        assert made["ipFamilies"] == ["IPv6", "IPv4"]
    assert "ipFamilies" not in by_name()["consul"]


def test_ports_are_those_that_are_served() -> None:
    dns = ["dns-tcp", "dns-udp"]
    assert port_names(by_name()["consul"]) == ["http", *dns]
    assert port_names(by_name(tls={})["consul"]) == ["http", "https", *dns]
    assert port_names(by_name(tls={"httpsOnly": True})["consul"]) == ["https", *dns]
    between = ["server", "serf-lan-tcp", "serf-lan-udp", "probe"]
    assert port_names(by_name()["consul-headless"]) == [*between, "http", *dns]
