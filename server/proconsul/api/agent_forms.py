"""The agent's services and checks as its own API shows them (api/agent.go, api/health.go).

These are not the catalog's forms: other fields, in another order, most of them left out when
empty. Class names are Go's, because the content hash goes over them (api/content_hash.py).
"""

from typing import Any, ClassVar

from proconsul.api.content_hash import content_hash
from proconsul.model.catalog import (
    ConnectProxyConfig,
    ExposeConfig,
    MeshGatewayConfig,
    NodeService,
    ServiceAddress,
)
from proconsul.model.health import HealthCheck
from proconsul.model.service_rules import CONNECT_PROXY, GATEWAYS
from proconsul.wire.gostruct import GoStruct, to_json


class AgentWeights(GoStruct, frozen=True, kw_only=True):
    """`api.AgentWeights`."""

    passing: int = 0
    warning: int = 0


class Upstream(GoStruct, frozen=True, kw_only=True):
    """`api.Upstream`."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {
            "destination_type",
            "destination_namespace",
            "datacenter",
            "local_bind_address",
            "local_bind_port",
            "config",
        }
    )
    filter_skip: ClassVar[frozenset[str]] = frozenset({"config"})

    destination_type: str = ""
    destination_namespace: str = ""
    destination_name: str = ""
    datacenter: str = ""
    local_bind_address: str = ""
    local_bind_port: int = 0
    config: dict[str, Any] | None = None
    mesh_gateway: MeshGatewayConfig = MeshGatewayConfig()


class AgentServiceConnectProxyConfig(GoStruct, frozen=True, kw_only=True):
    """`api.AgentServiceConnectProxyConfig`."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {
            "destination_service_name",
            "destination_service_id",
            "local_service_address",
            "local_service_port",
            "config",
            "upstreams",
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


class AgentServiceConnect(GoStruct, frozen=True, kw_only=True):
    """`api.AgentServiceConnect`; the sidecar's definition counts in the hash but is never there."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"native", "sidecar_service"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"sidecar_service"})

    native: bool = False
    sidecar_service: AgentWeights | None = None


class AgentService(GoStruct, frozen=True, kw_only=True):
    """`api.AgentService`."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {
            "kind",
            "tagged_addresses",
            "create_index",
            "modify_index",
            "content_hash",
            "proxy",
            "connect",
        }
    )
    filter_skip: ClassVar[frozenset[str]] = frozenset(
        {"create_index", "modify_index", "content_hash"}
    )

    kind: str = ""
    id: str = ""
    service: str = ""
    tags: list[str] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | None = None
    weights: AgentWeights = AgentWeights()
    enable_tag_override: bool = False
    create_index: int = 0
    modify_index: int = 0
    content_hash: str = ""
    proxy: AgentServiceConnectProxyConfig | None = None
    connect: AgentServiceConnect | None = None


def agent_service(service: NodeService) -> AgentService:
    """The public form of a service, without its hash."""
    weights = service.weights
    has_proxy = service.kind == CONNECT_PROXY or service.kind in GATEWAYS
    return AgentService(
        kind=service.kind,
        id=service.id,
        service=service.service,
        tags=service.tags or [],
        meta=service.meta or {},
        port=service.port,
        address=service.address,
        tagged_addresses=service.tagged_addresses,
        weights=AgentWeights(passing=1, warning=1)
        if weights is None
        else AgentWeights(passing=max(weights.passing, 1), warning=weights.warning),
        enable_tag_override=service.enable_tag_override,
        create_index=service.create_index,
        modify_index=service.modify_index,
        proxy=_proxy(service.proxy) if has_proxy else None,
        connect=AgentServiceConnect(native=True) if service.connect.native else None,
    )


def _proxy(proxy: ConnectProxyConfig) -> AgentServiceConnectProxyConfig:
    upstreams = [
        Upstream(
            destination_type=one.destination_type,
            destination_namespace=one.destination_namespace,
            destination_name=one.destination_name,
            datacenter=one.datacenter,
            local_bind_address=one.local_bind_address,
            local_bind_port=one.local_bind_port,
            config=one.config,
            mesh_gateway=one.mesh_gateway,
        )
        for one in proxy.upstreams or ()
    ]
    return AgentServiceConnectProxyConfig(
        destination_service_name=proxy.destination_service_name,
        destination_service_id=proxy.destination_service_id,
        local_service_address=proxy.local_service_address,
        local_service_port=proxy.local_service_port,
        config=proxy.config,
        upstreams=upstreams or None,
        mesh_gateway=proxy.mesh_gateway,
        expose=proxy.expose,
    )


def hash_of(service: AgentService) -> str:
    """What X-Consul-Contenthash says of a service: 16 hexadecimal digits, or fewer."""
    return f"{content_hash(service):x}"


def check_json(check: HealthCheck) -> dict[str, Any]:
    """A check as `/v1/agent/checks` shows it."""
    shown = to_json(check)
    shown["ServiceTags"] = check.service_tags or []
    return shown


def health_check_json(check: HealthCheck) -> dict[str, Any]:
    """A check as `/v1/agent/health/` shows it: the public form, which tells no definition."""
    return {
        "Node": check.node,
        "CheckID": check.check_id,
        "Name": check.name,
        "Status": check.status,
        "Notes": check.notes,
        "Output": check.output,
        "ServiceID": check.service_id,
        "ServiceName": check.service_name,
        "ServiceTags": check.service_tags,
        "Type": "",
        "Definition": {
            "Interval": "0s",
            "Timeout": "0s",
            "DeregisterCriticalServiceAfter": "0s",
            "HTTP": "",
            "Header": None,
            "Method": "",
            "Body": "",
            "TLSSkipVerify": False,
            "TCP": "",
        },
        "CreateIndex": check.create_index,
        "ModifyIndex": check.modify_index,
    }
