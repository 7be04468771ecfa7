"""Nodes, services and their registration."""

from typing import Any, ClassVar

from proconsul.model.health import CheckType, HealthCheck
from proconsul.model.query import QueryMeta, QueryOptions, QuerySource, WriteRequest
from proconsul.wire.gostruct import GoStruct


class Weights(GoStruct, frozen=True, kw_only=True):
    """`structs.Weights`."""

    passing: int = 0
    warning: int = 0


class ServiceAddress(GoStruct, frozen=True, kw_only=True):
    """`structs.ServiceAddress`."""

    address: str = ""
    port: int = 0


class MeshGatewayConfig(GoStruct, frozen=True, kw_only=True):
    """`structs.MeshGatewayConfig`."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"mode"})

    mode: str = ""


class ExposePath(GoStruct, frozen=True, kw_only=True):
    """`structs.ExposePath`."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"listener_port", "path", "local_path_port", "protocol"}
    )

    listener_port: int = 0
    path: str = ""
    local_path_port: int = 0
    protocol: str = ""
    parsed_from_check: bool = False


class ExposeConfig(GoStruct, frozen=True, kw_only=True):
    """`structs.ExposeConfig`."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"checks", "paths"})

    checks: bool = False
    paths: list[ExposePath] | None = None


class Upstream(GoStruct, frozen=True, kw_only=True):
    """`structs.Upstream`."""

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
    """`structs.ConnectProxyConfig`."""

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
    """`structs.ServiceDefinition`."""

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
    """`structs.ServiceConnect`."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"native", "sidecar_service"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"sidecar_service"})

    native: bool = False
    sidecar_service: ServiceDefinition | None = None


class Node(GoStruct, frozen=True, kw_only=True):
    """`structs.Node`."""

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
    """`structs.NodeService`."""

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
    """`structs.ServiceNode`."""

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
    """`structs.ServiceName`."""

    name: str = ""


class NodeServices(GoStruct, frozen=True, kw_only=True):
    """`structs.NodeServices`."""

    node: Node | None = None
    services: dict[str, NodeService] | None = None


class NodeServiceList(GoStruct, frozen=True, kw_only=True):
    """`structs.NodeServiceList`."""

    node: Node | None = None
    services: list[NodeService] | None = None


class CheckServiceNode(GoStruct, frozen=True, kw_only=True):
    """`structs.CheckServiceNode`."""

    node: Node | None = None
    service: NodeService | None = None
    checks: list[HealthCheck] | None = None


class NodeInfo(GoStruct, frozen=True, kw_only=True):
    """`structs.NodeInfo`."""

    id: str = ""
    node: str = ""
    address: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    services: list[NodeService] | None = None
    checks: list[HealthCheck] | None = None


class ServiceInfo(GoStruct, frozen=True, kw_only=True):
    """`structs.ServiceInfo`."""

    node: Node | None = None
    service: NodeService | None = None
    checks: list[HealthCheck] | None = None
    gateway_service: "GatewayService | None" = None


class GatewayService(GoStruct, frozen=True, kw_only=True):
    """`structs.GatewayService`."""

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
    """`structs.RegisterRequest`."""

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
    """`structs.DeregisterRequest`."""

    datacenter: str = ""
    node: str = ""
    service_id: str = ""
    check_id: str = ""


class ServiceSpecificRequest(QueryOptions, frozen=True, kw_only=True):
    """`structs.ServiceSpecificRequest`."""

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
    """`structs.NodeSpecificRequest`."""

    datacenter: str = ""
    node: str = ""


class ServiceDumpRequest(QueryOptions, frozen=True, kw_only=True):
    """`structs.ServiceDumpRequest`."""

    datacenter: str = ""
    service_kind: str = ""
    use_service_kind: bool = False
    source: QuerySource = QuerySource()


class IndexedNodes(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedNodes`."""

    nodes: list[Node] | None = None


class IndexedServices(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedServices`."""

    services: dict[str, list[str] | None] | None = None


class IndexedServiceList(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedServiceList`."""

    services: list[ServiceName] | None = None


class IndexedServiceNodes(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedServiceNodes`."""

    service_nodes: list[ServiceNode] | None = None


class IndexedNodeServices(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedNodeServices`."""

    node_services: NodeServices | None = None


class IndexedNodeServiceList(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedNodeServiceList`."""

    node_services: NodeServiceList = NodeServiceList()


class IndexedCheckServiceNodes(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedCheckServiceNodes`."""

    nodes: list[CheckServiceNode] | None = None


class IndexedNodeDump(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedNodeDump`."""

    dump: list[NodeInfo] | None = None


class IndexedServiceDump(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedServiceDump`."""

    dump: list[ServiceInfo] | None = None


class IndexedGatewayServices(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedGatewayServices`."""

    services: list[GatewayService] | None = None


class DatacenterIndexedCheckServiceNodes(QueryMeta, frozen=True, kw_only=True):
    """`structs.DatacenterIndexedCheckServiceNodes`."""

    datacenter_nodes: dict[str, list[CheckServiceNode] | None] | None = None
