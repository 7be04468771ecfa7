"""Addresses as a client of another datacenter must see them (agent/translate_addr.go).

With `translate_wan_addrs` the WAN address takes the place of the address in what comes from
another datacenter.
"""

from msgspec.structs import replace

from proconsul.api.surface import Api
from proconsul.model.catalog import CheckServiceNode, Node, NodeService, ServiceNode

WAN = "wan"


def translates(api: Api, datacenter: str) -> bool:
    """Whether answers from a datacenter are to be translated."""
    return api.settings.translate_wan_addresses and datacenter != api.facts.datacenter


def translated_node(node: Node) -> Node:
    """The node at its WAN address."""
    address = (node.tagged_addresses or {}).get(WAN)
    return replace(node, address=address) if address else node


def translated_service(service: NodeService) -> NodeService:
    """The service at its WAN address and port, where it has them."""
    wan = (service.tagged_addresses or {}).get(WAN)
    if wan is None or not wan.address:
        return service
    return replace(service, address=wan.address, port=wan.port or service.port)


def translated_instance(row: ServiceNode) -> ServiceNode:
    """A row of `/v1/catalog/service/`: node and service."""
    address = (row.tagged_addresses or {}).get(WAN)
    if address:
        row = replace(row, address=address)
    wan = (row.service_tagged_addresses or {}).get(WAN)
    if wan is None or not wan.address:
        return row
    return replace(row, service_address=wan.address, service_port=wan.port or row.service_port)


def translated_health(row: CheckServiceNode) -> CheckServiceNode:
    """A row of `/v1/health/service/`: node and service."""
    return replace(
        row,
        node=None if row.node is None else translated_node(row.node),
        service=None if row.service is None else translated_service(row.service),
    )
