"""The names in a certificate are those by which members are called."""

from operator_tests.specs.clusters import wanted
from proconsul_operator.specs.certificate import certificate, dns_names
from proconsul_operator.specs.services import services


def test_every_service_and_every_pod_is_called_by_a_name_that_is_in_it() -> None:
    cluster = wanted(tls={})
    names = set(dns_names(cluster))
    for service in services(cluster):
        assert f"{service['metadata']['name']}.infra.svc" in names
        assert f"{service['metadata']['name']}.infra.svc.cluster.local" in names
    assert "*.consul-headless.infra.svc" in names
    assert "localhost" in names


def test_peers_verify_the_name_of_their_datacenter() -> None:
    assert "server.east.example" in dns_names(wanted(datacenter="east", domain="example"))


def test_the_issuer_puts_it_where_the_pods_look_for_it() -> None:
    cluster = wanted(tls={"issuerRef": {"name": "ca", "kind": "ClusterIssuer"}})
    made = certificate(cluster)["spec"]
    assert made["secretName"] == cluster.tls_secret
    assert made["issuerRef"] == {
        "name": "ca",
        "kind": "ClusterIssuer",
        "group": "cert-manager.io",
    }
    assert made["dnsNames"] == list(dns_names(cluster))
