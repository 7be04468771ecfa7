"""The JSON of nodes, services and checks where Go's own encoding is overruled.

Lists that clients go through are never null there, and the definition of a check spells its
durations (agent/structs, `MarshalJSON`).
"""

from collections.abc import Iterable
from typing import Any

from proconsul.model.catalog import CheckServiceNode, ConnectProxyConfig, NodeService
from proconsul.model.health import HealthCheck, HealthCheckDefinition
from proconsul.wire.golang import format_duration
from proconsul.wire.gostruct import to_json

Json = dict[str, Any]

_EMPTY_DEFINITION = HealthCheckDefinition()


def definition_json(definition: HealthCheckDefinition) -> Json:
    """A definition: durations as texts, and first; the TTL alone stays in nanoseconds."""
    if definition == _EMPTY_DEFINITION:
        return {}
    plain = to_json(definition)
    made: Json = {}
    if definition.interval:
        made["Interval"] = format_duration(definition.interval)
    if definition.output_max_size:
        made["OutputMaxSize"] = definition.output_max_size
    if definition.timeout:
        made["Timeout"] = format_duration(definition.timeout)
    if definition.deregister_critical_service_after:
        made["DeregisterCriticalServiceAfter"] = format_duration(
            definition.deregister_critical_service_after
        )
    for name, value in plain.items():
        made.setdefault(name, value)
    return made


def check_json(check: HealthCheck) -> Json:
    """A check as it is."""
    made = to_json(check)
    made["Definition"] = definition_json(check.definition)
    return made


def checks_json(checks: Iterable[HealthCheck] | None) -> list[Json]:
    """Checks, each with a list of tags."""
    found = []
    for check in checks or ():
        made = check_json(check)
        if check.service_tags is None:
            made["ServiceTags"] = []
        found.append(made)
    return found


def service_json(service: NodeService) -> Json:
    """A service with a list of tags."""
    made = to_json(service)
    if service.tags is None:
        made["Tags"] = []
    return made


def holds_floats(proxy: ConnectProxyConfig) -> bool:
    """Whether the settings of a proxy may hold numbers, which are floats there."""
    return bool(proxy.config or proxy.upstreams)


def health_json(row: CheckServiceNode) -> Json:
    """An instance of a service with its node and checks."""
    return {
        "Node": None if row.node is None else to_json(row.node),
        "Service": None if row.service is None else service_json(row.service),
        "Checks": checks_json(row.checks),
    }
