"""`/v1/operator/`: raft and autopilot (agent/operator_endpoint.go)."""

from typing import Any

from proconsul.api.failure import BadRequestError
from proconsul.api.http import Request
from proconsul.api.options import (
    parse_datacenter,
    parse_options,
    parse_token,
    parse_uint64,
    uint64_error,
)
from proconsul.api.reply import NOTHING, Reply
from proconsul.api.surface import Api
from proconsul.model.operator import (
    AutopilotConfig,
    AutopilotSetConfigRequest,
    OperatorHealthReply,
    RaftConfigurationResponse,
    RaftRemovePeerRequest,
    RaftTransferLeaderRequest,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.wire.golang import format_duration
from proconsul.wire.gostruct import to_json
from proconsul.wire.json_decode import BodyError

SERF_STATUSES = ("none", "alive", "leaving", "left", "failed")
UNHEALTHY = 429  # the status of a health answer that says so


async def raft_configuration(api: Api, request: Request) -> Reply:
    """`GET /v1/operator/raft/configuration`."""
    found: RaftConfigurationResponse = await api.call(
        "Operator.RaftGetConfiguration", _wanted(api, request)
    )
    return Reply(to_json(found))


async def raft_peer(api: Api, request: Request) -> Reply:
    """`DELETE /v1/operator/raft/peer`, by `?id` or by `?address`."""
    by_id, by_address = request.query.has("id"), request.query.has("address")
    if not by_id and not by_address:
        raise BadRequestError(
            "Bad request: Must specify either ?id with the server's ID or ?address with IP:port "
            "of peer to remove"
        )
    if by_id and by_address:
        raise BadRequestError("Bad request: Must specify only one of ?id or ?address")
    await api.call(
        "Operator.RaftRemovePeerByID" if by_id else "Operator.RaftRemovePeerByAddress",
        RaftRemovePeerRequest(
            datacenter=parse_datacenter(request, api.facts.datacenter),
            id=request.query.first("id"),
            address=request.query.first("address"),
            token=parse_token(request),
        ),
    )
    return NOTHING


async def raft_transfer_leader(api: Api, request: Request) -> Reply:
    """`POST /v1/operator/raft/transfer-leader`, to `?id` if one is named (Consul 1.15)."""
    await api.call(
        "Operator.RaftTransferLeader",
        RaftTransferLeaderRequest(
            datacenter=parse_datacenter(request, api.facts.datacenter),
            id=request.query.first("id"),
            token=parse_token(request),
        ),
    )
    return Reply({"Success": True})


async def autopilot_configuration(api: Api, request: Request) -> Reply:
    """`GET` and `PUT /v1/operator/autopilot/configuration`."""
    if request.method == "GET":
        config: AutopilotConfig = await api.call(
            "Operator.AutopilotGetConfiguration", _wanted(api, request)
        )
        return Reply(_with_duration_texts(to_json(config)))
    change, is_cas = _parse_change(api, request)
    done: bool = await api.call("Operator.AutopilotSetConfiguration", change)
    return Reply(done or not is_cas)


def _parse_change(api: Api, request: Request) -> tuple[AutopilotSetConfigRequest, bool]:
    try:
        config, _ = api.decoder.decode(AutopilotConfig, request.body)
    except BodyError as failure:
        raise BadRequestError(f"Bad request: Error parsing autopilot config: {failure}") from None
    text = request.query.first("cas")
    index = 0
    if text:
        number = parse_uint64(text)
        if number is None:
            raise BadRequestError(f"Bad request: Error parsing cas value: {uint64_error(text)}")
        index = number
    change = AutopilotSetConfigRequest(
        datacenter=parse_datacenter(request, api.facts.datacenter),
        config=AutopilotConfig(
            cleanup_dead_servers=config.cleanup_dead_servers,
            last_contact_threshold=config.last_contact_threshold,
            max_trailing_logs=config.max_trailing_logs,
            min_quorum=config.min_quorum,
            server_stabilization_time=config.server_stabilization_time,
            redundancy_zone_tag=config.redundancy_zone_tag,
            disable_upgrade_migration=config.disable_upgrade_migration,
            upgrade_version_tag=config.upgrade_version_tag,
            modify_index=index,
        ),
        cas=bool(text),
        token=parse_token(request),
    )
    return change, bool(text)


async def autopilot_health(api: Api, request: Request) -> Reply:
    """`GET /v1/operator/autopilot/health`; the status says it, too."""
    found: OperatorHealthReply = await api.call("Operator.ServerHealth", _wanted(api, request))
    builtins = to_json(found)
    builtins["Servers"] = [_server_json(server) for server in builtins["Servers"] or ()]
    return Reply(builtins, status=200 if found.healthy else UNHEALTHY)


def _wanted(api: Api, request: Request) -> DCSpecificRequest:
    options = parse_options(request)
    return DCSpecificRequest(datacenter=parse_datacenter(request, api.facts.datacenter), **options)


def _server_json(builtins: dict[str, Any]) -> dict[str, Any]:
    builtins["SerfStatus"] = SERF_STATUSES[builtins["SerfStatus"]]
    return _with_duration_texts(builtins)


def _with_duration_texts(builtins: dict[str, Any]) -> dict[str, Any]:
    """The public API writes these as texts."""
    for name in ("LastContactThreshold", "ServerStabilizationTime", "LastContact"):
        if name in builtins:
            builtins[name] = format_duration(builtins[name])
    return builtins
