"""From a service definition to what is registered: the service, its checks, its sidecar.

Facts: agent.go (addServiceInternal), sidecar_service.go. Nothing is changed here: the caller
applies a `Registration` once it is admitted and on disk.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from proconsul.local.checks import CheckRules, admit, kind_of
from proconsul.local.definitions import check_types, node_service
from proconsul.local.failure import BadDefinitionError, LocalError
from proconsul.local.state import Source, Status
from proconsul.local.validation import (
    complaint_about_addresses,
    complaint_about_meta,
    ip_version,
)
from proconsul.model.catalog import (
    NodeService,
    ServiceAddress,
    ServiceConnect,
    ServiceDefinition,
    Weights,
)
from proconsul.model.health import CheckType, HealthCheck
from proconsul.model.service_rules import CONNECT_PROXY
from proconsul.wire.golang import SECOND, Duration, join_host_port

SIDECAR_SUFFIX = "-sidecar-proxy"

_BAD_SIDECAR = "Bad request: Invalid SidecarService: "


class Registration(Struct, frozen=True, kw_only=True):
    """A service to register with its checks, under a token."""

    service: NodeService
    checks: tuple[CheckType, ...]
    token: str


class PortRange(Struct, frozen=True, kw_only=True):
    """Ports from which sidecars get theirs, both ends included; 0 turns that off."""

    first: int
    last: int


def registrations(
    definition: ServiceDefinition, token: str, services: Mapping[str, NodeService], ports: PortRange
) -> tuple[Registration, ...]:
    """The service itself and, if it asks for one, its sidecar.

    `services` are the registered ones, for the sidecar's port. Raises BadDefinitionError.
    """
    service = node_service(definition)
    plain = Registration(
        service=replace(service, connect=ServiceConnect(native=service.connect.native)),
        checks=tuple(check_types(definition)),
        token=token,
    )
    wanted = service.connect.sidecar_service
    if wanted is None:
        return (plain,)
    return (plain, _sidecar(service, wanted, token, services, ports))


def sidecar_id(service_id: str) -> str:
    """The id of the sidecar of a service."""
    return service_id + SIDECAR_SUFFIX


def _sidecar(
    parent: NodeService,
    wanted: ServiceDefinition,
    token: str,
    services: Mapping[str, NodeService],
    ports: PortRange,
) -> Registration:
    made = node_service(wanted)
    complaint = complaint_about_meta(made.kind, made.meta)
    if complaint:
        raise BadDefinitionError(_BAD_SIDECAR + complaint)
    proxy = replace(
        made.proxy,
        destination_service_name=made.proxy.destination_service_name or parent.service,
        destination_service_id=made.proxy.destination_service_id or parent.id,
        local_service_address=made.proxy.local_service_address or "127.0.0.1",
        local_service_port=made.proxy.local_service_port
        if made.proxy.local_service_port > 0
        else parent.port,
    )
    made = replace(
        made,
        id=sidecar_id(parent.id),
        kind=made.kind or CONNECT_PROXY,
        service=made.service or parent.service + SIDECAR_SUFFIX,
        tags=made.tags or (list(parent.tags) if parent.tags else made.tags),
        meta=made.meta or (dict(parent.meta) if parent.meta else made.meta),
        address=made.address or parent.address,
        proxy=proxy,
        locally_registered_as_sidecar=True,
    )
    if made.port < 1:
        made = replace(made, port=_free_port(made.id, services, ports))
    return Registration(
        service=made,
        checks=tuple(check_types(wanted)) or _sidecar_checks(parent, made),
        token=wanted.token or token,
    )


def _free_port(service_id: str, services: Mapping[str, NodeService], ports: PortRange) -> int:
    if ports.first < 1 or ports.last < 1:
        raise BadDefinitionError(
            _BAD_SIDECAR + "no port provided for sidecar_service "
            "and auto-assignment disabled in config"
        )
    candidates = range(ports.first, ports.last + 1)
    before = services.get(service_id)
    if before is not None and before.port in candidates:
        return before.port
    used = {service.port for service in services.values()}
    for port in candidates:
        if port not in used:
            return port
    raise BadDefinitionError(
        _BAD_SIDECAR + "no port provided for sidecar_service and none left in the "
        f"configured range [{ports.first}, {ports.last}]"
    )


def _sidecar_checks(parent: NodeService, sidecar: NodeService) -> tuple[CheckType, ...]:
    return (
        CheckType(
            name="Connect Sidecar Listening",
            tcp=join_host_port(sidecar.proxy.local_service_address, sidecar.port),
            interval=Duration(10 * SECOND),
        ),
        CheckType(name=f"Connect Sidecar Aliasing {parent.id}", alias_service=parent.id),
    )


# ---------------------------------------------------------------- admission


class Admitted(Struct, frozen=True, kw_only=True):
    """A registration that this agent takes: ready for the state, the disk and the runners."""

    service: NodeService
    checks: tuple[tuple[HealthCheck, CheckType], ...]
    token: str
    source: Source


def admit_service(
    registration: Registration,
    source: Source,
    rules: CheckRules,
    known_checks: Mapping[str, HealthCheck],
) -> Admitted:
    """Complete a service and its checks; a known check keeps its status and output.

    Raises LocalError.
    """
    service = registration.service
    if not service.service:
        raise LocalError("Service name missing")
    complaint = complaint_about_addresses(service)
    if complaint:
        raise LocalError(complaint)
    service = replace(
        service,
        id=service.id or service.service,
        weights=service.weights or Weights(passing=1, warning=1),
        tagged_addresses=_tagged_addresses(service),
    )
    checks = []
    for position, given in enumerate(registration.checks, start=1):
        check = admit(given, source, rules)
        numbered = position if len(registration.checks) > 1 else None
        health = _service_check(service, check, numbered)
        known = known_checks.get(health.check_id)
        if known is not None:
            health = replace(health, status=known.status, output=known.output)
        checks.append((health, check))
    return Admitted(service=service, checks=tuple(checks), token=registration.token, source=source)


def _tagged_addresses(service: NodeService) -> dict[str, ServiceAddress]:
    tagged = dict(service.tagged_addresses or {})
    version = ip_version(service.address)
    if version is not None:
        own = ServiceAddress(address=service.address, port=service.port)
        tagged.setdefault(f"lan_ipv{version}", own)
        tagged.setdefault(f"wan_ipv{version}", own)
    return tagged


def _service_check(service: NodeService, check: CheckType, number: int | None) -> HealthCheck:
    suffix = "" if number is None else f":{number}"
    return HealthCheck(
        check_id=check.check_id or f"service:{service.id}{suffix}",
        name=check.name or f"Service '{service.service}' check",
        status=check.status or Status.CRITICAL,
        notes=check.notes,
        service_id=service.id,
        service_name=service.service,
        service_tags=service.tags,
        type=kind_of(check),
    )
