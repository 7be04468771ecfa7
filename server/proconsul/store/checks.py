"""Health checks (Consul's catalog.go; wire/fsm.md section 3).

A check belongs to a node or to one service of it. What it changes moves the index of the
services that are shown with it; being critical, or going, ends the sessions bound to it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.catalog import ServiceNode
from proconsul.model.health import HealthCheck
from proconsul.store import sessions
from proconsul.store.catalog_indexes import (
    index_of_service,
    raise_service,
    raise_services_of_node,
)
from proconsul.store.keys import exact, folded, lower
from proconsul.store.same import index_holds, same_check
from proconsul.store.schema import CHECKS, CHECKS_BY_NAME, CHECKS_BY_STATUS, NODES, SERVICES
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import WatchSet

ANY = "any"
CRITICAL = "critical"
MISSING_NODE = "Missing node registration"
MISSING_SERVICE = "Missing service registration"
NO_KEY = "object missing primary index"

Checks = tuple[int, list[HealthCheck]]

# ---------------------------------------------------------------- reading


class ChecksOfNode(NamedTuple):
    """The checks of one node: its own, and those of its services by lower-cased service id."""

    node: list[HealthCheck]
    services: dict[str, list[HealthCheck]]


def _divide(rows: list[HealthCheck]) -> ChecksOfNode:
    services: dict[str, list[HealthCheck]] = {}
    for check in rows:
        if check.service_id:
            services.setdefault(lower(check.service_id), []).append(check)
    return ChecksOfNode([check for check in rows if not check.service_id], services)


def divided(txn: ReadTransaction, node_key: bytes) -> ChecksOfNode:
    """The checks of the node with this key, for health queries; shared, so only to be read."""
    return txn.group(CHECKS, None, node_key, _divide)


def node_check(
    txn: ReadTransaction, watch: WatchSet | None, node: str, check_id: str
) -> tuple[int, HealthCheck | None]:
    """One check of a node."""
    key = folded(node, check_id)
    if watch is not None:
        watch.exact(CHECKS.name, key)
    return txn.table_index(CHECKS.name), txn.row(CHECKS, key)


def node_checks(txn: ReadTransaction, watch: WatchSet | None, node: str) -> Checks:
    """All checks of a node, those of its services too."""
    prefix = folded(node)
    if watch is not None:
        watch.prefix(CHECKS.name, prefix)
    return txn.table_index(CHECKS.name), list(txn.rows(CHECKS, prefix))


def service_checks(txn: ReadTransaction, watch: WatchSet | None, service: str) -> Checks:
    """The checks of all instances of a service, by its name."""
    prefix = folded(service)
    if watch is not None:
        watch.prefix(CHECKS_BY_NAME.name, prefix)
    return txn.table_index(CHECKS.name), list(txn.rows_by(CHECKS, CHECKS_BY_NAME, prefix))


def service_checks_by_node_meta(
    txn: ReadTransaction, watch: WatchSet | None, service: str, filters: dict[str, str]
) -> Checks:
    """The same, on nodes with this metadata only."""
    index = index_of_service(txn, service, exists=True, checks=True)
    _, found = service_checks(txn, watch, service)
    return index, _on_nodes_with(txn, watch, found, filters)


def checks_in_state(txn: ReadTransaction, watch: WatchSet | None, state: str) -> Checks:
    """All checks with this status, or all, for "any"."""
    if state == ANY:
        if watch is not None:
            watch.prefix(CHECKS.name)
        return txn.table_index(CHECKS.name), list(txn.rows(CHECKS))
    prefix = exact(state)
    if watch is not None:
        watch.prefix(CHECKS_BY_STATUS.name, prefix)
    return txn.table_index(CHECKS.name), list(txn.rows_by(CHECKS, CHECKS_BY_STATUS, prefix))


def checks_in_state_by_node_meta(
    txn: ReadTransaction, watch: WatchSet | None, state: str, filters: dict[str, str]
) -> Checks:
    """The same, on nodes with this metadata only."""
    index, found = checks_in_state(txn, watch, state)
    return index, _on_nodes_with(txn, watch, found, filters)


def _on_nodes_with(
    txn: ReadTransaction,
    watch: WatchSet | None,
    found: Iterable[HealthCheck],
    filters: dict[str, str],
) -> list[HealthCheck]:
    kept = []
    for check in found:
        key = folded(check.node)
        if watch is not None:
            watch.exact(NODES.name, key)
        node = txn.row(NODES, key)
        if node is None:
            raise RpcError(MISSING_NODE)
        if satisfies(node.meta, filters):
            kept.append(check)
    return kept


def satisfies(meta: dict[str, str] | None, filters: dict[str, str]) -> bool:
    """Whether metadata has all these pairs."""
    return filters.items() <= (meta or {}).items()


# ---------------------------------------------------------------- writing


def ensure_check(txn: WriteTransaction, check: HealthCheck, *, restoring: bool = False) -> None:
    """Register a check, or renew it.

    Unchanged, it keeps its own index, but is written and moves the table's index all the same.
    When restoring, a new check keeps the indexes that it comes with.
    """
    key = folded(check.node, check.check_id)
    existing = txn.row(CHECKS, key)
    check = replace(check, status=check.status or CRITICAL)
    if existing is not None:
        check = replace(
            check, create_index=existing.create_index, modify_index=existing.modify_index
        )
    elif not restoring:
        check = replace(check, create_index=txn.index)
    if txn.row(NODES, folded(check.node)) is None:
        raise RpcError(MISSING_NODE)
    service = None
    if check.service_id:
        service = txn.row(SERVICES, folded(check.node, check.service_id))
        if service is None:
            raise RpcError(MISSING_SERVICE)
        check = replace(check, service_name=service.service_name, service_tags=service.service_tags)
    modified = existing is None or not same_check(existing, check)
    if modified:
        _raise_shown_with(txn, check.node, service)
    if check.status == CRITICAL:
        sessions.destroy_of_check(txn, check.node, check.check_id)
    if modified and not restoring:
        check = replace(check, modify_index=txn.index)
    if not check.node or not check.check_id:
        raise RpcError(f"failed inserting check: {NO_KEY}")
    txn.put(CHECKS, key, check)
    txn.set_index(CHECKS.name)


def _raise_shown_with(txn: WriteTransaction, node: str, service: ServiceNode | None) -> None:
    if service is None:
        raise_services_of_node(txn, node)
    else:
        raise_service(txn, service.service_name, service.service_kind)


def ensure_check_cas(txn: WriteTransaction, check: HealthCheck) -> bool:
    """The same, if the check was last changed at its `modify_index`, 0 for absent."""
    existing = txn.row(CHECKS, folded(check.node, check.check_id))
    if not index_holds(existing, check.modify_index):
        return False
    ensure_check(txn, check)
    return True


def delete_check(txn: WriteTransaction, node: str, check_id: str) -> None:
    """Remove a check, if it is there, and end the sessions bound to it."""
    key = folded(node, check_id)
    existing = txn.row(CHECKS, key)
    if existing is None:
        return
    if existing.service_id:
        service = txn.row(SERVICES, folded(existing.node, existing.service_id))
        assert service is not None, "a service takes its checks with it"
        raise_service(txn, existing.service_name, service.service_kind)
    else:
        raise_services_of_node(txn, existing.node)
        txn.raise_index(SERVICES.name)
    txn.remove(CHECKS.name, key)
    txn.set_index(CHECKS.name)
    sessions.destroy_of_check(txn, existing.node, existing.check_id)


def delete_check_cas(txn: WriteTransaction, node: str, check_id: str, index: int) -> bool:
    """The same, if it was last changed at `index`; False for a check that is not there."""
    existing = txn.row(CHECKS, folded(node, check_id))
    if existing is None or existing.modify_index != index:
        return False
    delete_check(txn, node, check_id)
    return True
