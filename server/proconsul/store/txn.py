"""Transactions: several operations at one index, all or none (Consul's txn.go).

Every operation is tried, also after one failed, and sees what those before it did; if any failed,
all is undone and the errors are the answer.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.health import HealthCheck
from proconsul.model.kv import DirEntry
from proconsul.model.txn import (
    TxnCheckOp,
    TxnError,
    TxnIntentionOp,
    TxnKVOp,
    TxnNodeOp,
    TxnOp,
    TxnResult,
    TxnServiceOp,
    TxnSessionOp,
)
from proconsul.store import checks, intentions, kv, nodes, services, sessions
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.wire.golang import quote

Results = list[TxnResult]
_KV_WRITES = frozenset({"set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree"})
Outcome = tuple[Results | None, list[TxnError] | None]


class _Refused(Exception):  # noqa: N818 - carries the errors out of the part that is undone
    def __init__(self, errors: list[TxnError]) -> None:
        self.errors = errors


def apply_ops(txn: WriteTransaction, ops: Iterable[TxnOp]) -> Outcome:
    """Do them all: (results, None); or none: (None, errors)."""
    try:
        with txn.undoable():
            results, errors = _each(ops, lambda op: _write(txn, op))
            _undo_if(errors)
    except _Refused as refused:
        return None, refused.errors
    return results, None


def _undo_if(errors: list[TxnError]) -> None:
    if errors:
        raise _Refused(errors)


def read_ops(txn: ReadTransaction, ops: Iterable[TxnOp]) -> Outcome:
    """The same for operations that only read."""
    results, errors = _each(ops, lambda op: _read(txn, op))
    return (None, errors) if errors else (results, None)


def _each(ops: Iterable[TxnOp], do: Callable[[TxnOp], Results]) -> tuple[Results, list[TxnError]]:
    results: Results = []
    errors: list[TxnError] = []
    for at, op in enumerate(ops):
        try:
            results.extend(do(op))
        except RpcError as failure:
            errors.append(TxnError(op_index=at, what=str(failure)))
    return results, errors


def _read(txn: ReadTransaction, op: TxnOp) -> Results:
    if op.kv is not None:
        found = _read_kv(txn, op.kv)
        if found is None and op.kv.verb not in _KV_WRITES:
            raise RpcError(f"unknown KV verb {quote(op.kv.verb)}")
    elif op.node is not None:
        found = _read_node(txn, op.node)
    elif op.service is not None:
        found = _read_service(txn, op.service)
    elif op.check is not None:
        found = _read_check(txn, op.check)
    else:
        found = None
    if found is None:
        raise RpcError("cannot insert in read-only transaction")
    return found


def _write(txn: WriteTransaction, op: TxnOp) -> Results:
    if op.kv is not None:
        return _kv(txn, op.kv)
    if op.intention is not None:
        return _intention(txn, op.intention)
    if op.node is not None:
        return _node(txn, op.node)
    if op.service is not None:
        return _service(txn, op.service)
    if op.check is not None:
        return _check(txn, op.check)
    if op.session is not None:
        return _session(txn, op.session)
    raise RpcError("no operation specified")


# ---------------------------------------------------------------- keys


def _shown(entry: DirEntry) -> Results:
    """What a write answers: the entry without its value."""
    return [TxnResult(kv=replace(entry, value=None))]


def _read_kv(txn: ReadTransaction, op: TxnKVOp) -> Results | None:
    """The results of a verb that only reads; None for the other verbs."""
    asked = op.dir_ent
    match op.verb:
        case "get":
            _, entry = kv.get(txn, None, asked.key)
            if entry is None:
                raise RpcError(f"key {quote(asked.key)} doesn't exist")
            return [TxnResult(kv=entry)]
        case "get-tree":
            return [TxnResult(kv=one) for one in kv.list_entries(txn, None, asked.key)[1]]
        case "check-session":
            return _shown(kv.check_session(txn, asked.key, asked.session))
        case "check-index":
            return _shown(kv.check_index(txn, asked.key, asked.modify_index))
        case "check-not-exists":
            if kv.get(txn, None, asked.key)[1] is not None:
                raise RpcError(f"key {quote(asked.key)} exists")
            return []
        case _:
            return None


def _kv(txn: WriteTransaction, op: TxnKVOp) -> Results:
    found = _read_kv(txn, op)
    if found is not None:
        return found
    key = quote(op.dir_ent.key)
    match op.verb:
        case "set":
            return _shown(kv.set_key(txn, op.dir_ent))
        case "cas":
            entry = kv.set_key_cas(txn, op.dir_ent)
            refusal = f"failed to set key {key}, index is stale"
        case "lock":
            entry = kv.lock(txn, op.dir_ent)
            refusal = f"failed to lock key {key}, lock is already held"
        case "unlock":
            entry = kv.unlock(txn, op.dir_ent)
            refusal = f"failed to unlock key {key}, lock isn't held, or is held by another session"
        case _:
            return _delete_kv(txn, op)
    if entry is None:
        raise RpcError(refusal)
    return _shown(entry)


def _delete_kv(txn: WriteTransaction, op: TxnKVOp) -> Results:
    asked = op.dir_ent
    match op.verb:
        case "delete":
            kv.delete_key(txn, asked.key)
        case "delete-cas":
            if not kv.delete_key_cas(txn, asked.key, asked.modify_index):
                raise RpcError(f"failed to delete key {quote(asked.key)}, index is stale")
        case "delete-tree":
            kv.delete_tree(txn, asked.key)
        case _:
            raise RpcError(f"unknown KV verb {quote(op.verb)}")
    return []


# ---------------------------------------------------------------- the catalog


def _found_node(txn: ReadTransaction, op: TxnNodeOp) -> Results:
    if op.node.id:
        node = nodes.with_id(txn, op.node.id)
    else:
        _, node = nodes.get_node(txn, op.node.node)
    return [] if node is None else [TxnResult(node=node)]


def _read_node(txn: ReadTransaction, op: TxnNodeOp) -> Results | None:
    if op.verb != "get":
        return None
    found = _found_node(txn, op)
    if not found:
        raise RpcError(f"node {quote(op.node.node)} doesn't exist")
    return found


def _node(txn: WriteTransaction, op: TxnNodeOp) -> Results:
    name = quote(op.node.node)
    match op.verb:
        case "get":
            return _read_node(txn, op) or []
        case "set":
            nodes.ensure_node(txn, op.node)
        case "cas":
            if not nodes.ensure_node_cas(txn, op.node):
                raise RpcError(f"failed to set node {name}, index is stale")
        case "delete":
            nodes.delete_node(txn, op.node.node)
            return []
        case "delete-cas":
            if not nodes.delete_node_cas(txn, op.node.node, op.node.modify_index):
                raise RpcError(f"failed to delete node {name}, index is stale")
            return []
        case _:
            raise RpcError(f"unknown Node verb {quote(op.verb)}")
    return _found_node(txn, op)


def _found_service(txn: ReadTransaction, op: TxnServiceOp) -> Results:
    _, service = services.node_service(txn, op.node, op.service.id)
    return [] if service is None else [TxnResult(service=service)]


def _read_service(txn: ReadTransaction, op: TxnServiceOp) -> Results | None:
    if op.verb != "get":
        return None
    found = _found_service(txn, op)
    if not found:
        raise RpcError(f"service {quote(op.service.id)} on node {quote(op.node)} doesn't exist")
    return found


def _service(txn: WriteTransaction, op: TxnServiceOp) -> Results:
    which = f"service {quote(op.service.id)} on node {quote(op.node)}"
    match op.verb:
        case "get":
            return _read_service(txn, op) or []
        case "set":
            services.ensure_service(txn, op.node, op.service)
        case "cas":
            if not services.ensure_service_cas(txn, op.node, op.service):
                raise RpcError(f"failed to set {which}, index is stale")
        case "delete":
            services.delete_service(txn, op.node, op.service.id)
            return []
        case "delete-cas":
            index = op.service.modify_index
            if not services.delete_service_cas(txn, op.node, op.service.id, index):
                raise RpcError(f"failed to delete {which}, index is stale")
            return []
        case _:
            raise RpcError(f"unknown Service verb {quote(op.verb)}")
    return _found_service(txn, op)


def _found_check(txn: ReadTransaction, op: TxnCheckOp) -> Results:
    _, check = checks.node_check(txn, None, op.check.node, op.check.check_id)
    return [] if check is None else [TxnResult(check=check)]


def _read_check(txn: ReadTransaction, op: TxnCheckOp) -> Results | None:
    if op.verb != "get":
        return None
    found = _found_check(txn, op)
    if not found:
        check_id, node = quote(op.check.check_id), quote(op.check.node)
        raise RpcError(f"check {check_id} on node {node} doesn't exist")
    return found


def _check(txn: WriteTransaction, op: TxnCheckOp) -> Results:
    node, check_id = op.check.node, op.check.check_id
    which = f"check {quote(check_id)} on node {quote(node)}"
    match op.verb:
        case "get":
            return _read_check(txn, op) or []
        case "set":
            checks.ensure_check(txn, op.check)
        case "cas":
            if not _check_cas(txn, op.check):
                raise RpcError(f"failed to set {which}, index is stale")
        case "delete":
            checks.delete_check(txn, node, check_id)
            return []
        case "delete-cas":
            if not checks.delete_check_cas(txn, node, check_id, op.check.modify_index):
                raise RpcError(f"failed to delete {which}, index is stale")
            return []
        case _:
            raise RpcError(f"unknown Check verb {quote(op.verb)}")
    return _found_check(txn, op)


def _check_cas(txn: WriteTransaction, check: HealthCheck) -> bool:
    """Consul loses the error of a check that cannot be set: it does nothing, and goes on.

    A log that holds such a command must come to the same here.
    """
    try:
        return checks.ensure_check_cas(txn, check)
    except RpcError:
        return True


# ---------------------------------------------------------------- the rest


def _session(txn: WriteTransaction, op: TxnSessionOp) -> Results:
    if op.verb != "delete":
        raise RpcError(f"failed to delete session: unknown Session verb {quote(op.verb)}")
    try:
        sessions.delete_row(txn, op.session.id)
    except RpcError as failure:
        raise RpcError(f"failed to delete session: {failure}") from failure
    return []


def _intention(txn: WriteTransaction, op: TxnIntentionOp) -> Results:
    assert op.intention is not None, "the leader refuses an operation without its intention"
    match op.op:
        case "create" | "update":
            intentions.set_intention(txn, op.intention)
        case "delete":
            intentions.delete_intention(txn, op.intention.id)
        case _:
            raise RpcError(f"unknown Intention op {quote(op.op)}")
    return []
