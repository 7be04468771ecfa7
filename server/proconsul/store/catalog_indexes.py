"""The index entries that catalog changes move (Consul's catalog_oss.go).

Names of entries are found regardless of case, and spelled as the last writer did.
"""

from proconsul.store.keys import folded
from proconsul.store.schema import CHECKS, NODES, SERVICES
from proconsul.store.transaction import ReadTransaction, WriteTransaction

LAST_EXTINCTION = "service_last_extinction"  # when some service lost its last instance


def service_index(name: str) -> str:
    """The entry that moves with anything that a health query of the service shows."""
    return f"service.{name}"


def kind_index(kind: str) -> str:
    """The entry that moves with the services of a kind; "" is the ordinary kind."""
    return f"service_kind.{kind or 'typical'}"


def raise_service(txn: WriteTransaction, name: str, kind: str, at: int | None = None) -> None:
    """A service changed, or something that is shown with it."""
    txn.raise_index(service_index(name), kind_index(kind), value=at)


def raise_services_of_node(txn: WriteTransaction, node: str) -> None:
    """Something changed that is shown with each service of a node."""
    touched = {(row.service_name, row.service_kind) for row in txn.rows(SERVICES, folded(node))}
    for name, kind in sorted(touched):
        raise_service(txn, name, kind)


def catalog_index(txn: ReadTransaction) -> int:
    """The index of answers about nodes and services."""
    return txn.table_index(NODES.name, SERVICES.name)


def dump_index(txn: ReadTransaction) -> int:
    """The index of answers about nodes, services and checks."""
    return txn.table_index(NODES.name, SERVICES.name, CHECKS.name)


def index_of_service(txn: ReadTransaction, name: str, *, exists: bool, checks: bool) -> int:
    """The index of answers about one service; `exists` if it has instances.

    For a missing one it is that of the last extinction of any, so that it never goes back.
    """
    if not exists and txn.has_index(LAST_EXTINCTION):
        return txn.table_index(LAST_EXTINCTION)
    if txn.has_index(service_index(name)):
        return txn.table_index(service_index(name))
    return dump_index(txn) if checks else catalog_index(txn)
