"""Maintenance mode: a critical check that nobody runs, on the node or on one service."""

from proconsul.local.state import Status
from proconsul.model.catalog import NodeService
from proconsul.model.health import HealthCheck

NODE_CHECK_ID = "_node_maintenance"
SERVICE_CHECK_PREFIX = "_service_maintenance:"

_NODE_REASON = (
    "Maintenance mode is enabled for this node, but no reason was provided. "
    "This is a default message."
)
_SERVICE_REASON = (
    "Maintenance mode is enabled for this service, but no reason was provided. "
    "This is a default message."
)


def node_check(reason: str) -> HealthCheck:
    """The check that takes the whole node out."""
    return HealthCheck(
        check_id=NODE_CHECK_ID,
        name="Node Maintenance Mode",
        notes=reason or _NODE_REASON,
        status=Status.CRITICAL,
        type="maintenance",
    )


def service_check_id(service_id: str) -> str:
    """The id of the check that takes a service out."""
    return SERVICE_CHECK_PREFIX + service_id


def service_check(service: NodeService, reason: str) -> HealthCheck:
    """The check that takes a service out."""
    return HealthCheck(
        check_id=service_check_id(service.id),
        name="Service Maintenance Mode",
        notes=reason or _SERVICE_REASON,
        service_id=service.id,
        service_name=service.service,
        service_tags=service.tags,
        status=Status.CRITICAL,
        type="maintenance",
    )
