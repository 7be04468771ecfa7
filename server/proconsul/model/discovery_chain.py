"""Compiled discovery chains, as they are asked for: the graph behind the name of a service."""

from typing import ClassVar

from proconsul.model.catalog import MeshGatewayConfig
from proconsul.model.config_entry import ServiceResolverSubset, ServiceRoute
from proconsul.model.query import QueryMeta, QueryOptions
from proconsul.wire.golang import Duration, Float32
from proconsul.wire.gostruct import GoStruct


class DiscoveryChainRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for the chain of a service, as it would be with some settings overridden."""

    name: str = ""
    evaluate_in_datacenter: str = ""
    evaluate_in_namespace: str = ""
    override_mesh_gateway: MeshGatewayConfig = MeshGatewayConfig()
    override_protocol: str = ""
    override_connect_timeout: Duration = Duration(0)
    datacenter: str = ""


class DiscoveryRoute(GoStruct, frozen=True, kw_only=True):
    """A rule of a router, and the node that it leads to."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"definition", "next_node"})

    definition: ServiceRoute | None = None
    next_node: str = ""


class DiscoverySplit(GoStruct, frozen=True, kw_only=True):
    """A share of the traffic, and the node that it goes to."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"weight", "next_node"})

    weight: Float32 = Float32(0)
    next_node: str = ""


class DiscoveryFailover(GoStruct, frozen=True, kw_only=True):
    """The targets to try when there is no healthy instance."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"targets"})

    targets: list[str] | None = None


class DiscoveryResolver(GoStruct, frozen=True, kw_only=True):
    """Which target a resolver ends in."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"default", "connect_timeout", "target", "failover"}
    )

    default: bool = False
    connect_timeout: Duration = Duration(0)
    target: str = ""
    failover: DiscoveryFailover | None = None


class DiscoveryGraphNode(GoStruct, frozen=True, kw_only=True):
    """A step of a chain: a router, a splitter or a resolver."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"routes", "splits", "resolver"})

    type: str = ""
    name: str = ""
    routes: list[DiscoveryRoute | None] | None = None
    splits: list[DiscoverySplit | None] | None = None
    resolver: DiscoveryResolver | None = None


class DiscoveryTarget(GoStruct, frozen=True, kw_only=True):
    """A subset of a service in a datacenter, and how to get there."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"id", "service", "service_subset", "namespace", "datacenter", "external", "sni", "name"}
    )

    id: str = ""
    service: str = ""
    service_subset: str = ""
    namespace: str = ""
    datacenter: str = ""
    mesh_gateway: MeshGatewayConfig = MeshGatewayConfig()
    subset: ServiceResolverSubset = ServiceResolverSubset()
    external: bool = False
    sni: str = ""
    name: str = ""


class CompiledDiscoveryChain(GoStruct, frozen=True, kw_only=True):
    """The whole graph, from its first node."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"customization_hash", "protocol", "start_node", "nodes", "targets"}
    )

    service_name: str = ""
    namespace: str = ""
    datacenter: str = ""
    customization_hash: str = ""
    protocol: str = ""
    start_node: str = ""
    nodes: dict[str, DiscoveryGraphNode | None] | None = None
    targets: dict[str, DiscoveryTarget | None] | None = None


class DiscoveryChainResponse(QueryMeta, frozen=True, kw_only=True):
    """Answer: the chain."""

    chain: CompiledDiscoveryChain | None = None
