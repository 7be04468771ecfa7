"""Whether two rows say the same, as Go's reflect.DeepEqual sees it.

It decides whether an index moves, on every server alike. None and empty are apart (msgspec
compares them so), and in maps of any type 1, 1.0 and true are apart, which Python takes for equal.
"""

from typing import Any, Protocol

from proconsul.model.catalog import ConnectProxyConfig, Node, NodeService, ServiceNode
from proconsul.model.health import HealthCheck


class HasModifyIndex(Protocol):
    """A row that tells when it was last changed."""

    @property
    def modify_index(self) -> int:
        """The raft index of the change."""


def same_any(one: Any, other: Any) -> bool:
    """Compare values of Go's interface{}."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_any(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_any, one, other))
    return bool(one == other)


def same_proxy(one: ConnectProxyConfig, other: ConnectProxyConfig) -> bool:
    """Compare proxies, with the free-form settings in them."""
    if one != other or not same_any(one.config, other.config):
        return False
    pairs = zip(one.upstreams or (), other.upstreams or (), strict=True)
    return all(same_any(mine.config, theirs.config) for mine, theirs in pairs)


def same_node(one: Node, other: Node) -> bool:
    """Compare all but the indexes."""
    return (
        one.id == other.id
        and one.node == other.node
        and one.address == other.address
        and one.datacenter == other.datacenter
        and one.tagged_addresses == other.tagged_addresses
        and one.meta == other.meta
    )


def same_service(one: ServiceNode, other: ServiceNode) -> bool:
    """Compare two service rows, without the indexes (ServiceNode.IsSameService)."""
    return (
        one.node == other.node
        and one.service_kind == other.service_kind
        and one.service_id == other.service_id
        and one.service_name == other.service_name
        and one.service_tags == other.service_tags
        and one.service_address == other.service_address
        and one.service_tagged_addresses == other.service_tagged_addresses
        and one.service_port == other.service_port
        and one.service_meta == other.service_meta
        and one.service_weights == other.service_weights
        and one.service_enable_tag_override == other.service_enable_tag_override
        and same_proxy(one.service_proxy, other.service_proxy)
        and one.service_connect == other.service_connect
    )


def same_node_service(stored: NodeService, asked: NodeService) -> bool:
    """Compare a stored service with a registration (NodeService.IsSame).

    Go compares the sidecar definitions by address here, so two that exist are never the same.
    """
    return (
        stored.id == asked.id
        and stored.service == asked.service
        and stored.tags == asked.tags
        and stored.address == asked.address
        and stored.port == asked.port
        and stored.tagged_addresses == asked.tagged_addresses
        and stored.weights == asked.weights
        and stored.meta == asked.meta
        and stored.enable_tag_override == asked.enable_tag_override
        and stored.kind == asked.kind
        and same_proxy(stored.proxy, asked.proxy)
        and stored.connect.native == asked.connect.native
        and stored.connect.sidecar_service is None
        and asked.connect.sidecar_service is None
    )


def same_check(one: HealthCheck, other: HealthCheck) -> bool:
    """Compare checks without type and indexes (HealthCheck.IsSame)."""
    return (
        one.node == other.node
        and one.check_id == other.check_id
        and one.name == other.name
        and one.status == other.status
        and one.notes == other.notes
        and one.output == other.output
        and one.service_id == other.service_id
        and one.service_name == other.service_name
        and one.service_tags == other.service_tags
        and one.definition == other.definition
    )


def index_holds(existing: HasModifyIndex | None, asked: int) -> bool:
    """Whether check-and-set may go on: last changed at `asked`; 0 asks that it is not there."""
    if asked == 0 or existing is None:
        return asked == 0 and existing is None
    return existing.modify_index == asked
