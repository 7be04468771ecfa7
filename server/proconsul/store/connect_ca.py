"""The mesh's certificate authority: roots, configuration, the builtin provider's keys.

Consul's state/connect_ca.go with its oddities: deleting a provider's state leaves the index where
it was, the serial number lives in the index table, and a configuration has no index but its own.
"""

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.connect_ca import CAConfiguration, CAConsulProviderState, CARoot
from proconsul.store.keys import exact
from proconsul.store.schema import CA_CONFIG, CA_PROVIDER_STATE, CA_ROOTS
from proconsul.store.transaction import ReadTransaction, WriteTransaction

SERIAL_INDEX = "connect-ca-builtin-serial"
_THE_ONE = b""  # the key of the configuration


def ca_config(txn: ReadTransaction) -> CAConfiguration | None:
    """The configuration, if the mesh has one."""
    return txn.row(CA_CONFIG, _THE_ONE)


def ca_roots(txn: ReadTransaction) -> list[CARoot]:
    """All root certificates by ID."""
    return list(txn.rows(CA_ROOTS))


def set_config(txn: WriteTransaction, new: CAConfiguration, at: int) -> None:
    """Replace the configuration; its indexes say `at`."""
    existing = ca_config(txn)
    if existing is None:
        insert_config(txn, replace(new, create_index=at, modify_index=at))
        return
    insert_config(
        txn,
        replace(
            new,
            cluster_id=new.cluster_id or existing.cluster_id,
            create_index=existing.create_index,
            modify_index=at,
        ),
    )


def set_config_cas(txn: WriteTransaction, new: CAConfiguration, at: int) -> bool:
    """Replace the configuration if it still is the one with `new.modify_index`."""
    existing = ca_config(txn)
    if new.modify_index != (0 if existing is None else existing.modify_index):
        return False
    set_config(txn, new, at)
    return True


def insert_config(txn: WriteTransaction, row: CAConfiguration) -> None:
    """Write the configuration as it is."""
    txn.put(CA_CONFIG, _THE_ONE, row)


def restore_config(txn: WriteTransaction, row: CAConfiguration) -> None:
    """Take the configuration of a snapshot, but never a blank one."""
    if row.provider:
        insert_config(txn, row)


def set_roots_cas(txn: WriteTransaction, expected_index: int, new: list[CARoot]) -> bool:
    """Replace all roots, one of them active, if the table's index is `expected_index`."""
    if sum(root.active for root in new) != 1:
        raise RpcError("there must be exactly one active CA")
    if txn.table_index(CA_ROOTS.name) != expected_index:
        return False
    if any(not root.id for root in new):
        raise RpcError("Missing CA Root ID")
    before = {root.id: root for root in txn.rows(CA_ROOTS)}
    for root_id in before:
        txn.remove(CA_ROOTS.name, exact(root_id))
    for root in new:
        known = before.get(root.id)
        created = txn.index if known is None else known.create_index
        txn.put(
            CA_ROOTS, exact(root.id), replace(root, create_index=created, modify_index=txn.index)
        )
    txn.set_index(CA_ROOTS.name)
    return True


def restore_root(txn: WriteTransaction, row: CARoot) -> None:
    """Take a root of a snapshot."""
    txn.put(CA_ROOTS, exact(row.id), row)
    txn.raise_index(CA_ROOTS.name, value=row.modify_index)


def set_provider_state(txn: WriteTransaction, new: CAConsulProviderState) -> bool:
    """Keep a provider's keys; always True."""
    existing = txn.row(CA_PROVIDER_STATE, exact(new.id))
    created = txn.index if existing is None else existing.create_index
    row = replace(new, create_index=created, modify_index=txn.index)
    txn.put(CA_PROVIDER_STATE, exact(new.id), row)
    txn.set_index(CA_PROVIDER_STATE.name)
    return True


def delete_provider_state(txn: WriteTransaction, provider_id: str) -> None:
    """Forget a provider's keys; the table's index stays what it was."""
    if txn.remove(CA_PROVIDER_STATE.name, exact(provider_id)):
        txn.set_index(CA_PROVIDER_STATE.name, value=txn.table_index(CA_PROVIDER_STATE.name))


def restore_provider_state(txn: WriteTransaction, row: CAConsulProviderState) -> None:
    """Take a provider's keys of a snapshot."""
    txn.put(CA_PROVIDER_STATE, exact(row.id), row)
    txn.raise_index(CA_PROVIDER_STATE.name, value=row.modify_index)


def next_serial_number(txn: WriteTransaction) -> int:
    """Count up the builtin provider's serial number."""
    last = SERIAL_INDEX if txn.has_index(SERIAL_INDEX) else CA_PROVIDER_STATE.name
    serial = txn.table_index(last) + 1
    txn.set_index(SERIAL_INDEX, value=serial)
    return serial
