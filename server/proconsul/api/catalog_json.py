"""The JSON of nodes, services and checks where Go's own encoding is overruled.

Lists that clients go through are never null there, and the definition of a check spells its
durations (agent/structs, `MarshalJSON`).
"""

from collections.abc import Iterable
from typing import Any

from proconsul.api.fragments import Fragments
from proconsul.model.catalog import CheckServiceNode, ConnectProxyConfig, Node, NodeService
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


def listed_check_json(check: HealthCheck) -> Json:
    """A check in a list: its tags are a list, too."""
    made = check_json(check)
    if check.service_tags is None:
        made["ServiceTags"] = []
    return made


_CHECKS = Fragments(listed_check_json)


def checks_json(checks: Iterable[HealthCheck] | None) -> bytes:
    """Checks in a list, encoded."""
    return b"[" + b",".join([_CHECKS.of(check) for check in checks or ()]) + b"]"


def service_json(service: NodeService) -> Json:
    """A service with a list of tags."""
    made = to_json(service)
    if service.tags is None:
        made["Tags"] = []
    return made


def holds_floats(proxy: ConnectProxyConfig) -> bool:
    """Whether the settings of a proxy may hold numbers, which are floats there."""
    return bool(proxy.config or proxy.upstreams)


_NODES: Fragments[Node] = Fragments(to_json)
_SERVICES = Fragments(service_json, lambda service: holds_floats(service.proxy))


def health_json(rows: Iterable[CheckServiceNode]) -> bytes:
    """Instances of a service with their nodes and checks, encoded."""
    return b"[" + b",".join([_instance_json(row) for row in rows]) + b"]"


def _instance_json(row: CheckServiceNode) -> bytes:
    node = b"null" if row.node is None else _NODES.of(row.node)
    service = b"null" if row.service is None else _SERVICES.of(row.service)
    checks = checks_json(row.checks)
    return b'{"Node":' + node + b',"Service":' + service + b',"Checks":' + checks + b"}"
