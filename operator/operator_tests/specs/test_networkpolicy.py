"""Who reaches which port."""

from typing import Any

from operator_tests.specs.clusters import wanted
from proconsul_operator.specs.networkpolicy import network_policy


def opened(rule: dict[str, Any]) -> set[tuple[int, str]]:
    return {(port["port"], port["protocol"]) for port in rule["ports"]}


def components(peers: list[dict[str, Any]]) -> list[str]:
    return [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in peers]


def test_rpc_and_gossip_are_for_servers_and_agents_alone() -> None:
    members = network_policy(wanted())["spec"]["ingress"][0]
    assert components(members["from"]) == ["server", "client"]
    assert opened(members) == {(8300, "TCP"), (8301, "TCP"), (8301, "UDP")}


def test_no_other_rule_opens_rpc_or_gossip() -> None:
    for rule in network_policy(wanted(tls={}))["spec"]["ingress"][1:]:
        assert not {8300, 8301} & {port for port, _ in opened(rule)}


def test_pods_of_the_cluster_reach_what_is_served_and_nothing_from_outside_does() -> None:
    clients = network_policy(wanted(tls={}))["spec"]["ingress"][1]
    assert clients["from"] == [{"namespaceSelector": {}}]
    assert opened(clients) == {(8500, "TCP"), (8501, "TCP"), (8600, "TCP"), (8600, "UDP")}
    only_https = network_policy(wanted(tls={"httpsOnly": True}))["spec"]["ingress"][1]
    assert (8500, "TCP") not in opened(only_https)


def test_everybody_reaches_the_probes_as_no_selector_names_a_kubelet() -> None:
    probes = network_policy(wanted())["spec"]["ingress"][2]
    assert "from" not in probes
    assert opened(probes) == {(8558, "TCP")}


def test_out_go_dns_members_and_the_kubernetes_api() -> None:
    dns, members, api = network_policy(wanted())["spec"]["egress"]
    assert opened(dns) == {(53, "UDP"), (53, "TCP")}
    assert components(members["to"]) == ["server", "client"]
    assert opened(api) == {(443, "TCP"), (6443, "TCP")}
