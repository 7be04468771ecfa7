"""Nodes, services and their registration."""

from typing import Any, ClassVar

from proconsul.model.health import CheckType, HealthCheck
from proconsul.model.query import QueryMeta, QueryOptions, QuerySource, WriteRequest
from proconsul.wire.gostruct import GoStruct


class Weights(GoStruct, frozen=True, kw_only=True):
    """How much of the traffic an instance gets, by its health."""

    passing: int = 0
    warning: int = 0


class ServiceAddress(GoStruct, frozen=True, kw_only=True):
    """An address and port of an instance."""

    address: str = ""
    port: int = 0


class MeshGatewayConfig(GoStruct, frozen=True, kw_only=True):
    """Whether traffic to other datacenters goes through a gateway, and which."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"mode"})

    mode: str = ""


class ExposePath(GoStruct, frozen=True, kw_only=True):
    """A path that a proxy lets through, and the ports on both sides."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"listener_port", "path", "local_path_port", "protocol"}
    )

    listener_port: int = 0
    path: str = ""
    local_path_port: int = 0
    protocol: str = ""
    parsed_from_check: bool = False


class ExposeConfig(GoStruct, frozen=True, kw_only=True):
    """Paths that a proxy lets through to everybody."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"checks", "paths"})

    checks: bool = False
    paths: list[ExposePath] | None = None


class Upstream(GoStruct, frozen=True, kw_only=True):
    """A service that a proxy leads to, and the local port for it."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"destination_namespace", "local_bind_address", "mesh_gateway"}
    )
    json_skip: ClassVar[frozenset[str]] = frozenset({"ingress_hosts"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"config", "ingress_hosts"})

    destination_type: str = ""
    destination_namespace: str = ""
    destination_name: str = ""
    datacenter: str = ""
    local_bind_address: str = ""
    local_bind_port: int = 0
    config: dict[str, Any] | None = None
    mesh_gateway: MeshGatewayConfig = MeshGatewayConfig()
    ingress_hosts: list[str] | None = None


class ConnectProxyConfig(GoStruct, frozen=True, kw_only=True):
    """What a proxy stands in front of, and where it leads."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {
            "destination_service_name",
            "destination_service_id",
            "local_service_address",
            "local_service_port",
            "config",
            "upstreams",
            "mesh_gateway",
            "expose",
        }
    )
    filter_skip: ClassVar[frozenset[str]] = frozenset({"config"})

    destination_service_name: str = ""
    destination_service_id: str = ""
    local_service_address: str = ""
    local_service_port: int = 0
    config: dict[str, Any] | None = None
    upstreams: list[Upstream] | None = None
    mesh_gateway: MeshGatewayConfig = MeshGatewayConfig()
    expose: ExposeConfig = ExposeConfig()


class ServiceDefinition(GoStruct, frozen=True, kw_only=True):
    """A service as an agent is told of it, with its checks."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"kind"})

    kind: str = ""
    id: str = ""
    name: str = ""
    tags: list[str] | None = None
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    check: CheckType = CheckType()
    checks: list[CheckType] | None = None
    weights: Weights | None = None
    token: str = ""
    enable_tag_override: bool = False
    proxy: ConnectProxyConfig | None = None
    connect: "ServiceConnect | None" = None


class ServiceConnect(GoStruct, frozen=True, kw_only=True):
    """How an instance takes part in the mesh."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"native", "sidecar_service"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"sidecar_service"})

    native: bool = False
    sidecar_service: ServiceDefinition | None = None


class Node(GoStruct, frozen=True, kw_only=True):
    """A machine of the catalog."""

    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    node: str = ""
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


class NodeService(GoStruct, frozen=True, kw_only=True):
    """An instance of a service, as its node has it."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"kind", "tagged_addresses"})
    json_skip: ClassVar[frozenset[str]] = frozenset({"locally_registered_as_sidecar"})
    filter_skip: ClassVar[frozenset[str]] = frozenset(
        {"locally_registered_as_sidecar", "create_index", "modify_index"}
    )

    kind: str = ""
    id: str = ""
    service: str = ""
    tags: list[str] | None = None
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    weights: Weights | None = None
    enable_tag_override: bool = False
    proxy: ConnectProxyConfig = ConnectProxyConfig()
    connect: ServiceConnect = ServiceConnect()
    locally_registered_as_sidecar: bool = False
    create_index: int = 0
    modify_index: int = 0


class ServiceNode(GoStruct, frozen=True, kw_only=True):
    """An instance of a service, as its row in the catalog and in listings."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"service_tagged_addresses"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    node: str = ""
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    node_meta: dict[str, str] | None = None
    service_kind: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: list[str] | None = None
    service_address: str = ""
    service_tagged_addresses: dict[str, ServiceAddress] | None = None
    service_weights: Weights = Weights()
    service_meta: dict[str, str] | None = None
    service_port: int = 0
    service_enable_tag_override: bool = False
    service_proxy: ConnectProxyConfig = ConnectProxyConfig()
    service_connect: ServiceConnect = ServiceConnect()
    create_index: int = 0
    modify_index: int = 0


class ServiceName(GoStruct, frozen=True, kw_only=True):
    """The name of a service."""

    name: str = ""


class NodeServices(GoStruct, frozen=True, kw_only=True):
    """A node and its services, by ID."""

    node: Node | None = None
    services: dict[str, NodeService] | None = None


class NodeServiceList(GoStruct, frozen=True, kw_only=True):
    """A node and its services, as a list."""

    node: Node | None = None
    services: list[NodeService] | None = None


class CheckServiceNode(GoStruct, frozen=True, kw_only=True):
    """An instance of a service with its node and its checks."""

    node: Node | None = None
    service: NodeService | None = None
    checks: list[HealthCheck] | None = None


class NodeInfo(GoStruct, frozen=True, kw_only=True):
    """A node with its services and checks."""

    id: str = ""
    node: str = ""
    address: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    services: list[NodeService] | None = None
    checks: list[HealthCheck] | None = None


class ServiceInfo(GoStruct, frozen=True, kw_only=True):
    """An instance with its node and checks, and the gateway it stands behind."""

    node: Node | None = None
    service: NodeService | None = None
    checks: list[HealthCheck] | None = None
    gateway_service: "GatewayService | None" = None


class GatewayService(GoStruct, frozen=True, kw_only=True):
    """A service that stands behind a gateway."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"port", "protocol", "hosts", "ca_file", "cert_file", "key_file", "sni", "from_wildcard"}
    )
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    gateway: ServiceName = ServiceName()
    service: ServiceName = ServiceName()
    gateway_kind: str = ""
    port: int = 0
    protocol: str = ""
    hosts: list[str] | None = None
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    sni: str = ""
    from_wildcard: bool = False
    create_index: int = 0
    modify_index: int = 0


class RegisterRequest(WriteRequest, frozen=True, kw_only=True):
    """Put a node, and perhaps a service and checks on it, into the catalog."""

    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    datacenter: str = ""
    id: str = ""
    node: str = ""
    address: str = ""
    tagged_addresses: dict[str, str] | None = None
    node_meta: dict[str, str] | None = None
    service: NodeService | None = None
    check: HealthCheck | None = None
    checks: list[HealthCheck] | None = None
    skip_node_update: bool = False
    create_index: int = 0
    modify_index: int = 0


class DeregisterRequest(WriteRequest, frozen=True, kw_only=True):
    """Take a service, a check, or a whole node out of the catalog."""

    datacenter: str = ""
    node: str = ""
    service_id: str = ""
    check_id: str = ""


class ServiceSpecificRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for the instances of a service."""

    datacenter: str = ""
    node_meta_filters: dict[str, str] | None = None
    service_name: str = ""
    service_tag: str = ""
    service_tags: list[str] | None = None
    service_address: str = ""
    tag_filter: bool = False
    source: QuerySource = QuerySource()
    connect: bool = False
    ingress: bool = False


class NodeSpecificRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for one node."""

    datacenter: str = ""
    node: str = ""


class ServiceDumpRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for all instances, or those of a kind."""

    datacenter: str = ""
    service_kind: str = ""
    use_service_kind: bool = False
    source: QuerySource = QuerySource()


class IndexedNodes(QueryMeta, frozen=True, kw_only=True):
    """Answer: nodes."""

    nodes: list[Node] | None = None


class IndexedServices(QueryMeta, frozen=True, kw_only=True):
    """Answer: the tags of each service."""

    services: dict[str, list[str] | None] | None = None


class IndexedServiceList(QueryMeta, frozen=True, kw_only=True):
    """Answer: names of services."""

    services: list[ServiceName] | None = None


class IndexedServiceNodes(QueryMeta, frozen=True, kw_only=True):
    """Answer: instances of a service."""

    service_nodes: list[ServiceNode] | None = None


class IndexedNodeServices(QueryMeta, frozen=True, kw_only=True):
    """Answer: a node and its services, by ID."""

    node_services: NodeServices | None = None


class IndexedNodeServiceList(QueryMeta, frozen=True, kw_only=True):
    """Answer: a node and its services, as a list."""

    node_services: NodeServiceList = NodeServiceList()


class IndexedCheckServiceNodes(QueryMeta, frozen=True, kw_only=True):
    """Answer: instances with their nodes and checks."""

    nodes: list[CheckServiceNode] | None = None


class IndexedNodeDump(QueryMeta, frozen=True, kw_only=True):
    """Answer: nodes with all that is on them."""

    dump: list[NodeInfo] | None = None


class IndexedServiceDump(QueryMeta, frozen=True, kw_only=True):
    """Answer: all instances with their nodes and checks."""

    dump: list[ServiceInfo] | None = None


class IndexedGatewayServices(QueryMeta, frozen=True, kw_only=True):
    """Answer: services behind a gateway."""

    services: list[GatewayService] | None = None


class DatacenterIndexedCheckServiceNodes(QueryMeta, frozen=True, kw_only=True):
    """Answer: instances by datacenter."""

    datacenter_nodes: dict[str, list[CheckServiceNode] | None] | None = None
