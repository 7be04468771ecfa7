"""What makes a service wrong as a part of the mesh, in Consul's words (NodeService.Validate).

The agent asks before it takes a definition, the leader before it takes a registration.
"""

from collections.abc import Iterator

from proconsul.model.catalog import ConnectProxyConfig, ExposePath, NodeService, Upstream
from proconsul.wire.golang import join_host_port, quote

CONNECT_PROXY = "connect-proxy"
GATEWAYS = frozenset({"mesh-gateway", "terminating-gateway", "ingress-gateway"})
PORT_MAX = 65535


def complaints_about_service(service: NodeService) -> Iterator[str]:
    """All that is wrong with the service."""
    if service.kind == CONNECT_PROXY:
        yield from _complaints_about_proxy(service)
    if service.kind in GATEWAYS:
        yield from _complaints_about_gateway(service)
    sidecar = service.connect.sidecar_service
    if sidecar is not None:
        if sidecar.id:
            yield "A SidecarService cannot specify an ID as this is managed by the agent"
        if sidecar.connect is not None and sidecar.connect.sidecar_service is not None:
            yield "A SidecarService cannot have a nested SidecarService"


def _complaints_about_proxy(service: NodeService) -> Iterator[str]:
    if not service.proxy.destination_service_name.strip():
        yield "Proxy.DestinationServiceName must be non-empty for Connect proxy services"
    if service.port == 0:
        yield "Port must be set for a Connect proxy"
    if service.connect.native:
        yield "A Proxy cannot also be Connect Native, only typical services"
    yield from _complaints_about_upstreams(service.proxy.upstreams or [])
    yield from _complaints_about_paths(service.proxy.expose.paths or [])


def _complaints_about_upstreams(upstreams: list[Upstream]) -> Iterator[str]:
    keys: set[str] = set()
    addresses: set[str] = set()
    for one in upstreams:
        complaint = _complaint_about_upstream(one)
        if complaint:
            yield complaint
            continue
        key = (
            f"[type={quote(one.destination_type)}, name={quote(one.destination_name)}, "
            f"namespace={quote(one.destination_namespace)}, datacenter={quote(one.datacenter)}]"
        )
        if key in keys:
            yield f"upstreams cannot contain duplicates of {key}"
            continue
        keys.add(key)
        address = join_host_port(one.local_bind_address or "127.0.0.1", one.local_bind_port)
        if address in addresses:
            yield (
                "upstreams cannot contain duplicates by local bind address and port; "
                f"{quote(address)} is specified twice"
            )
        addresses.add(address)


def _complaint_about_upstream(upstream: Upstream) -> str | None:
    if upstream.destination_type not in ("", "service", "prepared_query"):
        return f"unknown upstream destination type: {quote(upstream.destination_type)}"
    if not upstream.destination_name:
        return "upstream destination name cannot be empty"
    if upstream.local_bind_port == 0:
        return "upstream local bind port cannot be zero"
    return None


def _complaints_about_paths(paths: list[ExposePath]) -> Iterator[str]:
    known_paths: set[str] = set()
    known_ports: set[int] = set()
    for one in paths:
        if not one.path:
            yield "expose.paths: empty path exposed"
        if one.path in known_paths:
            yield "expose.paths: duplicate paths exposed"
        known_paths.add(one.path)
        if one.listener_port in known_ports:
            yield "expose.paths: duplicate listener ports exposed"
        known_ports.add(one.listener_port)
        if not 0 < one.listener_port <= PORT_MAX:
            yield f"expose.paths: invalid listener port: {one.listener_port}"
        protocol = one.protocol.lower()
        if protocol not in ("", "http", "http2"):
            yield (
                f"protocol '{protocol}' not supported for path: {one.path}, "
                "must be in: [http http2]"
            )


def _complaints_about_gateway(service: NodeService) -> Iterator[str]:
    kind, proxy = service.kind, service.proxy
    if service.port == 0 and kind != "ingress-gateway":
        yield f"Port must be non-zero for a {kind}"
    if service.connect.sidecar_service is not None:
        yield f"A {kind} cannot have a sidecar service defined"
    for name in _set_destination_fields(proxy):
        yield f"The Proxy.{name} configuration is invalid for a {kind}"


def _set_destination_fields(proxy: ConnectProxyConfig) -> list[str]:
    fields = (
        (proxy.destination_service_name, "DestinationServiceName"),
        (proxy.destination_service_id, "DestinationServiceID"),
        (proxy.local_service_address, "LocalServiceAddress"),
        (proxy.local_service_port, "LocalServicePort"),
        (proxy.upstreams, "Upstreams"),
    )
    return [name for value, name in fields if value]
