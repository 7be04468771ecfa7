"""Services on nodes: registering and reading them (Consul's catalog.go; wire/fsm.md section 3).

The fields of a service row that tell of its node are empty in the store; readers fill them in.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.catalog import (
    NodeService,
    ServiceName,
    ServiceNode,
    Weights,
)
from proconsul.store import checks, gateway_services
from proconsul.store.catalog_indexes import (
    LAST_EXTINCTION,
    index_of_service,
    kind_index,
    raise_service,
    service_index,
)
from proconsul.store.keys import exact, folded, index_key, lower
from proconsul.store.same import index_holds, same_service
from proconsul.store.schema import (
    CHECKS,
    GATEWAYS_BY_SERVICE,
    INDEXES,
    NODES,
    NODES_BY_META,
    SERVICES,
    SERVICES_BY_CONNECT,
    SERVICES_BY_NAME,
)
from proconsul.store.service_meta import check_service_meta
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import WatchSet

WEIGHT_MAX = 65_535
DEFAULT_WEIGHTS = Weights(passing=1, warning=1)

Rows = tuple[int, list[ServiceNode]]

# ---------------------------------------------------------------- two shapes of one thing


def to_node_service(row: ServiceNode) -> NodeService:
    """A service row as it is shown below its node."""
    return NodeService(
        kind=row.service_kind,
        id=row.service_id,
        service=row.service_name,
        tags=row.service_tags,
        address=row.service_address,
        tagged_addresses=row.service_tagged_addresses,
        meta=row.service_meta,
        port=row.service_port,
        weights=row.service_weights,
        enable_tag_override=row.service_enable_tag_override,
        proxy=row.service_proxy,
        connect=row.service_connect,
        create_index=row.create_index,
        modify_index=row.modify_index,
    )


def to_service_node(service: NodeService, node: str) -> ServiceNode:
    """The row of a registration; weights that are missing or absurd become 1 and 1."""
    weights = service.weights
    if weights is None or not _sane(weights):
        weights = DEFAULT_WEIGHTS
    return ServiceNode(
        node=node,
        service_kind=service.kind,
        service_id=service.id,
        service_name=service.service,
        service_tags=service.tags,
        service_address=service.address,
        service_tagged_addresses=service.tagged_addresses,
        service_meta=service.meta,
        service_port=service.port,
        service_weights=weights,
        service_enable_tag_override=service.enable_tag_override,
        service_proxy=service.proxy,
        service_connect=service.connect,
        create_index=service.create_index,
        modify_index=service.modify_index,
    )


def _sane(weights: Weights) -> bool:
    return 1 <= weights.passing <= WEIGHT_MAX and 0 <= weights.warning <= WEIGHT_MAX


# ---------------------------------------------------------------- reading


def services(txn: ReadTransaction, watch: WatchSet | None) -> tuple[int, dict[str, list[str]]]:
    """The names of all services, with the tags of all their instances."""
    if watch is not None:
        watch.prefix(SERVICES.name)
    return txn.table_index(SERVICES.name), txn.group(SERVICES, None, b"", _tags_by_name)


def _tags_by_name(rows: Iterable[ServiceNode]) -> dict[str, list[str]]:
    unique: dict[str, dict[str, None]] = {}
    for row in rows:
        unique.setdefault(row.service_name, {}).update(dict.fromkeys(row.service_tags or ()))
    return {name: list(tags) for name, tags in unique.items()}


def services_by_node_meta(
    txn: ReadTransaction, watch: WatchSet | None, filters: dict[str, str]
) -> tuple[int, dict[str, list[str]]]:
    """The same, on nodes with this metadata (at least one pair) only."""
    first = exact(*min(filters.items()))
    if watch is not None:
        watch.prefix(NODES_BY_META.name, first)
    found: list[ServiceNode] = []
    for node in txn.rows_by(NODES, NODES_BY_META, first):
        if checks.satisfies(node.meta, filters):
            if watch is not None:
                watch.prefix(SERVICES.name, folded(node.node))
            found.extend(txn.rows(SERVICES, folded(node.node)))
    return txn.table_index(SERVICES.name, NODES.name), _tags_by_name(found)


def service_list(txn: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[ServiceName]]:
    """The names of all services."""
    if watch is not None:
        watch.prefix(SERVICES.name)
    names = dict.fromkeys(row.service_name or row.service_id for row in txn.rows(SERVICES))
    return txn.table_index(SERVICES.name), [ServiceName(name=name) for name in names]


def service_nodes(txn: ReadTransaction, watch: WatchSet | None, name: str) -> Rows:
    """The instances of a service."""
    rows = named(txn, watch, name)
    index = index_of_service(txn, name, exists=bool(rows), checks=False)
    return index, with_nodes(txn, watch, rows)


def service_tag_nodes(
    txn: ReadTransaction, watch: WatchSet | None, name: str, tags: list[str]
) -> Rows:
    """The instances that carry all these tags, whatever their case."""
    rows = named(txn, watch, name)
    index = index_of_service(txn, name, exists=bool(rows), checks=False)
    return index, with_nodes(txn, watch, [row for row in rows if has_tags(row, tags)])


def connect_service_nodes(txn: ReadTransaction, watch: WatchSet | None, name: str) -> Rows:
    """What speaks Connect for a service: its proxies, native instances, terminating gateways."""
    rows = connected(txn, watch, name)
    index, gateways = nodes_of_gateways(txn, watch, name, gateway_services.TERMINATING)
    index = max(index, watch_services(txn, watch, gateways, checks=False))
    rows = with_nodes(txn, watch, [*rows, *gateways])
    return max(index, index_of_service(txn, name, exists=bool(rows), checks=False)), rows


def service_address_nodes(txn: ReadTransaction, watch: WatchSet | None, address: str) -> Rows:
    """The instances with this address; Consul gives no index for them."""
    if watch is not None:
        watch.prefix(SERVICES.name)
    found = [
        row
        for row in txn.rows(SERVICES)
        if row.service_address == address
        or any(one.address == address for one in (row.service_tagged_addresses or {}).values())
    ]
    return 0, with_nodes(txn, watch, found)


def node_service(
    txn: ReadTransaction, node: str, service_id: str
) -> tuple[int, NodeService | None]:
    """One service of a node."""
    row = txn.row(SERVICES, folded(node, service_id))
    return txn.table_index(SERVICES.name), None if row is None else to_node_service(row)


def named(txn: ReadTransaction, watch: WatchSet | None, name: str) -> list[ServiceNode]:
    """The rows of a service's instances, without what their nodes would add."""
    prefix = folded(name)
    if watch is not None:
        watch.prefix(SERVICES_BY_NAME.name, prefix)
    return list(txn.rows_by(SERVICES, SERVICES_BY_NAME, prefix))


def connected(txn: ReadTransaction, watch: WatchSet | None, name: str) -> list[ServiceNode]:
    """The rows of a service's proxies and native instances."""
    prefix = folded(name)
    if watch is not None:
        watch.prefix(SERVICES_BY_CONNECT.name, prefix)
    return list(txn.rows_by(SERVICES, SERVICES_BY_CONNECT, prefix))


def has_tags(row: ServiceNode, tags: list[str]) -> bool:
    """Whether an instance carries all these tags, whatever their case."""
    return {lower(tag) for tag in tags} <= {lower(tag) for tag in row.service_tags or ()}


def nodes_of_gateways(
    txn: ReadTransaction, watch: WatchSet | None, service: str, kind: str
) -> Rows:
    """The instances of all gateways of a kind that a service stands behind."""
    if watch is not None:
        watch.prefix(GATEWAYS_BY_SERVICE.name, folded(service))
    found: list[ServiceNode] = []
    index = 0
    for mapping in gateway_services.gateways_of(txn, service):
        if mapping.gateway_kind == kind:
            rows = named(txn, watch, mapping.gateway.name)
            found.extend(rows)
            served = index_of_service(txn, mapping.gateway.name, exists=bool(rows), checks=False)
            index = max(index, mapping.modify_index, served)
    return index, found


def watch_services(
    txn: ReadTransaction, watch: WatchSet | None, rows: Iterable[ServiceNode], *, checks: bool
) -> int:
    """Wait for the indexes of all services among these rows; returns the highest of them."""
    highest = 0
    for name in {row.service_name for row in rows}:
        if watch is not None:
            watch.exact(INDEXES.name, index_key(service_index(name)))
        highest = max(highest, index_of_service(txn, name, exists=True, checks=checks))
    return highest


def with_nodes(
    txn: ReadTransaction, watch: WatchSet | None, rows: Iterable[ServiceNode]
) -> list[ServiceNode]:
    """Rows for the reader: with the fields of their nodes, and empty rather than no values."""
    shown = []
    for row in rows:
        key = folded(row.node)
        if watch is not None:
            watch.exact(NODES.name, key)
        node = txn.row(NODES, key)
        assert node is not None, "a node takes its services with it"
        shown.append(
            replace(
                row,
                id=node.id,
                address=node.address,
                datacenter=node.datacenter,
                tagged_addresses=node.tagged_addresses,
                node_meta=node.meta,
                service_tags=row.service_tags or [],
                service_meta=row.service_meta or {},
                service_tagged_addresses=row.service_tagged_addresses or None,
            )
        )
    return shown


# ---------------------------------------------------------------- writing


def ensure_service(
    txn: WriteTransaction, node: str, service: NodeService, *, restoring: bool = False
) -> None:
    """Register a service on a node, or renew it; an unchanged one is not written.

    When restoring, it keeps the indexes that it comes with.
    """
    key = folded(node, service.id)
    existing = txn.row(SERVICES, key)
    try:
        check_service_meta(service.kind, service.meta)
    except RpcError as flaw:
        raise RpcError(
            f"Invalid Service Meta for node {node} and serviceID {service.id}: {flaw}"
        ) from flaw
    gateway_services.on_service_registered(txn, service)
    row = to_service_node(service, node)
    if txn.row(NODES, folded(node)) is None:
        raise RpcError(checks.MISSING_NODE)
    if existing is not None:
        row = replace(row, create_index=existing.create_index, modify_index=existing.modify_index)
        if same_service(row, existing):
            return
    if not restoring:
        created = txn.index if existing is None else existing.create_index
        row = replace(row, create_index=created, modify_index=txn.index)
    if not node or not service.id:
        raise RpcError(f"failed inserting service: {checks.NO_KEY}")
    txn.put(SERVICES, key, row)
    txn.raise_index(SERVICES.name, value=row.modify_index)
    raise_service(txn, row.service_name, row.service_kind, row.modify_index)


def ensure_service_cas(txn: WriteTransaction, node: str, service: NodeService) -> bool:
    """The same, if the service was last changed at its `modify_index`, 0 for absent."""
    existing = txn.row(SERVICES, folded(node, service.id))
    if not index_holds(existing, service.modify_index):
        return False
    ensure_service(txn, node, service)
    return True


def delete_service(txn: WriteTransaction, node: str, service_id: str) -> None:
    """Remove a service, if it is there, with its checks."""
    key = folded(node, service_id)
    row = txn.row(SERVICES, key)
    if row is None:
        return
    for check in list(txn.rows(CHECKS, folded(node))):
        if check.service_id and lower(check.service_id) == lower(service_id):
            checks.delete_check(txn, node, check.check_id)
    txn.set_index(CHECKS.name)
    txn.remove(SERVICES.name, key)
    txn.raise_index(SERVICES.name, kind_index(row.service_kind))
    if txn.exists(SERVICES_BY_NAME.name, folded(row.service_name)):
        txn.raise_index(service_index(row.service_name))
        return
    txn.remove_index(service_index(row.service_name))
    txn.set_index(LAST_EXTINCTION)
    gateway_services.on_last_instance_removed(txn, row.service_name)


def delete_service_cas(txn: WriteTransaction, node: str, service_id: str, index: int) -> bool:
    """The same, if it was last changed at `index`; False for a service that is not there."""
    row = txn.row(SERVICES, folded(node, service_id))
    if row is None or row.modify_index != index:
        return False
    delete_service(txn, node, service_id)
    return True
