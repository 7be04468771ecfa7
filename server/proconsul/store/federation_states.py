"""What this datacenter knows of the others' gateways (Consul's state/federation_state.go)."""

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.federation_state import FederationState
from proconsul.store.keys import folded
from proconsul.store.schema import FEDERATION_STATES
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import WatchSet


def federation_state(
    txn: ReadTransaction, watch: WatchSet | None, datacenter: str
) -> tuple[int, FederationState | None]:
    """(index, what is known of a datacenter)."""
    key = folded(datacenter)
    if watch is not None:
        watch.exact(FEDERATION_STATES.name, key)
    return txn.table_index(FEDERATION_STATES.name), txn.row(FEDERATION_STATES, key)


def federation_states(
    txn: ReadTransaction, watch: WatchSet | None
) -> tuple[int, list[FederationState]]:
    """(index, what is known of all datacenters, by their names)."""
    if watch is not None:
        watch.prefix(FEDERATION_STATES.name)
    return txn.table_index(FEDERATION_STATES.name), list(txn.rows(FEDERATION_STATES))


def set_federation_state(txn: WriteTransaction, new: FederationState) -> None:
    """Create or change one datacenter's state."""
    if not new.datacenter:
        raise RpcError("missing datacenter on federation state")
    key = folded(new.datacenter)
    existing = txn.row(FEDERATION_STATES, key)
    row = replace(
        new,
        create_index=txn.index if existing is None else existing.create_index,
        modify_index=txn.index,
        # Without one it was written in the primary datacenter, so this is its index there.
        primary_modify_index=new.primary_modify_index or txn.index,
    )
    txn.put(FEDERATION_STATES, key, row)
    txn.set_index(FEDERATION_STATES.name)


def delete_federation_state(txn: WriteTransaction, datacenter: str) -> None:
    """Delete by datacenter; an absent one is no error."""
    if txn.remove(FEDERATION_STATES.name, folded(datacenter)):
        txn.set_index(FEDERATION_STATES.name)


def restore_federation_state(txn: WriteTransaction, row: FederationState) -> None:
    """Take a state of a snapshot."""
    txn.put(FEDERATION_STATES, folded(row.datacenter), row)
    txn.raise_index(FEDERATION_STATES.name, value=row.modify_index)
