"""Nodes: registering, renaming, reading (Consul's catalog.go; wire/fsm.md section 3)."""

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.catalog import Node, NodeServiceList, NodeServices, ServiceNode
from proconsul.store import checks, services, sessions
from proconsul.store.catalog_indexes import catalog_index, raise_service, raise_services_of_node
from proconsul.store.keys import exact, folded, hex_digits, hex_flaw
from proconsul.store.same import index_holds, same_node
from proconsul.store.schema import CHECKS, COORDINATES, NODES, NODES_BY_ID, NODES_BY_META, SERVICES
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import quote

SERF_CHECK_ID = "serfHealth"
UUID_LENGTH = 36
UUID_HYPHENS_MAX = 4
ID_PREFIX_LENGTH_MIN = 2  # shorter names are not tried as the beginning of a node ID

# ---------------------------------------------------------------- reading


def get_node(txn: ReadTransaction, name: str) -> tuple[int, Node | None]:
    """The node with this name, whatever its case."""
    return txn.table_index(NODES.name), txn.row(NODES, folded(name))


def get_node_by_id(txn: ReadTransaction, node_id: str) -> tuple[int, Node | None]:
    """The node with this ID. Raises RpcError for what is no UUID."""
    return txn.table_index(NODES.name), with_id(txn, node_id)


def with_id(txn: ReadTransaction, node_id: str) -> Node | None:
    """The same, without the index."""
    flaw = _uuid_flaw(node_id)
    if flaw:
        raise RpcError(f"node lookup by ID failed, wrong UUID: {flaw} for '{node_id}'")
    return next(txn.rows_by(NODES, NODES_BY_ID, hex_digits(node_id) + b"\0"), None)


def _uuid_flaw(text: str) -> str:
    """What go-uuid has against it; "" for a UUID."""
    if len(text.encode("utf-8", "surrogateescape")) != UUID_LENGTH:
        return "uuid string is wrong length"
    if any(text[at : at + 1] != "-" for at in (8, 13, 18, 23)):
        return "uuid is improperly formatted"
    return hex_flaw(text.replace("-", "", UUID_HYPHENS_MAX))


def list_nodes(txn: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[Node]]:
    """All nodes, in the order of their names."""
    if watch is not None:
        watch.prefix(NODES.name)
    return txn.table_index(NODES.name), list(txn.rows(NODES))


def nodes_by_meta(
    txn: ReadTransaction, watch: WatchSet | None, filters: dict[str, str]
) -> tuple[int, list[Node]]:
    """The nodes with this metadata (at least one pair)."""
    first = exact(*min(filters.items()))
    if watch is not None:
        watch.prefix(NODES_BY_META.name, first)
    found = txn.rows_by(NODES, NODES_BY_META, first)
    return txn.table_index(NODES.name), [
        node for node in found if checks.satisfies(node.meta, filters)
    ]


def node_services(
    txn: ReadTransaction, watch: WatchSet | None, name_or_id: str
) -> tuple[int, NodeServices | None]:
    """A node, by name or by the unambiguous beginning of its ID, and its services by their id.

    With no such node the index is 0.
    """
    node, rows = _with_services(txn, watch, name_or_id)
    if node is None:
        return 0, None
    by_id = {row.service_id: services.to_node_service(row) for row in rows}
    return catalog_index(txn), NodeServices(node=node, services=by_id)


def node_service_list(
    txn: ReadTransaction, watch: WatchSet | None, name_or_id: str
) -> tuple[int, NodeServiceList | None]:
    """The same, with a list that is nil when it is empty."""
    node, rows = _with_services(txn, watch, name_or_id)
    if node is None:
        return 0, None
    listed = [services.to_node_service(row) for row in rows]
    return catalog_index(txn), NodeServiceList(node=node, services=listed or None)


def _with_services(
    txn: ReadTransaction, watch: WatchSet | None, name_or_id: str
) -> tuple[Node | None, list[ServiceNode]]:
    key = folded(name_or_id)
    if watch is not None:
        watch.exact(NODES.name, key)
    node = txn.row(NODES, key) or _by_id_prefix(txn, watch, name_or_id)
    if node is None:
        return None, []
    prefix = folded(node.node)
    if watch is not None:
        watch.exact(NODES.name, prefix)
        watch.prefix(SERVICES.name, prefix)
    return node, list(txn.rows(SERVICES, prefix))


def _by_id_prefix(txn: ReadTransaction, watch: WatchSet | None, text: str) -> Node | None:
    """The one node whose ID begins so; a last odd character is cut off, as Consul does."""
    if len(text) < ID_PREFIX_LENGTH_MIN:
        return None
    text = text[: len(text) // 2 * 2]
    digits = hex_digits(text)
    well_formed = (
        len(text) <= UUID_LENGTH
        and text.count("-") <= UUID_HYPHENS_MAX
        and len(digits) % 2 == 0
        and not hex_flaw(text.replace("-", ""))
    )
    if not well_formed:
        return None
    if watch is not None:
        watch.prefix(NODES_BY_ID.name, digits)
    found = txn.rows_by(NODES, NODES_BY_ID, digits)
    node = next(found, None)
    return node if next(found, None) is None else None


# ---------------------------------------------------------------- writing


def ensure_node(txn: WriteTransaction, node: Node, *, restoring: bool = False) -> None:
    """Register a node, or change it; unchanged, it is not written.

    The ID is what a node is: under another name it is the same node renamed, and what it had
    under the old name goes. When restoring, a new node keeps the indexes that it comes with.
    """
    existing = None
    if node.id:
        existing = _settle_name(txn, node)
    if existing is None:
        existing = txn.row(NODES, folded(node.node))
    if existing is not None:
        if same_node(node, existing):
            return
        node = replace(node, create_index=existing.create_index, modify_index=txn.index)
    elif not restoring or node.create_index == 0:
        node = replace(node, create_index=txn.index, modify_index=txn.index)
    if not node.node:
        raise RpcError(f"failed inserting node: {checks.NO_KEY}")
    txn.put(NODES, folded(node.node), node)
    txn.set_index(NODES.name)
    raise_services_of_node(txn, node.node)


def _settle_name(txn: WriteTransaction, node: Node) -> Node | None:
    """The node with this ID as it was, after its old name is gone."""
    try:
        existing = with_id(txn, node.id)
    except RpcError as failure:
        raise RpcError(f"node lookup failed: {failure}") from failure
    try:
        if existing is None:
            _refuse_taken_name(txn, node, nameless_may_be_taken=True)
        elif existing.node != node.node:
            _refuse_taken_name(txn, node, nameless_may_be_taken=False)
            delete_node(txn, existing.node)
    except RpcError as failure:
        which = quote(node.id) if existing is None else f"{quote(node.id)} ({node.address})"
        raise RpcError(f"Error while renaming Node ID: {which}: {failure}") from failure
    return existing


def _refuse_taken_name(txn: WriteTransaction, node: Node, *, nameless_may_be_taken: bool) -> None:
    """Raise RpcError if the name belongs to another node that is alive.

    A node without a Serf check is not watched by anybody, and gives way.
    """
    holder = txn.row(NODES, folded(node.node))
    if holder is None or holder.id == node.id:
        return
    if not holder.id and nameless_may_be_taken:
        return
    serf = txn.row(CHECKS, folded(holder.node, SERF_CHECK_ID))
    if serf is not None and serf.status != checks.CRITICAL:
        raise RpcError(
            f"Node name {node.node} is reserved by node {holder.id} "
            f"with name {holder.node} ({holder.address})"
        )


def ensure_node_cas(txn: WriteTransaction, node: Node) -> bool:
    """The same, if the node was last changed at its `modify_index`, 0 for absent."""
    existing = txn.row(NODES, folded(node.node))
    if not index_holds(existing, node.modify_index):
        return False
    ensure_node(txn, node)
    return True


def delete_node(txn: WriteTransaction, name: str) -> None:
    """Remove a node, if it is there, with services, checks, coordinates and sessions."""
    prefix = folded(name)
    if txn.row(NODES, prefix) is None:
        return
    doomed = list(txn.rows(SERVICES, prefix))
    for row in doomed:
        raise_service(txn, row.service_name, row.service_kind)
    for row in doomed:
        services.delete_service(txn, name, row.service_id)
    for check in list(txn.rows(CHECKS, prefix)):
        checks.delete_check(txn, name, check.check_id)
    for key in list(txn.keys(COORDINATES.name, prefix)):
        txn.remove(COORDINATES.name, key)
        txn.set_index(COORDINATES.name)
    txn.remove(NODES.name, prefix)
    txn.set_index(NODES.name)
    sessions.destroy_of_node(txn, name)


def delete_node_cas(txn: WriteTransaction, name: str, index: int) -> bool:
    """The same, if it was last changed at `index`; False for a node that is not there."""
    existing = txn.row(NODES, folded(name))
    if existing is None or existing.modify_index != index:
        return False
    delete_node(txn, name)
    return True
