"""Services with their nodes and checks: what service discovery asks (Consul's catalog.go).

The hottest reads of a server. What they are put together from is kept by the row cache, a group
of rows at a time; who waits for a service waits for its one index entry, not for all the rows.
"""

from collections.abc import Iterable
from typing import NamedTuple

from proconsul.errors import RpcError
from proconsul.model.catalog import (
    CheckServiceNode,
    Node,
    NodeInfo,
    NodeService,
    ServiceNode,
)
from proconsul.store import checks, gateway_services, services
from proconsul.store.catalog_indexes import dump_index, index_of_service, kind_index
from proconsul.store.keys import folded, index_key, lower
from proconsul.store.schema import (
    CHECKS,
    INDEXES,
    NODES,
    SERVICES,
    SERVICES_BY_CONNECT,
    SERVICES_BY_KIND,
    SERVICES_BY_NAME,
    Secondary,
)
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet

Found = tuple[int, list[CheckServiceNode]]


class Instance(NamedTuple):
    """An instance of a service, with what its rows are looked up by."""

    row: ServiceNode
    shown: NodeService
    node_key: bytes
    service_id: str  # lower-cased


def _instances(rows: list[ServiceNode]) -> list[Instance]:
    return [
        Instance(row, services.to_node_service(row), folded(row.node), lower(row.service_id))
        for row in rows
    ]


def check_service_nodes(txn: ReadTransaction, watch: WatchSet | None, name: str) -> Found:
    """The instances of a service, each with its node, the node's checks and its own."""
    found = _found(txn, watch, SERVICES_BY_NAME, name)
    return _index_of(txn, watch, found, name), _with_checks(txn, found)


def check_service_tag_nodes(
    txn: ReadTransaction, watch: WatchSet | None, name: str, tags: list[str]
) -> Found:
    """The same, of the instances that carry all these tags, whatever their case."""
    found = _found(txn, watch, SERVICES_BY_NAME, name)
    index = _index_of(txn, watch, found, name)
    return index, _with_checks(txn, [one for one in found if services.has_tags(one.row, tags)])


def check_connect_service_nodes(txn: ReadTransaction, watch: WatchSet | None, name: str) -> Found:
    """What speaks Connect for a service: its proxies, native instances, terminating gateways."""
    found = _found(txn, watch, SERVICES_BY_CONNECT, name)
    index, rows = services.nodes_of_gateways(txn, watch, name, gateway_services.TERMINATING)
    found = [*found, *_instances(rows)]
    return max(index, _index_of(txn, watch, found, name)), _with_checks(txn, found)


def check_ingress_service_nodes(txn: ReadTransaction, watch: WatchSet | None, name: str) -> Found:
    """The ingress gateways through which a service can be reached."""
    index, gateways = services.nodes_of_gateways(txn, watch, name, gateway_services.INGRESS)
    index = max(index, services.watch_services(txn, watch, gateways, checks=False))
    found: list[CheckServiceNode] = []
    for gateway in dict.fromkeys(row.service_name or row.service_id for row in gateways):
        served, instances = check_service_nodes(txn, watch, gateway)
        index = max(index, served)
        found.extend(instances)
    return index, found


def _found(
    txn: ReadTransaction, watch: WatchSet | None, order: Secondary[ServiceNode], name: str
) -> list[Instance]:
    prefix = folded(name)
    if watch is not None:
        watch.prefix(order.name, prefix)
    return txn.group(SERVICES, order, prefix, _instances)


def _index_of(
    txn: ReadTransaction, watch: WatchSet | None, found: list[Instance], name: str
) -> int:
    """The index of these instances; waits for their services as a whole."""
    if not found:
        return index_of_service(txn, name, exists=False, checks=True)
    return services.watch_services(txn, watch, [one.row for one in found], checks=True)


def _with_checks(txn: ReadTransaction, instances: Iterable[Instance]) -> list[CheckServiceNode]:
    found = []
    for instance in instances:
        node_key = instance.node_key
        node = txn.row(NODES, node_key)
        if node is None:
            raise RpcError(checks.MISSING_NODE)
        of_node, of_services = checks.divided(txn, node_key)
        own = of_services.get(instance.service_id)
        shown = [*of_node, *own] if own else of_node
        found.append(CheckServiceNode(node=node, service=instance.shown, checks=shown or None))
    return found


# ---------------------------------------------------------------- dumps


def service_dump(txn: ReadTransaction, watch: WatchSet | None, kind: str | None) -> Found:
    """All instances of all services, or of the services of one kind ("" is the ordinary one)."""
    if kind is None:
        indexes: tuple[str, ...] = (NODES.name, SERVICES.name, CHECKS.name)
        found = txn.group(SERVICES, None, b"", _instances)
    else:
        indexes = (kind_index(kind),)
        found = txn.group(SERVICES, SERVICES_BY_KIND, folded(kind), _instances)
        if watch is not None:  # the index does not move when a service turns into another kind
            watch.prefix(SERVICES_BY_KIND.name, folded(kind))
    if watch is not None:
        for name in indexes:
            watch.exact(INDEXES.name, index_key(name))
    return txn.table_index(*indexes), _with_checks(txn, found)


def node_info(
    txn: ReadTransaction, watch: WatchSet | None, name: str
) -> tuple[int, list[NodeInfo]]:
    """One node with its services and checks: a list of one, or of none."""
    key = folded(name)
    if watch is not None:
        watch.exact(NODES.name, key)
    node = txn.row(NODES, key)
    infos = [] if node is None else [_info(txn, watch, node)]
    return dump_index(txn), infos


def node_dump(txn: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[NodeInfo]]:
    """All nodes with their services and checks."""
    if watch is not None:
        watch.prefix(NODES.name)
    return dump_index(txn), [_info(txn, watch, node) for node in txn.rows(NODES)]


def _info(txn: ReadTransaction, watch: WatchSet | None, node: Node) -> NodeInfo:
    prefix = folded(node.node)
    if watch is not None:
        watch.prefix(SERVICES.name, prefix)
        watch.prefix(CHECKS.name, prefix)
    of_node = [services.to_node_service(row) for row in txn.rows(SERVICES, prefix)]
    return NodeInfo(
        id=node.id,
        node=node.node,
        address=node.address,
        tagged_addresses=node.tagged_addresses,
        meta=node.meta,
        services=of_node or None,
        checks=list(txn.rows(CHECKS, prefix)) or None,
    )
