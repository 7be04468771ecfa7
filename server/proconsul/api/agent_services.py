"""`/v1/agent/service…`: the services of this agent (agent/agent_endpoint.go)."""

from msgspec.structs import replace

from proconsul.api.agent_forms import AgentService, agent_service, hash_of
from proconsul.api.agent_requests import parse_enable, refusals
from proconsul.api.failure import BadRequestError, NotFoundError
from proconsul.api.http import Request
from proconsul.api.options import parse_token, parse_uint64, refuse_namespaces
from proconsul.api.parsing import decoded
from proconsul.api.reply import NOTHING, Reply
from proconsul.api.surface import Api
from proconsul.errors import RpcError
from proconsul.filters.evaluate import compile_filter
from proconsul.local.failure import LocalError
from proconsul.local.state import Source
from proconsul.model.catalog import ServiceDefinition
from proconsul.wire.golang import SECOND, DurationError, parse_duration
from proconsul.wire.gostruct import to_json

HASH_WAIT_DEFAULT_S = 300.0
HASH_WAIT_MAX_S = 600.0


async def services(api: Api, request: Request) -> Reply:
    """`GET /v1/agent/services`: by id, or those that a filter lets through."""
    refuse_namespaces(request)
    wanted = compile_filter(request.query.first("filter"), AgentService)
    shown = {
        service_id: agent_service(service)
        for service_id, service in sorted(api.process.local.services().items())
    }
    return Reply(
        {service_id: to_json(one) for service_id, one in shown.items() if wanted(one)},
        floats=True,
    )


async def service(api: Api, request: Request) -> Reply:
    """`GET /v1/agent/service/:id`; with `?hash`, when it is another one, or the time is over."""
    wait_s = _wait_s(request)
    refuse_namespaces(request)
    service_id = request.path.removeprefix("/v1/agent/service/")
    local = api.process.local
    known_hash = request.query.first("hash")
    until_s = api.now_s() + wait_s
    while True:
        version = local.version_of(service_id)
        found = local.service(service_id)
        if found is None:
            raise NotFoundError(f"unknown service ID: {service_id}")
        shown = agent_service(found)
        content_hash = hash_of(shown)
        left_s = until_s - api.now_s()
        if content_hash != known_hash or left_s <= 0:
            break
        await local.wait_for_change(service_id, version, left_s)
    return Reply(
        to_json(replace(shown, content_hash=content_hash)),
        headers=(("X-Consul-Contenthash", content_hash),),
        floats=True,
    )


def _wait_s(request: Request) -> float:
    """`?wait`, the only common parameter that counts here, though a bad index is refused, too."""
    index = request.query.first("index")
    asked_s = 0.0
    if text := request.query.first("wait"):
        try:
            asked_s = parse_duration(text) / SECOND
        except DurationError:
            raise BadRequestError("Invalid wait time") from None
    if index and parse_uint64(index) is None:
        raise BadRequestError("Invalid index")
    return min(asked_s, HASH_WAIT_MAX_S) if asked_s else HASH_WAIT_DEFAULT_S


async def register(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/service/register`."""
    refuse_namespaces(request)
    definition = decoded(api, ServiceDefinition, request)
    local = api.process.local
    with refusals():
        await local.add_service(
            definition,
            definition.token or parse_token(request),
            source=Source.REMOTE,
            replace_checks=_wants_replacement(request),
        )
    await local.sync_changes()
    return NOTHING


def _wants_replacement(request: Request) -> bool:
    """`?replace-existing-checks`, bare or "true": any other value is none."""
    name = "replace-existing-checks"
    return request.query.has(name) and request.query.first(name) in ("", "true")


async def deregister(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/service/deregister/:id`; an unknown one is no error."""
    service_id = request.path.removeprefix("/v1/agent/service/deregister/")
    refuse_namespaces(request)
    with refusals():
        await api.process.local.remove_service(service_id)
    await api.process.local.sync_changes()
    return NOTHING


async def maintenance(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/service/maintenance/:id?enable=true&reason=why`."""
    service_id = request.path.removeprefix("/v1/agent/service/maintenance/")
    if not service_id:
        raise BadRequestError("Missing service ID")
    enable = parse_enable(request)
    refuse_namespaces(request)
    local = api.process.local
    try:
        await local.set_service_maintenance(
            service_id, enable, request.query.first("reason"), parse_token(request)
        )
    except LocalError as failure:
        raise NotFoundError(str(failure)) from failure
    await local.sync_changes()
    return NOTHING


async def node_maintenance(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/maintenance?enable=true&reason=why`: the whole node."""
    enable = parse_enable(request)
    local = api.process.local
    try:
        await local.set_node_maintenance(
            enable, request.query.first("reason"), parse_token(request)
        )
    except LocalError as failure:
        raise RpcError(str(failure)) from failure
    await local.sync_changes()
    return NOTHING
