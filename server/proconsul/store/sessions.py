"""Sessions: who may hold keys, and what happens to the keys at the end (Consul's session.go).

Lock-delays and time-outs are kept outside the replicated state, by those who hear the events.
"""

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.session import Session
from proconsul.store import kv, prepared_queries
from proconsul.store.events import SessionCreated, SessionDestroyed
from proconsul.store.keys import folded
from proconsul.store.orders import check_ids
from proconsul.store.schema import (
    CHECKS,
    KVS,
    KVS_BY_SESSION,
    NODES,
    SESSIONS,
    SESSIONS_BY_CHECK,
    SESSIONS_BY_NODE,
)
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.unique import uuid_key
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import SECOND, Duration, quote

RELEASE = "release"
DELETE = "delete"
CRITICAL = "critical"
LOCK_DELAY_MAX = Duration(60 * SECOND)

# ---------------------------------------------------------------- reading


def get(
    txn: ReadTransaction, watch: WatchSet | None, session_id: str
) -> tuple[int, Session | None]:
    """One session. Raises RpcError for an id that is no UUID."""
    key = uuid_key(session_id, "failed session lookup: index error")
    if watch is not None:
        watch.exact(SESSIONS.name, key)
    return txn.table_index(SESSIONS.name), txn.row(SESSIONS, key)


def list_all(txn: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[Session]]:
    """All sessions, in the order of their ids."""
    if watch is not None:
        watch.prefix(SESSIONS.name)
    return txn.table_index(SESSIONS.name), list(txn.rows(SESSIONS))


def of_node(txn: ReadTransaction, watch: WatchSet | None, node: str) -> tuple[int, list[Session]]:
    """The sessions of one node."""
    if watch is not None:
        watch.prefix(SESSIONS_BY_NODE.name, folded(node))
    return txn.table_index(SESSIONS.name), _of_node(txn, node)


def _of_node(txn: ReadTransaction, node: str) -> list[Session]:
    return list(txn.rows_by(SESSIONS, SESSIONS_BY_NODE, folded(node)))


# ---------------------------------------------------------------- writing


def create(txn: WriteTransaction, session: Session) -> Session:
    """Make a session; returns it as stored.

    Raises RpcError, before it writes, when the node or a check is missing, or a check critical.
    """
    if not session.id:
        raise RpcError("Missing session ID")
    if session.behavior not in ("", RELEASE, DELETE):
        raise RpcError(f"Invalid session behavior: {session.behavior}")
    if txn.row(NODES, folded(session.node)) is None:
        raise RpcError("Missing node registration")
    for check_id in check_ids(session):
        check = txn.row(CHECKS, folded(session.node, check_id))
        if check is None:
            raise RpcError(f"Missing check '{check_id}' registration")
        if check.status == CRITICAL:
            raise RpcError(f"Check '{check_id}' is in {check.status} state")
    key = uuid_key(session.id, "failed inserting session: failed to build index 'id'")
    made = replace(
        session,
        behavior=session.behavior or RELEASE,
        create_index=txn.index,
        modify_index=txn.index,
    )
    txn.put(SESSIONS, key, made)
    txn.set_index(SESSIONS.name)
    txn.events.append(SessionCreated(made.id, made.ttl))
    return made


def restore_session(txn: WriteTransaction, session: Session) -> None:
    """Take a session from a snapshot."""
    txn.put(SESSIONS, folded(session.id), session)
    txn.raise_index(SESSIONS.name, value=session.modify_index)
    txn.events.append(SessionCreated(session.id, session.ttl))


def destroy(txn: WriteTransaction, session_id: str) -> None:
    """End a session, if there is such a one: release or delete its keys, drop its queries.

    Raises RpcError for an id that is no UUID.
    """
    key = uuid_key(session_id, "failed session lookup: index error")
    session = txn.row(SESSIONS, key)
    if session is None:
        return
    if session.behavior not in (RELEASE, DELETE):
        raise RpcError(f"unknown session behavior {quote(session.behavior)}")
    txn.remove(SESSIONS.name, key)
    txn.set_index(SESSIONS.name)
    held = list(txn.rows_by(KVS, KVS_BY_SESSION, folded(session_id)))
    for entry in held:
        if session.behavior == DELETE:
            kv.delete_key(txn, entry.key)
        else:
            kv.release(txn, entry)
    prepared_queries.delete_bound_to_session(txn, session_id)
    txn.events.append(
        SessionDestroyed(
            session_id=session.id,
            keys=tuple(entry.key for entry in held),
            lock_delay=min(session.lock_delay, LOCK_DELAY_MAX),
        )
    )


def destroy_of_check(txn: WriteTransaction, node: str, check_id: str) -> None:
    """End the sessions that depend on a check, because it is critical or gone."""
    for session in list(txn.rows_by(SESSIONS, SESSIONS_BY_CHECK, folded(node, check_id))):
        destroy(txn, session.id)


def destroy_of_node(txn: WriteTransaction, node: str) -> None:
    """End the sessions of a node, because it is gone."""
    for session in _of_node(txn, node):
        destroy(txn, session.id)


def delete_row(txn: WriteTransaction, session_id: str) -> None:
    """Remove the session and nothing else: what the transaction verb does in Consul 1.8.

    Its keys stay locked by a session that is no more. Raises RpcError when there is none.
    """
    key = folded(session_id)
    if not session_id or txn.row(SESSIONS, key) is None:
        why = "not found" if session_id else "object missing primary index"
        raise RpcError(f"failed deleting session: {why}")
    txn.remove(SESSIONS.name, key)
    txn.set_index(SESSIONS.name)
    txn.events.append(SessionDestroyed(session_id=session_id, keys=(), lock_delay=Duration(0)))
