"""Definitions from configuration files and API bodies, as the structs of the catalog."""

from msgspec import field
from msgspec.structs import replace

from proconsul.config import definitions as config
from proconsul.local.state import Status
from proconsul.model.catalog import (
    ConnectProxyConfig,
    ExposeConfig,
    ExposePath,
    MeshGatewayConfig,
    NodeService,
    ServiceAddress,
    ServiceConnect,
    ServiceDefinition,
    Upstream,
    Weights,
)
from proconsul.model.health import CheckType, HealthCheck
from proconsul.wire.golang import Duration
from proconsul.wire.gostruct import GoStruct


class CheckDefinition(GoStruct, frozen=True, kw_only=True):
    """`structs.CheckDefinition`: a check of its own, as it is registered."""

    id: str = field(default="", name="ID")
    name: str = ""
    notes: str = ""
    service_id: str = ""
    token: str = ""
    status: str = ""
    script_args: list[str] | None = None
    http: str = ""
    header: dict[str, list[str] | None] | None = None
    method: str = ""
    body: str = ""
    tcp: str = ""
    interval: Duration = Duration(0)
    docker_container_id: str = ""
    shell: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    tls_skip_verify: bool = False
    alias_node: str = ""
    alias_service: str = ""
    timeout: Duration = Duration(0)
    ttl: Duration = Duration(0)
    success_before_passing: int = 0
    failures_before_critical: int = 0
    deregister_critical_service_after: Duration = Duration(0)
    output_max_size: int = 0


def health_check(definition: CheckDefinition) -> HealthCheck:
    """The check as it enters the state: critical unless told otherwise; `Type` is left open."""
    return HealthCheck(
        check_id=definition.id or definition.name,
        name=definition.name,
        status=definition.status or Status.CRITICAL,
        notes=definition.notes,
        service_id=definition.service_id,
    )


def check_type(definition: CheckDefinition) -> CheckType:
    """How the check runs."""
    shared = set(CheckType.__struct_fields__) & set(CheckDefinition.__struct_fields__)
    values = {name: getattr(definition, name) for name in shared}
    return CheckType(check_id=definition.id, **values)


def node_service(definition: ServiceDefinition) -> NodeService:
    """The service as it enters the state, without its checks; its id is its name by default."""
    proxy = definition.proxy or ConnectProxyConfig()
    if proxy.upstreams:
        upstreams = [
            replace(one, destination_type=one.destination_type or "service")
            for one in proxy.upstreams
        ]
        proxy = replace(proxy, upstreams=upstreams)
    return NodeService(
        kind=definition.kind,
        id=definition.id or definition.name,
        service=definition.name,
        tags=definition.tags,
        address=definition.address,
        tagged_addresses=dict(definition.tagged_addresses) if definition.tagged_addresses else None,
        meta=definition.meta,
        port=definition.port,
        weights=definition.weights,
        enable_tag_override=definition.enable_tag_override,
        proxy=proxy,
        connect=definition.connect or ServiceConnect(),
    )


def check_types(definition: ServiceDefinition) -> list[CheckType]:
    """All checks of a definition: `Check`, unless it is empty, then `Checks`."""
    first = [] if definition.check == CheckType() else [definition.check]
    return first + list(definition.checks or ())


# ---------------------------------------------------------------- configuration files


def check_from_config(check: config.CheckDefinition) -> CheckDefinition:
    """A check of a file, as the API would have it."""
    return CheckDefinition(
        id=check.id,
        name=check.name,
        notes=check.notes,
        service_id=check.service_id,
        token=check.token,
        status=check.status,
        script_args=list(check.script_args) or None,
        http=check.http,
        header={key: list(values) for key, values in check.header.items()} or None,
        method=check.method,
        body=check.body,
        tcp=check.tcp,
        interval=Duration(check.interval_ns),
        docker_container_id=check.docker_container_id,
        shell=check.shell,
        grpc=check.grpc,
        grpc_use_tls=check.grpc_use_tls,
        tls_skip_verify=check.tls_skip_verify,
        alias_node=check.alias_node,
        alias_service=check.alias_service,
        timeout=Duration(check.timeout_ns),
        ttl=Duration(check.ttl_ns),
        success_before_passing=check.success_before_passing,
        failures_before_critical=check.failures_before_critical,
        deregister_critical_service_after=Duration(check.deregister_critical_service_after_ns),
        output_max_size=check.output_max_size_bytes,
    )


def service_from_config(service: config.ServiceDefinition) -> ServiceDefinition:
    """A service of a file, as the API would have it."""
    addresses = {
        tag: ServiceAddress(address=one.address, port=one.port)
        for tag, one in service.tagged_addresses.items()
    }
    connect = service.connect
    return ServiceDefinition(
        kind=service.kind,
        id=service.id,
        name=service.name,
        tags=list(service.tags) or None,
        address=service.address,
        tagged_addresses=addresses or None,
        meta=dict(service.meta) or None,
        port=service.port,
        checks=[check_type(check_from_config(check)) for check in service.checks] or None,
        weights=Weights(passing=service.weights.passing, warning=service.weights.warning),
        token=service.token,
        enable_tag_override=service.enable_tag_override,
        proxy=None if service.proxy is None else _proxy(service.proxy),
        connect=None
        if connect is None
        else ServiceConnect(
            native=connect.native,
            sidecar_service=None
            if connect.sidecar_service is None
            else service_from_config(connect.sidecar_service),
        ),
    )


def _proxy(proxy: config.Proxy) -> ConnectProxyConfig:
    paths = [
        ExposePath(
            listener_port=path.listener_port,
            path=path.path,
            local_path_port=path.local_path_port,
            protocol=path.protocol,
        )
        for path in proxy.expose.paths
    ]
    return ConnectProxyConfig(
        destination_service_name=proxy.destination_service_name,
        destination_service_id=proxy.destination_service_id,
        local_service_address=proxy.local_service_address,
        local_service_port=proxy.local_service_port,
        config=dict(proxy.config) or None,
        upstreams=[_upstream(one) for one in proxy.upstreams] or None,
        mesh_gateway=MeshGatewayConfig(mode=proxy.mesh_gateway.mode),
        expose=ExposeConfig(checks=proxy.expose.checks, paths=paths or None),
    )


def _upstream(upstream: config.Upstream) -> Upstream:
    return Upstream(
        destination_type=upstream.destination_type,
        destination_namespace=upstream.destination_namespace,
        destination_name=upstream.destination_name,
        datacenter=upstream.datacenter,
        local_bind_address=upstream.local_bind_address,
        local_bind_port=upstream.local_bind_port,
        config=dict(upstream.config) or None,
        mesh_gateway=MeshGatewayConfig(mode=upstream.mesh_gateway.mode),
    )
