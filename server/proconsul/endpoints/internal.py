"""`Internal.*`: events, and what the user interface asks for."""

from proconsul.endpoints.blocking import blocking_query, check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.endpoints.nearness import sorted_near
from proconsul.endpoints.user_events import GOSSIP_PREFIX, from_gossip
from proconsul.errors import RpcError
from proconsul.filters.evaluate import compile_filter
from proconsul.model.catalog import (
    CheckServiceNode,
    IndexedCheckServiceNodes,
    IndexedNodeDump,
    IndexedServiceDump,
    NodeInfo,
    NodeSpecificRequest,
    ServiceDumpRequest,
    ServiceInfo,
    ServiceSpecificRequest,
)
from proconsul.model.event import EventFireRequest, EventFireResponse
from proconsul.model.query import DCSpecificRequest
from proconsul.store import gateway_dump, health
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet


async def event_fire(context: Context, request: EventFireRequest) -> EventFireResponse:
    """`Internal.EventFire`: tell all agents of a user event."""
    check_datacenter(context, request.datacenter)
    payload = request.payload or b""
    try:
        from_gossip(payload, 0)  # what is none would harm the agents that hear it
    except (ValueError, TypeError) as failure:
        raise RpcError(f"Failed to decode event: {failure}") from failure
    await context.lan.user_event(GOSSIP_PREFIX + request.name, payload)
    log = context.log
    return EventFireResponse(known_leader=log.is_leader() or log.leader_known())


async def node_info(context: Context, request: NodeSpecificRequest) -> IndexedNodeDump:
    """`Internal.NodeInfo`: a node with its services and checks."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[NodeInfo]]:
        return health.node_info(state, watch, request.node)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedNodeDump, dump=answer.value or None)


async def node_dump(context: Context, request: DCSpecificRequest) -> IndexedNodeDump:
    """`Internal.NodeDump`: all nodes with their services and checks."""
    check_datacenter(context, request.datacenter)
    wanted = compile_filter(request.filter, NodeInfo)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[NodeInfo]]:
        index, found = health.node_dump(state, watch)
        return index, [info for info in found if wanted(info)]

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedNodeDump, dump=answer.value or None)


async def service_dump(context: Context, request: ServiceDumpRequest) -> IndexedCheckServiceNodes:
    """`Internal.ServiceDump`: all instances of all services, or of those of a kind."""
    check_datacenter(context, request.datacenter)
    wanted = compile_filter(request.filter, CheckServiceNode)
    kind = request.service_kind if request.use_service_kind else None

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[CheckServiceNode]]:
        index, found = health.service_dump(state, watch, kind)
        rows = [row for row in found if wanted(row)]
        return index, sorted_near(
            context, state, request.source, rows, lambda row: row.node.node if row.node else ""
        )

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedCheckServiceNodes, nodes=answer.value or None)


async def gateway_service_dump(
    context: Context, request: ServiceSpecificRequest
) -> IndexedServiceDump:
    """`Internal.GatewayServiceDump`: what stands behind a gateway, instance by instance."""
    check_datacenter(context, request.datacenter)
    if not request.service_name:
        raise RpcError("Must provide gateway name")

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[ServiceInfo]]:
        return gateway_dump.dump(state, watch, request.service_name)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedServiceDump, dump=answer.value or None)


METHODS = {
    "Internal.EventFire": Method(EventFireRequest, event_fire, local=True),
    "Internal.NodeInfo": Method(NodeSpecificRequest, node_info, read=True),
    "Internal.NodeDump": Method(DCSpecificRequest, node_dump, read=True),
    "Internal.ServiceDump": Method(ServiceDumpRequest, service_dump, read=True),
    "Internal.GatewayServiceDump": Method(ServiceSpecificRequest, gateway_service_dump, read=True),
}
