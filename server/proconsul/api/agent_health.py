"""`/v1/agent/health/service/`: how this agent sees its services, for load balancers.

The status code says it all: 200 passing, 429 warning, 503 critical or in maintenance, 404
unknown; the worst of several services counts (agent/agent_endpoint.go).
"""

from typing import Any

from proconsul.api.agent_forms import agent_service, health_check_json
from proconsul.api.failure import HttpError
from proconsul.api.http import Request
from proconsul.api.options import refuse_namespaces
from proconsul.api.process import ServiceHealth
from proconsul.api.reply import Reply
from proconsul.api.surface import Api
from proconsul.wire.gostruct import to_json

_CODES = {"passing": 200, "warning": 429, "critical": 503, "maintenance": 503}
_FROM_BEST_TO_WORST = ("passing", "warning", "critical", "maintenance")


async def by_id(api: Api, request: Request) -> Reply:
    """`GET /v1/agent/health/service/id/:id`."""
    service_id = request.path.removeprefix("/v1/agent/health/service/id/")
    if not service_id:
        # Consul words it as a bad request, but answers 500.
        raise HttpError(500, "Bad request: Missing serviceID")
    refuse_namespaces(request)
    health = api.process.local.health_of_service(service_id)
    if health is None:
        reason = f"ServiceId {service_id} not found"
        if _wants_text(request):
            return _quoted(404, reason)
        return _json(404, reason, {"AggregatedStatus": "critical", "Service": None, "Checks": None})
    if _wants_text(request):
        return _text(_CODES[health.status], health.status)
    return _json(_CODES[health.status], health.status, _shown(health))


async def by_name(api: Api, request: Request) -> Reply:
    """`GET /v1/agent/health/service/name/:name`: all services of that name."""
    name = request.path.removeprefix("/v1/agent/health/service/name/")
    if not name:
        raise HttpError(500, "Bad request: Missing service Name")
    refuse_namespaces(request)
    found = api.process.local.health_of_named(name)
    if found:
        status = max((one.status for one in found), key=_FROM_BEST_TO_WORST.index)
        code, reason = _CODES[status], status
    else:
        code, reason = 404, f"ServiceName {name} Not Found"
    if _wants_text(request):
        return _text(code, reason)
    return _json(code, reason, [_shown(one) for one in found])


def _wants_text(request: Request) -> bool:
    """An Accept header that begins with text/plain says it, or `?format=text`."""
    return (
        request.headers.first("accept").startswith("text/plain")
        or request.query.first("format") == "text"
    )


def _shown(health: ServiceHealth) -> dict[str, Any]:
    return {
        "AggregatedStatus": health.status,
        "Service": to_json(agent_service(health.service)),
        "Checks": [health_check_json(check) for check in health.checks],
    }


def _json(code: int, reason: str, value: Any) -> Reply:
    return Reply(value, status=code, headers=(("X-Consul-Reason", reason),), floats=True)


def _quoted(code: int, reason: str) -> Reply:
    """The one answer that Consul gives as a JSON text where plain text was asked for."""
    return Reply(reason, status=code, headers=(("X-Consul-Reason", reason),))


def _text(code: int, reason: str) -> Reply:
    headers = (("X-Consul-Reason", reason),)
    return Reply(reason, status=code, headers=headers, content_type="text/plain")
