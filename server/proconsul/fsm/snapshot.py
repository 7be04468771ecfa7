"""The state as a stream of records, and back (wire/fsm.md section 6).

A snapshot is a header, then records of one type byte and one msgpack value each, to its end. Both
ways are streams: neither side ever holds more than one record.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from proconsul.errors import ProconsulError, RpcError
from proconsul.fsm import chunking
from proconsul.fsm.commands import MessageType
from proconsul.model.acl import (
    ACL,
    ACLAuthMethod,
    ACLBindingRule,
    ACLPolicy,
    ACLRole,
    ACLToken,
)
from proconsul.model.catalog import Node, RegisterRequest
from proconsul.model.config_entry import ConfigEntryRequest
from proconsul.model.connect_ca import CAConfiguration, CAConsulProviderState, CARoot
from proconsul.model.coordinate import Coordinate
from proconsul.model.federation_state import FederationStateRequest
from proconsul.model.intention import Intention
from proconsul.model.kv import DirEntry, Tombstone
from proconsul.model.operator import AutopilotConfig
from proconsul.model.prepared_query import PreparedQuery
from proconsul.model.session import Session
from proconsul.model.snapshot_record import IndexEntry, SnapshotHeader
from proconsul.store import (
    acl,
    acl_methods,
    acl_policies,
    autopilot,
    catalog,
    config_entries,
    connect_ca,
    coordinates,
    federation_states,
    intentions,
    kv,
    prepared_queries,
    sessions,
    tombstones,
)
from proconsul.store.keys import folded, index_key
from proconsul.store.schema import (
    ACL_AUTH_METHODS,
    ACL_BINDING_RULES,
    ACL_POLICIES,
    ACL_ROLES,
    ACL_TOKENS,
    AUTOPILOT,
    CA_CONFIG,
    CA_PROVIDER_STATE,
    CA_ROOTS,
    CHECKS,
    CONFIG_ENTRIES,
    COORDINATES,
    FEDERATION_STATES,
    GATEWAY_SERVICES,
    INDEXES,
    INTENTIONS,
    KVS,
    NODES,
    PREPARED_QUERIES,
    SERVICES,
    SESSIONS,
    TOMBSTONES,
    Table,
)
from proconsul.store.services import to_node_service
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.wire import msgpack
from proconsul.wire.gostruct import GoStruct, WireError, from_wire, to_wire

# The header's index is the highest of the index entries that are named as a table is.
_INDEXED_TABLES = tuple(
    table.name
    for table in (
        ACL_AUTH_METHODS, ACL_BINDING_RULES, ACL_POLICIES, ACL_ROLES, ACL_TOKENS, CA_PROVIDER_STATE,
        CA_ROOTS, CHECKS, CONFIG_ENTRIES, COORDINATES, FEDERATION_STATES, GATEWAY_SERVICES,
        INTENTIONS, KVS, NODES, PREPARED_QUERIES, SERVICES, SESSIONS, TOMBSTONES,
    )
)  # fmt: skip


class SnapshotError(ProconsulError):
    """A snapshot cannot be read; nothing of it may be used."""


class RestoredInfo(Struct, frozen=True):
    """What a restore has read."""

    last_index: int  # of the header: the state's own, the log's is in the archive
    records: int


# ---------------------------------------------------------------- writing


def write(txn: ReadTransaction) -> Iterator[bytes]:
    """The snapshot of a state, record by record, in the order of Consul 1.8.7."""
    yield msgpack.pack({"LastIndex": txn.table_index(*_INDEXED_TABLES)})
    for node in txn.rows(NODES):
        yield from _node_records(txn, node)
    for coordinate in txn.rows(COORDINATES):
        yield _record(MessageType.COORDINATE_BATCH_UPDATE, [to_wire(coordinate)])
    for message_type, table in _PLAIN_BEFORE_TOMBSTONES:
        yield from _table_records(txn, message_type, table)
    for stone in txn.rows(TOMBSTONES):
        # Told as a key since before there were tombstones in snapshots.
        fake = DirEntry(key=stone.key, modify_index=stone.index)
        yield _record(MessageType.TOMBSTONE, to_wire(fake))
    for message_type, table in _PLAIN_AFTER_TOMBSTONES:
        yield from _table_records(txn, message_type, table)
    for state in txn.rows(FEDERATION_STATES):
        request = FederationStateRequest(op="upsert", state=state)
        yield _record(MessageType.FEDERATION_STATE, to_wire(request))
    yield from _table_records(txn, MessageType.INDEX, INDEXES)
    yield _record(MessageType.CHUNKING_STATE, chunking.to_record(txn))


# All of these are written; Consul 1.8.7 itself loses every auth method but the first.
_PLAIN_BEFORE_TOMBSTONES: tuple[tuple[MessageType, Table[Any]], ...] = (
    (MessageType.SESSION, SESSIONS),
    (MessageType.ACL_TOKEN_SET, ACL_TOKENS),
    (MessageType.ACL_POLICY_SET, ACL_POLICIES),
    (MessageType.ACL_ROLE_SET, ACL_ROLES),
    (MessageType.ACL_BINDING_RULE_SET, ACL_BINDING_RULES),
    (MessageType.ACL_AUTH_METHOD_SET, ACL_AUTH_METHODS),
    (MessageType.KVS, KVS),
)
_PLAIN_AFTER_TOMBSTONES: tuple[tuple[MessageType, Table[Any]], ...] = (
    (MessageType.PREPARED_QUERY, PREPARED_QUERIES),
    (MessageType.AUTOPILOT, AUTOPILOT),
    (MessageType.INTENTION, INTENTIONS),
    (MessageType.CONNECT_CA, CA_ROOTS),
    (MessageType.CONNECT_CA_PROVIDER_STATE, CA_PROVIDER_STATE),
    (MessageType.CONNECT_CA_CONFIG, CA_CONFIG),
    (MessageType.CONFIG_ENTRY, CONFIG_ENTRIES),
)


def _record(message_type: MessageType, value: Any) -> bytes:
    return bytes((message_type,)) + msgpack.pack(value)


def _table_records(
    txn: ReadTransaction, message_type: MessageType, table: Table[Any]
) -> Iterator[bytes]:
    """A row is stored as the bytes of its record."""
    first = bytes((message_type,))
    return (first + data for _, data in txn.view.scan(table.name))


def _node_records(txn: ReadTransaction, node: Node) -> Iterator[bytes]:
    request = RegisterRequest(
        id=node.id,
        node=node.node,
        datacenter=node.datacenter,
        address=node.address,
        tagged_addresses=node.tagged_addresses,
        node_meta=node.meta,
        create_index=node.create_index,
        modify_index=node.modify_index,
    )
    yield _record(MessageType.REGISTER, to_wire(request))
    for service in txn.rows(SERVICES, folded(node.node)):
        with_service = replace(request, service=to_node_service(service))
        yield _record(MessageType.REGISTER, to_wire(with_service))
    for check in txn.rows(CHECKS, folded(node.node)):
        yield _record(MessageType.REGISTER, to_wire(replace(request, check=check)))


# ---------------------------------------------------------------- reading


def restore(txn: WriteTransaction, chunks: Iterable[bytes]) -> RestoredInfo:
    """Fill an empty state from a snapshot.

    Raises SnapshotError for what is no snapshot, is cut short, or holds a record that is not
    known; the caller then drops the new state and keeps the old one.
    """
    values = _values(chunks)
    header = next(values, None)
    if not isinstance(header, dict):
        raise SnapshotError("the snapshot does not begin with its header")
    try:
        last_index = from_wire(SnapshotHeader, header).last_index
    except WireError as failure:
        raise SnapshotError(f"the header of the snapshot: {failure}") from failure
    txn.index = last_index  # for what comes without an index of its own
    records = 0
    for number in values:
        if not isinstance(number, int):
            raise SnapshotError(f"record {records} of the snapshot has no type")
        restorer = _RESTORERS.get(number)
        if restorer is None:
            raise SnapshotError(f"Unrecognized msg type {number}")
        value = next(values, _MISSING)
        if value is _MISSING:
            raise SnapshotError(f"the snapshot ends inside a record of type {number}")
        try:
            restorer(txn, value)
        except (WireError, msgpack.MsgpackError, RpcError) as failure:
            raise SnapshotError(
                f"record {records} of the snapshot, of type {number}: {failure}"
            ) from failure
        records += 1
    return RestoredInfo(last_index=last_index, records=records)


_MISSING = object()


def _values(chunks: Iterable[bytes]) -> Iterator[Any]:
    """The msgpack values of a stream; a type byte below 128 is one, too."""
    try:
        yield from msgpack.unpack_chunks(chunks)
    except msgpack.MsgpackError as failure:
        raise SnapshotError(f"the snapshot cannot be read: {failure}") from failure


Restorer = Callable[[WriteTransaction, Any], None]


def _row_restorer(
    struct_type: type[GoStruct], put: Callable[[WriteTransaction, Any], object]
) -> Restorer:
    def restore_row(txn: WriteTransaction, value: Any) -> None:
        put(txn, from_wire(struct_type, value))

    return restore_row


def _restore_coordinates(txn: WriteTransaction, value: Any) -> None:
    if not isinstance(value, list):
        raise WireError(f"wanted a list, got {type(value).__name__}")
    updates = [from_wire(Coordinate, one) for one in value]
    coordinates.restore_coordinates(txn, updates)


def _restore_registration(txn: WriteTransaction, value: Any) -> None:
    catalog.restore_registration(txn, from_wire(RegisterRequest, value))


def _restore_tombstone(txn: WriteTransaction, fake: DirEntry) -> None:
    tombstones.restore_tombstone(txn, Tombstone(key=fake.key, index=fake.modify_index))


def _restore_index(txn: WriteTransaction, entry: IndexEntry) -> None:
    txn.put(INDEXES, index_key(entry.key), entry)


def _restore_legacy_bootstrap(txn: WriteTransaction, entry: DirEntry) -> None:
    _restore_index(txn, IndexEntry(key=acl.BOOTSTRAP_INDEX, value=entry.modify_index))


def _restore_federation_state(txn: WriteTransaction, request: FederationStateRequest) -> None:
    if request.state is not None:
        federation_states.restore_federation_state(txn, request.state)


def _restore_chunks(txn: WriteTransaction, value: Any) -> None:
    chunking.restore_record(txn, value)


_RESTORERS: dict[int, Restorer] = {
    MessageType.REGISTER: _restore_registration,
    MessageType.KVS: _row_restorer(DirEntry, kv.restore_key),
    MessageType.TOMBSTONE: _row_restorer(DirEntry, _restore_tombstone),
    MessageType.SESSION: _row_restorer(Session, sessions.restore_session),
    MessageType.ACL: _row_restorer(
        ACL, lambda txn, row: acl.insert_token(txn, acl.token_of_legacy(row))
    ),
    MessageType.ACL_BOOTSTRAP: _row_restorer(DirEntry, _restore_legacy_bootstrap),
    MessageType.COORDINATE_BATCH_UPDATE: _restore_coordinates,
    MessageType.PREPARED_QUERY: _row_restorer(
        PreparedQuery, prepared_queries.restore_prepared_query
    ),
    MessageType.AUTOPILOT: _row_restorer(AutopilotConfig, autopilot.restore_autopilot_config),
    MessageType.INTENTION: _row_restorer(Intention, intentions.insert_intention),
    MessageType.CONNECT_CA: _row_restorer(CARoot, connect_ca.restore_root),
    MessageType.CONNECT_CA_PROVIDER_STATE: _row_restorer(
        CAConsulProviderState, connect_ca.restore_provider_state
    ),
    MessageType.CONNECT_CA_CONFIG: _row_restorer(CAConfiguration, connect_ca.restore_config),
    MessageType.INDEX: _row_restorer(IndexEntry, _restore_index),
    MessageType.ACL_TOKEN_SET: _row_restorer(
        ACLToken, lambda txn, row: acl.insert_token(txn, acl.with_token_hash(row))
    ),
    MessageType.ACL_POLICY_SET: _row_restorer(ACLPolicy, acl_policies.insert_policy),
    MessageType.ACL_ROLE_SET: _row_restorer(ACLRole, acl_policies.insert_role),
    MessageType.ACL_BINDING_RULE_SET: _row_restorer(
        ACLBindingRule, acl_methods.insert_binding_rule
    ),
    MessageType.ACL_AUTH_METHOD_SET: _row_restorer(ACLAuthMethod, acl_methods.insert_auth_method),
    MessageType.CONFIG_ENTRY: _row_restorer(
        ConfigEntryRequest,
        lambda txn, row: config_entries.insert_config_entry(txn, row.entry, row.entry.modify_index),
    ),
    MessageType.FEDERATION_STATE: _row_restorer(FederationStateRequest, _restore_federation_state),
    MessageType.CHUNKING_STATE: _restore_chunks,
}
