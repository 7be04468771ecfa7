"""Intentions: which service may call which (Consul's state/intention.go)."""

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.intention import Intention
from proconsul.store.keys import folded, text
from proconsul.store.schema import INTENTIONS
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.unique import find, move, uuid_key
from proconsul.store.watch import WatchSet

WILDCARD = "*"
_BY_PAIR = "connect-intentions.source_destination"  # folded(source ns, source, dest. ns, dest.)

_PRECEDENCE_MAX = (3, 6, 9)  # by how much of the destination is exact


def intention(txn: ReadTransaction, intention_id: str) -> Intention | None:
    """The intention with this ID."""
    return txn.row(INTENTIONS, folded(intention_id))


def get(
    txn: ReadTransaction, watch: WatchSet | None, intention_id: str
) -> tuple[int, Intention | None]:
    """(index, the intention with this ID); RpcError for what is no UUID."""
    key = uuid_key(intention_id, "failed intention lookup: index error")
    if watch is not None:
        watch.exact(INTENTIONS.name, key)
    return max(txn.table_index(INTENTIONS.name), 1), txn.row(INTENTIONS, key)


def list_all(txn: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[Intention]]:
    """(index, all intentions): first those that decide over the others."""
    if watch is not None:
        watch.prefix(INTENTIONS.name)
    found = sorted(txn.rows(INTENTIONS), key=_by_precedence)
    return max(txn.table_index(INTENTIONS.name), 1), found


def _by_precedence(row: Intention) -> tuple[int, bytes, bytes, bytes, bytes]:
    ends = (row.source_ns, row.source_name, row.destination_ns, row.destination_name)
    source_ns, source, destination_ns, destination = (text(end) for end in ends)
    return -row.precedence, source_ns, source, destination_ns, destination


def set_intention(txn: WriteTransaction, new: Intention) -> None:
    """Create or change an intention; RpcError for a second one between the same two."""
    if not new.id:
        raise RpcError("Missing Intention ID")
    existing = txn.row(INTENTIONS, uuid_key(new.id, "failed intention lookup: index error"))
    twin_key = find(txn, _BY_PAIR, _pair(new))
    twin = None if twin_key is None else txn.row(INTENTIONS, twin_key)
    if twin is not None and twin.id != new.id:
        raise RpcError(f"duplicate intention found: {_text(twin)}")
    insert_intention(
        txn,
        replace(
            new,
            precedence=precedence(new),
            created_at=new.created_at if existing is None else existing.created_at,
            create_index=txn.index if existing is None else existing.create_index,
            modify_index=txn.index,
            meta={} if new.meta is None else new.meta,
        ),
    )


def insert_intention(txn: WriteTransaction, row: Intention) -> None:
    """Write an intention as it is, from a command or a snapshot."""
    key = uuid_key(row.id, "failed inserting intention: failed to build index 'id'")
    before = txn.row(INTENTIONS, key)
    move(txn, _BY_PAIR, None if before is None else _pair(before), _pair(row), key)
    txn.put(INTENTIONS, key, row)
    txn.raise_index(INTENTIONS.name, value=row.modify_index)


def delete_intention(txn: WriteTransaction, intention_id: str) -> None:
    """Delete by ID; an absent one is no error."""
    failing = "failed intention delete: failed intention lookup: index error"
    key = uuid_key(intention_id, failing)
    row = txn.row(INTENTIONS, key)
    if row is None:
        return
    txn.remove(INTENTIONS.name, key)
    txn.remove(_BY_PAIR, _pair(row))
    txn.set_index(INTENTIONS.name)


def precedence(row: Intention) -> int:
    """9 for exact to exact, down to 1: the highest that matches decides."""
    most = _PRECEDENCE_MAX[_exact_parts(row.destination_ns, row.destination_name)]
    return most - (2 - _exact_parts(row.source_ns, row.source_name))


def _exact_parts(namespace: str, name: str) -> int:
    if namespace == WILDCARD:
        return 0
    return 1 if name == WILDCARD else 2


def _pair(row: Intention) -> bytes:
    return folded(row.source_ns, row.source_name, row.destination_ns, row.destination_name)


def _text(row: Intention) -> str:
    return (
        f"{row.action.upper()} {row.source_ns}/{row.source_name} => "
        f"{row.destination_ns}/{row.destination_name} (ID: {row.id}, Precedence: {row.precedence})"
    )
