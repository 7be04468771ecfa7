"""Whether a service definition is right, in Consul's words (structs.go, agent.go).

`validate_definition` is what the HTTP API asks of a body (status 400), in its order;
`complaint_about_addresses` is what only the agent asks.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator

from proconsul.local.checks import complaint_about
from proconsul.local.definitions import check_types, node_service
from proconsul.local.failure import BadDefinitionError
from proconsul.local.state import STATUSES
from proconsul.model.catalog import (
    NodeService,
    ServiceDefinition,
    Weights,
)
from proconsul.model.health import CheckType
from proconsul.model.service_rules import complaints_about_service
from proconsul.wire.golang import list_of_errors

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
