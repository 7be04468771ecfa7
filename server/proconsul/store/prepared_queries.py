"""Prepared queries: unique names, one template a prefix (Consul's state/prepared_query.go)."""

import re

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.prepared_query import PreparedQuery
from proconsul.store.keys import folded
from proconsul.store.query_template import refuse_bad_template
from proconsul.store.schema import PREPARED_QUERIES, QUERIES_BY_SESSION, SESSIONS
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.unique import find, move, uuid_key
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import quote

_BY_NAME = "prepared-queries.name"  # folded(name)
_TEMPLATES = "prepared-queries.template"  # NUL, folded prefix, NUL

_UUID = re.compile(r"(?i)^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$", re.ASCII)


def is_template(query: PreparedQuery) -> bool:
    """Whether the query answers to all names that start with its own."""
    return bool(query.template.type)


def prepared_query(
    txn: ReadTransaction, watch: WatchSet | None, query_id: str
) -> tuple[int, PreparedQuery | None]:
    """(index, query)."""
    if watch is not None:
        watch.exact(PREPARED_QUERIES.name, folded(query_id))
    row = txn.row(PREPARED_QUERIES, folded(query_id))
    return txn.table_index(PREPARED_QUERIES.name), row


def prepared_queries(
    txn: ReadTransaction, watch: WatchSet | None
) -> tuple[int, list[PreparedQuery]]:
    """(index, all queries by ID)."""
    if watch is not None:
        watch.prefix(PREPARED_QUERIES.name)
    return txn.table_index(PREPARED_QUERIES.name), list(txn.rows(PREPARED_QUERIES))


def set_prepared_query(txn: WriteTransaction, new: PreparedQuery) -> None:
    """Create or change a query; RpcError for a name that is taken or a bad template."""
    if not new.id:
        raise RpcError("Missing Query ID")
    existing = txn.row(
        PREPARED_QUERIES, uuid_key(new.id, "failed prepared query lookup: index error")
    )
    _refuse_taken_name(txn, new)
    if new.session:
        session_key = uuid_key(new.session, "invalid session: index error")
        if txn.row(SESSIONS, session_key) is None:
            raise RpcError(f"invalid session {quote(new.session)}")
    if is_template(new):
        refuse_bad_template(new)
    created = txn.index if existing is None else existing.create_index
    _insert(txn, replace(new, create_index=created, modify_index=txn.index))
    txn.set_index(PREPARED_QUERIES.name)


def restore_prepared_query(txn: WriteTransaction, row: PreparedQuery) -> None:
    """Take a query of a snapshot."""
    _insert(txn, row)
    txn.raise_index(PREPARED_QUERIES.name, value=row.modify_index)


def delete_prepared_query(txn: WriteTransaction, query_id: str) -> None:
    """Delete by ID; an absent one is no error."""
    failing = "failed prepared query delete: failed prepared query lookup: index error"
    row = txn.row(PREPARED_QUERIES, uuid_key(query_id, failing))
    if row is not None:
        _remove(txn, row)


def delete_bound_to_session(txn: WriteTransaction, session_id: str) -> None:
    """Delete the queries that live only as long as this session."""
    for row in list(txn.rows_by(PREPARED_QUERIES, QUERIES_BY_SESSION, folded(session_id))):
        _remove(txn, row)


def _remove(txn: WriteTransaction, row: PreparedQuery) -> None:
    txn.remove(PREPARED_QUERIES.name, folded(row.id))
    for index, key in _names(row):
        txn.remove(index, key)
    txn.set_index(PREPARED_QUERIES.name)


def _insert(txn: WriteTransaction, row: PreparedQuery) -> None:
    key = uuid_key(row.id, "failed inserting prepared query: failed to build index 'id'")
    before = txn.row(PREPARED_QUERIES, key)
    names = _names(row)
    for index, old in _names(before) if before is not None else ():
        if (index, old) not in names:
            txn.remove(index, old)
    for index, name in names:
        move(txn, index, None, name, key)
    txn.put(PREPARED_QUERIES, key, row)


def _names(row: PreparedQuery) -> list[tuple[str, bytes]]:
    """The places in the secondary indexes where a query stands."""
    places = [(_BY_NAME, folded(row.name))] if row.name else []
    if is_template(row):
        places.append((_TEMPLATES, b"\0" + folded(row.name)))
    return places


def _refuse_taken_name(txn: ReadTransaction, new: PreparedQuery) -> None:
    own_key = folded(new.id)
    if new.name:
        if find(txn, _BY_NAME, folded(new.name)) not in (None, own_key):
            raise RpcError(f"name '{new.name}' aliases an existing query name")
    elif is_template(new) and find(txn, _TEMPLATES, b"\0" + folded("")) not in (None, own_key):
        raise RpcError("a query template with an empty name already exists")
    # An ID and a name are looked up by the same text.
    if _UUID.match(new.name) and txn.row(PREPARED_QUERIES, folded(new.name)) is not None:
        raise RpcError(f"name '{new.name}' aliases an existing query ID")
