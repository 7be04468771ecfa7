"""`Catalog.*`: which nodes and services there are."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from proconsul.endpoints.blocking import Answer, blocking_query, check_datacenter
from proconsul.endpoints.catalog_checks import checked_registration
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.endpoints.nearness import sorted_near
from proconsul.endpoints.timing import timed
from proconsul.errors import RpcError
from proconsul.filters.evaluate import compile_filter
from proconsul.fsm.commands import MessageType
from proconsul.model.catalog import (
    DeregisterRequest,
    GatewayService,
    IndexedGatewayServices,
    IndexedNodes,
    IndexedNodeServiceList,
    IndexedNodeServices,
    IndexedServiceList,
    IndexedServiceNodes,
    IndexedServices,
    Node,
    NodeService,
    NodeServiceList,
    NodeServices,
    NodeSpecificRequest,
    RegisterRequest,
    ServiceName,
    ServiceNode,
    ServiceSpecificRequest,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.store import checks, gateway_dump, nodes, services
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet


async def register(context: Context, request: RegisterRequest) -> None:
    """`Catalog.Register`: a node, with a service and checks where they are given."""
    check_datacenter(context, request.datacenter)
    with timed(context, "catalog.register"):
        await context.log.propose(MessageType.REGISTER, checked_registration(request))


async def deregister(context: Context, request: DeregisterRequest) -> None:
    """`Catalog.Deregister`: a service, a check or the whole node; an unknown one is no error."""
    check_datacenter(context, request.datacenter)
    with timed(context, "catalog.deregister"):
        if not request.node:
            raise RpcError("Must provide node")
        await context.log.propose(MessageType.DEREGISTER, request)


async def list_datacenters(context: Context, request: Any) -> list[str]:
    """`Catalog.ListDatacenters`: the nearest first."""
    return [context.facts.datacenter]


async def list_nodes(context: Context, request: DCSpecificRequest) -> IndexedNodes:
    """`Catalog.ListNodes`: all nodes, or those with some metadata."""
    check_datacenter(context, request.datacenter)
    wanted = compile_filter(request.filter, Node)
    meta = request.node_meta_filters

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[Node]]:
        if meta:
            index, found = nodes.nodes_by_meta(state, watch, meta)
        else:
            index, found = nodes.list_nodes(state, watch)
        rows = [node for node in found if wanted(node)]
        return index, sorted_near(context, state, request.source, rows, lambda node: node.node)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedNodes, nodes=answer.value or None)


async def list_services(context: Context, request: DCSpecificRequest) -> IndexedServices:
    """`Catalog.ListServices`: the names of all services, with the tags of their instances."""
    check_datacenter(context, request.datacenter)
    meta = request.node_meta_filters

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, dict[str, list[str]]]:
        if meta:
            return services.services_by_node_meta(state, watch, meta)
        return services.services(state, watch)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedServices, services=answer.value)


async def service_list(context: Context, request: DCSpecificRequest) -> IndexedServiceList:
    """`Catalog.ServiceList`: the names alone."""
    check_datacenter(context, request.datacenter)
    answer: Answer[list[ServiceName]] = await blocking_query(
        context, request, services.service_list
    )
    return answer.reply(IndexedServiceList, services=answer.value or None)


async def service_nodes(context: Context, request: ServiceSpecificRequest) -> IndexedServiceNodes:
    """`Catalog.ServiceNodes`: the instances of a service, or those at an address."""
    check_datacenter(context, request.datacenter)
    if not request.service_name and not request.service_address:
        raise RpcError("Must provide service name")
    wanted = compile_filter(request.filter, ServiceNode)
    find = _instances(request)
    meta = request.node_meta_filters or {}

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[ServiceNode]]:
        index, found = find(state, watch)
        rows = [row for row in found if checks.satisfies(row.node_meta, meta) and wanted(row)]
        return index, sorted_near(context, state, request.source, rows, lambda row: row.node)

    answer = await blocking_query(context, request, query)
    count_lookup(context, "catalog", request, found=bool(answer.value))
    return answer.reply(IndexedServiceNodes, service_nodes=answer.value or None)


def _instances(
    request: ServiceSpecificRequest,
) -> Callable[[ReadTransaction, WatchSet | None], tuple[int, list[ServiceNode]]]:
    name = request.service_name
    if request.connect:
        return lambda state, watch: services.connect_service_nodes(state, watch, name)
    if request.service_address:
        address = request.service_address
        return lambda state, watch: services.service_address_nodes(state, watch, address)
    if request.tag_filter:
        tags = wanted_tags(request)
        return lambda state, watch: services.service_tag_nodes(state, watch, name, tags)
    return lambda state, watch: services.service_nodes(state, watch, name)


def wanted_tags(request: ServiceSpecificRequest) -> list[str]:
    """The tags that a lookup names; the single one is how older agents say it."""
    return [request.service_tag] if request.service_tag else list(request.service_tags or ())


def count_lookup(
    context: Context, family: str, request: ServiceSpecificRequest, *, found: bool
) -> None:
    """Count a lookup of a service; `family` is "catalog" or "health"."""
    count = context.telemetry.count
    name = f"{family}.{'connect' if request.connect else 'service'}"
    service = (("service", request.service_name),)
    count(f"{name}.query", labels=service)
    if request.service_tag:
        count(f"{name}.query-tag", labels=(*service, ("tag", request.service_tag)))
    if request.service_tags:
        tags = tuple(("tag", tag) for tag in sorted(request.service_tags))
        count(f"{name}.query-tags", labels=(*service, *tags))
    if not found:
        count(f"{name}.not-found", labels=service)


async def node_services(context: Context, request: NodeSpecificRequest) -> IndexedNodeServices:
    """`Catalog.NodeServices`: a node and its services by their IDs."""
    check_datacenter(context, request.datacenter)
    if not request.node:
        raise RpcError("Must provide node")
    wanted = compile_filter(request.filter, NodeService)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, NodeServices | None]:
        index, found = nodes.node_services(state, watch, request.node)
        if found is None or not request.filter:
            return index, found
        rows = {name: row for name, row in (found.services or {}).items() if wanted(row)}
        return index, replace(found, services=rows)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedNodeServices, node_services=answer.value)


async def node_service_list(
    context: Context, request: NodeSpecificRequest
) -> IndexedNodeServiceList:
    """`Catalog.NodeServiceList`: a node and its services in a list."""
    check_datacenter(context, request.datacenter)
    if not request.node:
        raise RpcError("Must provide node")
    wanted = compile_filter(request.filter, NodeService)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, NodeServiceList]:
        index, found = nodes.node_service_list(state, watch, request.node)
        if found is None:
            return index, NodeServiceList()
        if not request.filter:
            return index, found
        rows = [row for row in found.services or () if wanted(row)]
        return index, replace(found, services=rows)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedNodeServiceList, node_services=answer.value)


async def gateway_services_of(
    context: Context, request: ServiceSpecificRequest
) -> IndexedGatewayServices:
    """`Catalog.GatewayServices`: what stands behind a gateway."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[GatewayService]]:
        return gateway_dump.served(state, watch, request.service_name)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedGatewayServices, services=answer.value or None)


METHODS = {
    "Catalog.Register": Method(RegisterRequest, register),
    "Catalog.Deregister": Method(DeregisterRequest, deregister),
    "Catalog.ListDatacenters": Method(None, list_datacenters, local=True),
    "Catalog.ListNodes": Method(DCSpecificRequest, list_nodes, read=True),
    "Catalog.ListServices": Method(DCSpecificRequest, list_services, read=True),
    "Catalog.ServiceList": Method(DCSpecificRequest, service_list, read=True),
    "Catalog.ServiceNodes": Method(ServiceSpecificRequest, service_nodes, read=True),
    "Catalog.NodeServices": Method(NodeSpecificRequest, node_services, read=True),
    "Catalog.NodeServiceList": Method(NodeSpecificRequest, node_service_list, read=True),
    "Catalog.GatewayServices": Method(ServiceSpecificRequest, gateway_services_of, read=True),
}
