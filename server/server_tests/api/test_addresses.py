"""With `translate_wan_addrs` other datacenters are seen at their WAN addresses."""

from proconsul.api.addresses import (
    translated_health,
    translated_instance,
    translated_node,
    translated_service,
    translates,
)
from proconsul.api.surface import HttpSettings
from proconsul.model.catalog import (
    CheckServiceNode,
    Node,
    NodeService,
    ServiceAddress,
    ServiceNode,
)
from server_tests.endpoints.site import open_site

NODE = Node(node="n", address="10.0.0.1", tagged_addresses={"wan": "1.2.3.4"})
SERVICE = NodeService(
    service="s",
    address="10.0.0.9",
    port=80,
    tagged_addresses={"wan": ServiceAddress(address="5.6.7.8", port=8080)},
)


def test_only_other_datacenters_are_translated_and_only_when_asked() -> None:
    translating = open_site(HttpSettings(translate_wan_addresses=True)).api
    assert translates(translating, "dc2")
    assert not translates(translating, "dc1")
    assert not translates(open_site().api, "dc2")


def test_nodes_and_services_stand_at_their_wan_addresses() -> None:
    assert translated_node(NODE).address == "1.2.3.4"
    moved = translated_service(SERVICE)
    assert (moved.address, moved.port) == ("5.6.7.8", 8080)
    row = translated_health(CheckServiceNode(node=NODE, service=SERVICE))
    assert row.node is not None
    assert row.node.address == "1.2.3.4"
    assert row.service == moved


def test_an_instance_is_translated_as_node_and_as_service() -> None:
    row = ServiceNode(
        address="10.0.0.1",
        tagged_addresses={"wan": "1.2.3.4"},
        service_address="10.0.0.9",
        service_port=80,
        service_tagged_addresses={"wan": ServiceAddress(address="5.6.7.8")},
    )
    moved = translated_instance(row)
    assert (moved.address, moved.service_address, moved.service_port) == ("1.2.3.4", "5.6.7.8", 80)


def test_what_has_no_wan_address_stays() -> None:
    assert translated_node(Node(address="10.0.0.1")).address == "10.0.0.1"
    assert translated_service(NodeService(address="a", port=1)) == NodeService(address="a", port=1)
    assert translated_instance(ServiceNode(address="a")) == ServiceNode(address="a")
