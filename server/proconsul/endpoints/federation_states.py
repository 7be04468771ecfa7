"""`FederationState.*`: the mesh gateways of all datacenters.

Each datacenter tells the primary one of its own, and copies the others' from there.
"""

from msgspec.structs import replace

from proconsul.endpoints.blocking import blocking_query, check_datacenter
from proconsul.endpoints.config_entries import primary_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.endpoints.timing import timed
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType
from proconsul.model.catalog import DatacenterIndexedCheckServiceNodes
from proconsul.model.federation_state import (
    FederationState,
    FederationStateQuery,
    FederationStateRequest,
    FederationStateResponse,
    IndexedFederationStates,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.store import federation_states
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import ZERO_TIME, time_from_unix_ns

UPSERT = "upsert"
DELETE = "delete"


async def apply(context: Context, request: FederationStateRequest) -> bool:
    """`FederationState.Apply`: True for a state that was written, False for one deleted."""
    primary = primary_datacenter(context)
    with timed(context, "federation_state.apply"):
        state = request.state
        if state is None or not state.datacenter:
            raise RpcError("invalid request: missing federation state datacenter")
        if request.op not in (UPSERT, DELETE):
            raise RpcError(f"Invalid federation state operation: {request.op}")
        if request.op == UPSERT and state.updated_at == ZERO_TIME:
            # The wall clock is no matter for the FSM: every server must keep the same.
            state = replace(state, updated_at=time_from_unix_ns(context.world.unix_ns()))
        command = replace(request, state=state, datacenter=primary)
        return await context.log.propose(MessageType.FEDERATION_STATE, command) is True


async def get(context: Context, request: FederationStateQuery) -> FederationStateResponse:
    """`FederationState.Get`: what this datacenter knows of one of them, or nothing."""
    check_datacenter(context, request.target_datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, FederationState | None]:
        return federation_states.federation_state(state, watch, request.datacenter)

    with timed(context, "federation_state.get"):
        answer = await blocking_query(context, request, query)
    return answer.reply(FederationStateResponse, state=answer.value)


async def list_all(context: Context, request: DCSpecificRequest) -> IndexedFederationStates:
    """`FederationState.List`: what this datacenter knows of all of them."""
    check_datacenter(context, request.datacenter)
    with timed(context, "federation_state.list"):
        answer = await blocking_query(context, request, federation_states.federation_states)
    return answer.reply(IndexedFederationStates, states=answer.value)


async def list_mesh_gateways(
    context: Context, request: DCSpecificRequest
) -> DatacenterIndexedCheckServiceNodes:
    """`FederationState.ListMeshGateways`: the gateways of all that have some."""
    check_datacenter(context, request.datacenter)
    with timed(context, "federation_state.list_mesh_gateways"):
        answer = await blocking_query(context, request, federation_states.federation_states)
    gateways = {row.datacenter: row.mesh_gateways for row in answer.value if row.mesh_gateways}
    return answer.reply(DatacenterIndexedCheckServiceNodes, datacenter_nodes=gateways)


METHODS = {
    "FederationState.Apply": Method(FederationStateRequest, apply, primary=True),
    "FederationState.Get": Method(FederationStateQuery, get, read=True),
    "FederationState.List": Method(DCSpecificRequest, list_all, read=True),
    "FederationState.ListMeshGateways": Method(DCSpecificRequest, list_mesh_gateways, read=True),
}
