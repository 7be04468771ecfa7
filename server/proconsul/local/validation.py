"""Whether a service definition is right, in Consul's words (structs.go, agent.go).

`validate_definition` is what the HTTP API asks of a body (status 400), in its order;
`complaint_about_addresses` is what only the agent asks.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator

from proconsul.local.checks import complaint_about
from proconsul.local.definitions import check_types, node_service
from proconsul.local.failure import BadDefinitionError, list_of_errors
from proconsul.local.state import STATUSES
from proconsul.model.catalog import (
    ConnectProxyConfig,
    ExposePath,
    NodeService,
    ServiceDefinition,
    Upstream,
    Weights,
)
from proconsul.model.health import CheckType
from proconsul.wire.golang import quote

CONNECT_PROXY = "connect-proxy"
GATEWAYS = frozenset({"mesh-gateway", "terminating-gateway", "ingress-gateway"})
DNS_LABEL_SIZE_BYTES_MAX = 63
META_PAIRS_MAX = 64
META_KEY_SIZE_BYTES_MAX = 128
META_VALUE_SIZE_BYTES_MAX = 512

_META_KEY = re.compile(r"[a-zA-Z0-9_-]+\Z")
# Consul's character class has a backslash in it, so it lets backslashes through.
_NOT_DNS = re.compile(r"[^A-Za-z0-9\\-]")
_MESH_GATEWAY_META = frozenset({"consul-wan-federation"})
_BAD_STATUS = "Status for checks must 'passing', 'warning', 'critical'"


def validate_definition(definition: ServiceDefinition) -> None:
    """Raise BadDefinitionError if a definition could never be registered."""
    if not definition.name:
        raise BadDefinitionError("Missing service name")
    if definition.address in ("0.0.0.0", "::", "[::]"):
        raise BadDefinitionError("Invalid service address")
    complaint = complaint_about_weights(definition.weights)
    if complaint:
        raise BadDefinitionError(f"Invalid Weights: {complaint}")
    complaint = complaint_about_meta(definition.kind, definition.meta)
    if complaint:
        raise BadDefinitionError(f"Invalid Service Meta: {complaint}")
    complaints = list(complaints_about_service(node_service(definition)))
    if complaints:
        raise BadDefinitionError(list_of_errors(complaints))
    _validate_checks(check_types(definition), "", "Invalid check")
    sidecar = definition.connect.sidecar_service if definition.connect else None
    if sidecar is not None:
        _validate_checks(check_types(sidecar), "Bad request: ", "Invalid check in sidecar_service")


def _validate_checks(checks: Iterable[CheckType], prefix: str, what: str) -> None:
    checks = list(checks)
    for check in checks:
        complaint = complaint_about(check)
        if complaint:
            raise BadDefinitionError(f"{prefix}{what}: {complaint}")
    if any(check.status and check.status not in STATUSES for check in checks):
        raise BadDefinitionError(prefix + _BAD_STATUS)


def complaint_about_weights(weights: Weights | None) -> str | None:
    """What is wrong with DNS weights."""
    if weights is None:
        return None
    if weights.passing < 1:
        return "Passing must be greater than 0"
    if weights.warning < 0:
        return "Warning must be greater or equal than 0"
    if max(weights.passing, weights.warning) > 65535:
        return "DNS Weight must be between 0 and 65535"
    return None


def complaint_about_meta(kind: str, meta: dict[str, str] | None) -> str | None:
    """What is wrong with the metadata of a service."""
    allowed = _MESH_GATEWAY_META if kind == "mesh-gateway" else frozenset()
    if len(meta or ()) > META_PAIRS_MAX:
        return f"Node metadata cannot contain more than {META_PAIRS_MAX} key/value pairs"
    for key, value in (meta or {}).items():
        complaint = _complaint_about_pair(key, value, allowed)
        if complaint:
            return f"Couldn't load metadata pair ('{key}', '{value}'): {complaint}"
    return None


def _complaint_about_pair(key: str, value: str, allowed: frozenset[str]) -> str | None:
    rules = (
        (not key, "Key cannot be blank"),
        (not _META_KEY.match(key), "Key contains invalid characters"),
        (
            len(key.encode()) > META_KEY_SIZE_BYTES_MAX,
            f"Key is too long (limit: {META_KEY_SIZE_BYTES_MAX} characters)",
        ),
        (
            key.startswith("consul-") and key not in allowed,
            "Key prefix 'consul-' is reserved for internal use",
        ),
        (
            len(value.encode("utf-8", "surrogateescape")) > META_VALUE_SIZE_BYTES_MAX,
            f"Value is too long (limit: {META_VALUE_SIZE_BYTES_MAX} characters)",
        ),
    )
    return next((text for broken, text in rules if broken), None)


def complaints_about_service(service: NodeService) -> Iterator[str]:
    """All that is wrong with a service as part of the mesh (NodeService.Validate)."""
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
        if not 0 < one.listener_port <= 65535:
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


def _set_destination_fields(proxy: ConnectProxyConfig) -> Iterator[str]:
    fields = (
        (proxy.destination_service_name, "DestinationServiceName"),
        (proxy.destination_service_id, "DestinationServiceID"),
        (proxy.local_service_address, "LocalServiceAddress"),
        (proxy.local_service_port, "LocalServicePort"),
        (proxy.upstreams, "Upstreams"),
    )
    return (name for value, name in fields if value)


def complaint_about_addresses(service: NodeService) -> str | None:
    """What is wrong with the addresses by family of a service."""
    for tag, version in (("lan_ipv4", 4), ("wan_ipv4", 4), ("lan_ipv6", 6)):
        tagged = (service.tagged_addresses or {}).get(tag)
        if tagged is not None and ip_version(tagged.address) != version:
            return f'Service tagged address "{tag}" must be a valid ipv{version} address'
    return None


def ip_version(address: str) -> int | None:
    """4 or 6; None if the text is no IP address. IPv4 inside IPv6 counts as 4, as in Go."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if "%" in address:  # a zone, which Go's ParseIP does not take
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return 4
    return parsed.version


def dns_warnings(service: NodeService) -> Iterator[str]:
    """Why DNS will not find the service, or not by one of its tags; for the log."""
    for what, name in (("name", service.service), *(("tag", tag) for tag in service.tags or ())):
        if _NOT_DNS.search(name):
            yield (
                f"Service {what} will not be discoverable via DNS due to invalid characters. "
                f"Valid characters include all alpha-numerics and dashes: {what}={name}"
            )
        elif len(name.encode()) > DNS_LABEL_SIZE_BYTES_MAX:
            yield (
                f"Service {what} will not be discoverable via DNS due to it being too long. "
                f"Valid lengths are between 1 and 63 bytes: {what}={name}"
            )


def join_host_port(host: str, port: int) -> str:
    """Write as Go's net.JoinHostPort: IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
