"""`/v1/agent/`: the agent itself, its members, its log, its end (agent/agent_endpoint.go)."""

from typing import Any

from proconsul.api.agent_bodies import AgentToken
from proconsul.api.failure import BadRequestError, HttpError, NotFoundError
from proconsul.api.http import Request, Response
from proconsul.api.parsing import decoded
from proconsul.api.process import Member
from proconsul.api.reply import NOTHING, NULL, Reply
from proconsul.api.surface import Api
from proconsul.errors import RpcError
from proconsul.wire.golang import quote

ALL_SEGMENTS = "_all"
LOG_LEVELS = frozenset({"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "ERR"})
TOKEN_KINDS = {
    "acl_token": "default",
    "default": "default",
    "acl_agent_token": "agent",
    "agent": "agent",
    "acl_agent_master_token": "agent_master",
    "agent_master": "agent_master",
    "acl_replication_token": "replication",
    "replication": "replication",
}


async def own_self(api: Api, request: Request) -> Reply:
    """`GET /v1/agent/self`."""
    description = api.process.self_description()
    description["Member"] = _member_json(description["Member"])
    return Reply(description, floats=True)


async def host(api: Api, request: Request) -> Reply:
    """`GET /v1/agent/host`: the machine."""
    return Reply(api.process.host(), floats=True)


async def members(api: Api, request: Request) -> Reply:
    """`GET /v1/agent/members`: the pool of this datacenter, or with `?wan` that of all."""
    wan = bool(request.query.first("wan"))
    segment = request.query.first("segment")
    if wan and segment not in ("", ALL_SEGMENTS):
        raise BadRequestError("Cannot provide a segment with wan=true")
    if segment not in ("", ALL_SEGMENTS):
        raise RpcError("Network segments are not supported in this version of Consul")
    # A client knows no pool of all datacenters, which is null.
    return Reply([_member_json(member) for member in api.process.members(wan)] or NULL)


def _member_json(member: Member) -> dict[str, Any]:
    low, high, current = member.protocol
    delegate_low, delegate_high, delegate_current = member.delegate
    return {
        "Name": member.name,
        "Addr": member.address,
        "Port": member.port,
        "Tags": dict(sorted(member.tags.items())),
        "Status": member.status,
        "ProtocolMin": low,
        "ProtocolMax": high,
        "ProtocolCur": current,
        "DelegateMin": delegate_low,
        "DelegateMax": delegate_high,
        "DelegateCur": delegate_current,
    }


async def join(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/join/:address`, with `?wan` the pool of all datacenters."""
    address = request.path.removeprefix("/v1/agent/join/")
    await api.process.join(address, bool(request.query.first("wan")))
    return NOTHING


async def force_leave(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/force-leave/:node`, with `?prune` out of the list of members, too."""
    node = request.path.removeprefix("/v1/agent/force-leave/")
    await api.process.force_leave(node, request.query.has("prune"))
    return NOTHING


async def leave(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/leave`: leave the cluster, then end the process."""
    await api.process.leave()
    return NOTHING


async def reload(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/reload`: read the configuration again."""
    await api.process.reload()
    return NOTHING


async def monitor(api: Api, request: Request) -> Response:
    """`GET /v1/agent/monitor`: log lines from now on, for as long as the client listens."""
    level = request.query.first("loglevel") or "INFO"
    if level.upper() not in LOG_LEVELS:
        raise BadRequestError(f"Bad request: Unknown log level: {level}")
    as_json = request.query.has("logjson")  # whatever its value
    return Response(200, api.process.monitor(level.upper(), as_json), [])


async def token(api: Api, request: Request) -> Reply:
    """`PUT /v1/agent/token/:kind`: a token that the agent itself uses."""
    if not api.facts.acl_enabled:
        raise HttpError(401, "ACL support disabled")
    told = decoded(api, AgentToken, request)
    name = request.path.removeprefix("/v1/agent/token/")
    kind = TOKEN_KINDS.get(name)
    if kind is None or not await api.process.set_token(kind, told.token):
        raise NotFoundError(f"Token {quote(name)} is unknown")
    return NOTHING
