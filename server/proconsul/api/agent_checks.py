"""`/v1/agent/check…`: the checks of this agent (agent/agent_endpoint.go)."""

from proconsul.api.agent_bodies import CheckUpdate
from proconsul.api.agent_forms import check_json
from proconsul.api.agent_requests import refusals
from proconsul.api.failure import BadRequestError
from proconsul.api.http import Request
from proconsul.api.options import parse_token, refuse_namespaces
from proconsul.api.parsing import decoded
from proconsul.api.reply import NOTHING, Reply
from proconsul.api.surface import Api, ApiHandler
from proconsul.errors import RpcError
from proconsul.filters.evaluate import FilterError, check_syntax, compile_filter
from proconsul.local.definitions import CheckDefinition
from proconsul.local.state import STATUSES, Source, Status
from proconsul.model.health import HealthCheck


async def checks(api: Api, request: Request) -> Reply:
    """`GET /v1/agent/checks`: by id, or those that a filter lets through."""
    refuse_namespaces(request)
    expression = request.query.first("filter")
    check_syntax(expression)
    found = sorted(api.process.local.checks().items())
    try:
        wanted = compile_filter(expression if found else "", HealthCheck)
    except FilterError as failure:
        # Consul looks at names and values only when it tests the first check.
        raise RpcError(failure.detail) from failure
    return Reply({check_id: check_json(check) for check_id, check in found if wanted(check)})


async def register(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/check/register`."""
    refuse_namespaces(request)
    definition = decoded(api, CheckDefinition, request)
    local = api.process.local
    with refusals():
        check, how = local.check_to_add(definition)
        await local.add_check(
            check, how, definition.token or parse_token(request), source=Source.REMOTE
        )
    await local.sync_changes()
    return NOTHING


async def deregister(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/check/deregister/:id`; an unknown one is no error."""
    check_id = request.path.removeprefix("/v1/agent/check/deregister/")
    refuse_namespaces(request)
    await api.process.local.remove_check(check_id)
    await api.process.local.sync_changes()
    return NOTHING


def _report(verb: str, status: str) -> ApiHandler:
    prefix = f"/v1/agent/check/{verb}/"

    async def report(api: Api, request: Request) -> Reply:
        """`PUT /v1/agent/check/:verb/:id?note=why`."""
        check_id = request.path.removeprefix(prefix)
        refuse_namespaces(request)
        await _update(api, check_id, status, request.query.first("note"))
        return NOTHING

    return report


passes = _report("pass", Status.PASSING)
warns = _report("warn", Status.WARNING)
fails = _report("fail", Status.CRITICAL)


async def update(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/check/update/:id`: status and output in the body."""
    told = decoded(api, CheckUpdate, request)
    if told.status not in STATUSES:
        raise BadRequestError(f"Invalid check status: '{told.status}'")
    check_id = request.path.removeprefix("/v1/agent/check/update/")
    refuse_namespaces(request)
    await _update(api, check_id, told.status, told.output)
    return NOTHING


async def _update(api: Api, check_id: str, status: str, output: str) -> None:
    await api.process.local.update_ttl_check(check_id, status, output)
    await api.process.local.sync_changes()
