"""`Health.*`: checks, and services with their nodes and checks."""

from collections.abc import Callable

from proconsul.endpoints.blocking import Answer, blocking_query, check_datacenter
from proconsul.endpoints.catalog import count_lookup, wanted_tags
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.endpoints.nearness import sorted_near
from proconsul.errors import RpcError
from proconsul.filters.evaluate import compile_filter
from proconsul.model.catalog import (
    CheckServiceNode,
    IndexedCheckServiceNodes,
    NodeSpecificRequest,
    ServiceSpecificRequest,
)
from proconsul.model.health import ChecksInStateRequest, HealthCheck, IndexedHealthChecks
from proconsul.model.query import QueryOptions, QuerySource
from proconsul.store import checks, health
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet

FindChecks = Callable[[ReadTransaction, WatchSet | None], tuple[int, list[HealthCheck]]]
FindNodes = Callable[[ReadTransaction, WatchSet | None], tuple[int, list[CheckServiceNode]]]

NOWHERE = QuerySource()


async def checks_in_state(context: Context, request: ChecksInStateRequest) -> IndexedHealthChecks:
    """`Health.ChecksInState`: the checks that stand at a status, or all, for "any"."""
    check_datacenter(context, request.datacenter)
    meta, status = request.node_meta_filters, request.state
    if meta:
        return await _checks(
            context,
            request,
            lambda state, watch: checks.checks_in_state_by_node_meta(state, watch, status, meta),
            request.source,
        )
    return await _checks(
        context,
        request,
        lambda state, watch: checks.checks_in_state(state, watch, status),
        request.source,
    )


async def node_checks(context: Context, request: NodeSpecificRequest) -> IndexedHealthChecks:
    """`Health.NodeChecks`: the checks of a node and of its services."""
    check_datacenter(context, request.datacenter)
    return await _checks(
        context, request, lambda state, watch: checks.node_checks(state, watch, request.node)
    )


async def service_checks(context: Context, request: ServiceSpecificRequest) -> IndexedHealthChecks:
    """`Health.ServiceChecks`: the checks of a service's instances."""
    if request.tag_filter:
        raise RpcError("Tag filtering is not supported")
    check_datacenter(context, request.datacenter)
    meta, name = request.node_meta_filters, request.service_name
    if meta:
        return await _checks(
            context,
            request,
            lambda state, watch: checks.service_checks_by_node_meta(state, watch, name, meta),
            request.source,
        )
    return await _checks(
        context,
        request,
        lambda state, watch: checks.service_checks(state, watch, name),
        request.source,
    )


async def _checks(
    context: Context, options: QueryOptions, find: FindChecks, source: QuerySource = NOWHERE
) -> IndexedHealthChecks:
    wanted = compile_filter(options.filter, HealthCheck)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[HealthCheck]]:
        index, found = find(state, watch)
        rows = [check for check in found if wanted(check)] if options.filter else found
        return index, sorted_near(context, state, source, rows, lambda check: check.node)

    answer = await blocking_query(context, options, query)
    return answer.reply(IndexedHealthChecks, health_checks=answer.value or None)


async def service_nodes(
    context: Context, request: ServiceSpecificRequest
) -> IndexedCheckServiceNodes:
    """`Health.ServiceNodes`: the instances of a service, with their nodes and checks."""
    check_datacenter(context, request.datacenter)
    if not request.service_name:
        raise RpcError("Must provide service name")
    wanted = compile_filter(request.filter, CheckServiceNode)
    find = _instances(request)
    meta = request.node_meta_filters

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[CheckServiceNode]]:
        index, rows = find(state, watch)
        if meta:
            rows = [row for row in rows if row.node and checks.satisfies(row.node.meta, meta)]
        if request.filter:
            rows = [row for row in rows if wanted(row)]
        return index, sorted_near(context, state, request.source, rows, _node_name)

    answer: Answer[list[CheckServiceNode]] = await blocking_query(context, request, query)
    count_lookup(context, "health", request, found=bool(answer.value))
    return answer.reply(IndexedCheckServiceNodes, nodes=answer.value or None)


def _node_name(row: CheckServiceNode) -> str:
    return row.node.node if row.node else ""


def _instances(request: ServiceSpecificRequest) -> FindNodes:
    name = request.service_name
    if request.connect:
        return lambda state, watch: health.check_connect_service_nodes(state, watch, name)
    if request.tag_filter:
        tags = wanted_tags(request)
        return lambda state, watch: health.check_service_tag_nodes(state, watch, name, tags)
    if request.ingress:
        return lambda state, watch: health.check_ingress_service_nodes(state, watch, name)
    return lambda state, watch: health.check_service_nodes(state, watch, name)


METHODS = {
    "Health.ChecksInState": Method(ChecksInStateRequest, checks_in_state, read=True),
    "Health.NodeChecks": Method(NodeSpecificRequest, node_checks, read=True),
    "Health.ServiceChecks": Method(ServiceSpecificRequest, service_checks, read=True),
    "Health.ServiceNodes": Method(ServiceSpecificRequest, service_nodes, read=True),
}
