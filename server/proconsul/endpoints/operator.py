"""`Operator.*`: the raft configuration and autopilot, as operators see and set them."""

from proconsul.endpoints.blocking import check_datacenter, require_leadership
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.fsm.commands import MessageType
from proconsul.model.operator import (
    AutopilotConfig,
    AutopilotSetConfigRequest,
    OperatorHealthReply,
    RaftConfigurationResponse,
    RaftRemovePeerRequest,
    RaftTransferLeaderRequest,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.store import autopilot


async def raft_get_configuration(
    context: Context, request: DCSpecificRequest
) -> RaftConfigurationResponse:
    """`Operator.RaftGetConfiguration`: the servers that vote, or will."""
    check_datacenter(context, request.datacenter)
    return context.log.configuration()


async def raft_remove_peer_by_id(context: Context, request: RaftRemovePeerRequest) -> None:
    """`Operator.RaftRemovePeerByID`."""
    check_datacenter(context, request.datacenter)
    await context.log.remove_peer(request.id, "")


async def raft_remove_peer_by_address(context: Context, request: RaftRemovePeerRequest) -> None:
    """`Operator.RaftRemovePeerByAddress`."""
    check_datacenter(context, request.datacenter)
    await context.log.remove_peer("", request.address)


async def raft_transfer_leader(context: Context, request: RaftTransferLeaderRequest) -> None:
    """`Operator.RaftTransferLeader`: another leads when it answers (Consul has it since 1.15)."""
    check_datacenter(context, request.datacenter)
    await context.log.transfer_leadership(request.id)


async def autopilot_get_configuration(
    context: Context, request: DCSpecificRequest
) -> AutopilotConfig:
    """`Operator.AutopilotGetConfiguration`; zeros before the first leader wrote one."""
    check_datacenter(context, request.datacenter)
    if request.require_consistent:
        await context.log.confirm_leadership()
    else:
        await require_leadership(context, stale=request.allow_stale)
    _, config = autopilot.autopilot_config(context.state.read(), None)
    return config or AutopilotConfig()


async def autopilot_set_configuration(context: Context, request: AutopilotSetConfigRequest) -> bool:
    """`Operator.AutopilotSetConfiguration`; True only where a check-and-set won."""
    check_datacenter(context, request.datacenter)
    return await context.log.propose(MessageType.AUTOPILOT, request) is True


async def server_health(context: Context, request: DCSpecificRequest) -> OperatorHealthReply:
    """`Operator.ServerHealth`: autopilot's judgement."""
    check_datacenter(context, request.datacenter)
    return context.log.server_health()


METHODS = {
    "Operator.RaftGetConfiguration": Method(DCSpecificRequest, raft_get_configuration, read=True),
    "Operator.RaftRemovePeerByID": Method(RaftRemovePeerRequest, raft_remove_peer_by_id),
    "Operator.RaftRemovePeerByAddress": Method(RaftRemovePeerRequest, raft_remove_peer_by_address),
    "Operator.RaftTransferLeader": Method(RaftTransferLeaderRequest, raft_transfer_leader),
    "Operator.AutopilotGetConfiguration": Method(
        DCSpecificRequest, autopilot_get_configuration, read=True
    ),
    "Operator.AutopilotSetConfiguration": Method(
        AutopilotSetConfigRequest, autopilot_set_configuration
    ),
    # Only the leader knows: never stale, as in Consul.
    "Operator.ServerHealth": Method(DCSpecificRequest, server_health),
}
