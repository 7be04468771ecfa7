"""Applying one committed command to the state (Consul's fsm/commands_oss.go).

Everything here follows from the command and the state alone: no clock, no chance. A refusal is
a result like any other: the state is as before, and every server refuses alike. A command that
cannot be understood is not: CommandError goes to the driver, which has to stop the server.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from proconsul.errors import RpcError
from proconsul.fsm import chunking
from proconsul.fsm.commands import CoordinateBatch, MessageType, Skipped, decode_command, plain_set
from proconsul.model.acl import (
    ACLAuthMethodBatchDeleteRequest,
    ACLAuthMethodBatchSetRequest,
    ACLBindingRuleBatchDeleteRequest,
    ACLBindingRuleBatchSetRequest,
    ACLPolicyBatchDeleteRequest,
    ACLPolicyBatchSetRequest,
    ACLRequest,
    ACLRoleBatchDeleteRequest,
    ACLRoleBatchSetRequest,
    ACLTokenBatchDeleteRequest,
    ACLTokenBatchSetRequest,
    ACLTokenBootstrapRequest,
)
from proconsul.model.catalog import DeregisterRequest, RegisterRequest
from proconsul.model.cluster_mark import ClusterMark
from proconsul.model.config_entry import ConfigEntryRequest, kind_of
from proconsul.model.connect_ca import CALeafRequest, CARequest
from proconsul.model.federation_state import FederationStateRequest
from proconsul.model.intention import IntentionRequest
from proconsul.model.kv import KVSRequest, TombstoneRequest
from proconsul.model.operator import AutopilotSetConfigRequest
from proconsul.model.prepared_query import PreparedQueryRequest
from proconsul.model.session import SessionRequest
from proconsul.model.txn import TxnRequest, TxnResponse
from proconsul.store import (
    acl,
    acl_methods,
    acl_policies,
    autopilot,
    catalog,
    cluster_marks,
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
from proconsul.store import txn as txn_ops
from proconsul.store.transaction import WriteTransaction


class HalfRefusedError(Exception):
    """A command was refused after it had written something that is yet to be undone."""


@dataclass(frozen=True, slots=True)
class FsmError:
    """The result of a command that was refused; the state is as before."""

    text: str


def apply(
    txn: WriteTransaction, data: bytes, extensions: bytes | None = None, term: int = 0
) -> object:
    """Apply one log entry at `txn.index` and answer its result.

    The result is what Consul's FSM answers: None, a bool, a text, an int, a TxnResponse, an ACL;
    FsmError for a refusal; Skipped for an unknown command that may be skipped; None for a piece of
    a large command that is not whole yet. Raises CommandError; and if `txn.may_start_over`,
    HalfRefusedError: undo the transaction, and begin again without.
    """
    if extensions:
        whole = chunking.take(txn, data, extensions, term)
        if whole is None:
            return None
        data = whole
    plain = plain_set(data)
    if plain is not None and kv.set_plain(txn, plain):
        return None
    decoded = decode_command(data)
    if isinstance(decoded, Skipped):
        return decoded
    message_type, request = decoded
    applier = _APPLIERS[message_type]
    writes = txn.writes
    try:
        if txn.may_start_over or message_type in _REFUSED_WHOLE:
            return applier(txn, request)
        with txn.undoable():
            return applier(txn, request)
    except RpcError as refusal:
        if txn.may_start_over and txn.writes != writes:
            raise HalfRefusedError from refusal
        return FsmError(str(refusal))


# ---------------------------------------------------------------- catalog, keys, sessions


def _register(txn: WriteTransaction, request: RegisterRequest) -> object:
    catalog.register(txn, request)
    return None


def _deregister(txn: WriteTransaction, request: DeregisterRequest) -> object:
    catalog.deregister(txn, request)
    return None


def _set(txn: WriteTransaction, request: KVSRequest) -> object:
    kv.set_key(txn, request.dir_ent)
    return None


def _delete(txn: WriteTransaction, request: KVSRequest) -> object:
    kv.delete_key(txn, request.dir_ent.key)
    return None


def _delete_tree(txn: WriteTransaction, request: KVSRequest) -> object:
    kv.delete_tree(txn, request.dir_ent.key)
    return None


_KV_OPS: Final[dict[str, Callable[[WriteTransaction, KVSRequest], object]]] = {
    "set": _set,
    "delete": _delete,
    "delete-cas": lambda txn, request: kv.delete_key_cas(
        txn, request.dir_ent.key, request.dir_ent.modify_index
    ),
    "delete-tree": _delete_tree,
    "cas": lambda txn, request: kv.set_key_cas(txn, request.dir_ent) is not None,
    "lock": lambda txn, request: kv.lock(txn, request.dir_ent) is not None,
    "unlock": lambda txn, request: kv.unlock(txn, request.dir_ent) is not None,
}


def _kvs(txn: WriteTransaction, request: KVSRequest) -> object:
    operation = _KV_OPS.get(request.op)
    if operation is None:
        raise RpcError(f"Invalid KVS operation '{request.op}'")
    return operation(txn, request)


def _session(txn: WriteTransaction, request: SessionRequest) -> object:
    match request.op:
        case "create":
            return sessions.create(txn, request.session).id
        case "destroy":
            sessions.destroy(txn, request.session.id)
            return None
        case _:
            raise RpcError(f"Invalid Session operation '{request.op}'")


def _tombstone(txn: WriteTransaction, request: TombstoneRequest) -> object:
    if request.op != "reap":
        raise RpcError(f"Invalid Tombstone operation '{request.op}'")
    tombstones.reap(txn, request.reap_index)
    return None


def _coordinates(txn: WriteTransaction, batch: CoordinateBatch) -> object:
    coordinates.batch_update(txn, batch.updates)
    return None


def _prepared_query(txn: WriteTransaction, request: PreparedQueryRequest) -> object:
    query = _given(request.query, "PreparedQuery")
    match request.op:
        case "create" | "update":
            prepared_queries.set_prepared_query(txn, query)
        case "delete":
            prepared_queries.delete_prepared_query(txn, query.id)
        case _:
            raise RpcError(f"Invalid PreparedQuery operation '{request.op}'")
    return None


def _txn(txn: WriteTransaction, request: TxnRequest) -> object:
    results, errors = txn_ops.apply_ops(txn, request.ops or [])
    return TxnResponse(results=results, errors=errors)


def _autopilot(txn: WriteTransaction, request: AutopilotSetConfigRequest) -> object:
    if request.cas:
        return autopilot.set_autopilot_config_cas(txn, request.config)
    autopilot.set_autopilot_config(txn, request.config)
    return None


def _cluster_mark(txn: WriteTransaction, mark: ClusterMark) -> object:
    cluster_marks.set_marks(txn, mark)
    return None


# ---------------------------------------------------------------- the mesh


def _intention(txn: WriteTransaction, request: IntentionRequest) -> object:
    intention = _given(request.intention, "Intention")
    match request.op:
        case "create" | "update":
            intentions.set_intention(txn, intention)
        case "delete":
            intentions.delete_intention(txn, intention.id)
        case _:
            raise RpcError(f"Invalid Intention operation '{request.op}'")
    return None


def _set_ca_config(txn: WriteTransaction, request: CARequest) -> object:
    config = _given(request.config, "CA")
    if config.modify_index:
        return connect_ca.set_config_cas(txn, config, txn.index)
    connect_ca.set_config(txn, config, txn.index)
    return None


def _set_ca_roots(txn: WriteTransaction, request: CARequest) -> object:
    return connect_ca.set_roots_cas(txn, request.index, request.roots or [])


def _set_ca_roots_and_config(txn: WriteTransaction, request: CARequest) -> object:
    # Two transactions there, the second one index further: the roots stay when only the
    # configuration has lost its race.
    if not _set_ca_roots(txn, request):
        return False
    return connect_ca.set_config_cas(txn, _given(request.config, "CA"), txn.index + 1)


def _delete_provider_state(txn: WriteTransaction, request: CARequest) -> object:
    connect_ca.delete_provider_state(txn, _given(request.provider_state, "CA").id)
    return True


_CA_OPS: dict[str, Callable[[WriteTransaction, CARequest], object]] = {
    "set-config": _set_ca_config,
    "set-roots": _set_ca_roots,
    "set-provider-state": lambda txn, request: connect_ca.set_provider_state(
        txn, _given(request.provider_state, "CA")
    ),
    "delete-provider-state": _delete_provider_state,
    "set-roots-config": _set_ca_roots_and_config,
    "increment-provider-serial": lambda txn, _: connect_ca.next_serial_number(txn),
}


def _connect_ca(txn: WriteTransaction, request: CARequest) -> object:
    operation = _CA_OPS.get(request.op)
    if operation is None:
        raise RpcError(f"Invalid CA operation '{request.op}'")
    return operation(txn, request)


def _connect_ca_leaf(txn: WriteTransaction, request: CALeafRequest) -> object:
    # 1.8.7 raises an index and then never commits it: the state stays as it was.
    if request.op != "increment-index":
        raise RpcError(f"Invalid CA operation '{request.op}'")
    return txn.index


def _config_entry(txn: WriteTransaction, request: ConfigEntryRequest) -> object:
    match request.op:
        case "upsert-cas":
            return config_entries.set_config_entry_cas(txn, request.entry)
        case "upsert":
            config_entries.set_config_entry(txn, request.entry)
            return True
        case "delete":
            config_entries.delete_config_entry(txn, kind_of(request.entry), request.entry.name)
            return None
        case _:
            raise RpcError(f"invalid config entry operation type: {request.op}")


def _federation_state(txn: WriteTransaction, request: FederationStateRequest) -> object:
    state = _given(request.state, "federation state")
    match request.op:
        case "upsert":
            federation_states.set_federation_state(txn, state)
            return True
        case "delete":
            federation_states.delete_federation_state(txn, state.datacenter)
            return None
        case _:
            raise RpcError(f"invalid federation state operation type: {request.op}")


# ---------------------------------------------------------------- rights


def _legacy_acl(txn: WriteTransaction, request: ACLRequest) -> object:
    match request.op:
        case "bootstrap-init":
            return not txn.has_index(acl.BOOTSTRAP_INDEX)
        case "bootstrap-now":
            acl.bootstrap(txn, acl.token_of_legacy(request.acl), 0, legacy=True)
            return acl.legacy_of_token(_given(acl.token_by_secret(txn, request.acl.id), "ACL"))
        case "set" | "force-set":
            acl.set_token(txn, acl.token_of_legacy(request.acl), legacy=True)
            return request.acl.id
        case "delete":
            acl.delete_token_by_secret(txn, request.acl.id)
            return None
        case _:
            raise RpcError(f"Invalid ACL operation '{request.op}'")


def _acl_bootstrap(txn: WriteTransaction, request: ACLTokenBootstrapRequest) -> object:
    acl.bootstrap(txn, request.token, request.reset_index, legacy=False)
    return None


def _set_tokens(txn: WriteTransaction, request: ACLTokenBatchSetRequest) -> object:
    acl.set_tokens(txn, request)
    return None


def _delete_tokens(txn: WriteTransaction, request: ACLTokenBatchDeleteRequest) -> object:
    acl.delete_tokens(txn, request.token_ids or ())
    return None


def _set_policies(txn: WriteTransaction, request: ACLPolicyBatchSetRequest) -> object:
    for policy in request.policies or ():
        acl_policies.set_policy(txn, policy)
    return None


def _delete_policies(txn: WriteTransaction, request: ACLPolicyBatchDeleteRequest) -> object:
    acl_policies.delete_policies(txn, request.policy_ids or ())
    return None


def _set_roles(txn: WriteTransaction, request: ACLRoleBatchSetRequest) -> object:
    acl_policies.set_roles(txn, request)
    return None


def _delete_roles(txn: WriteTransaction, request: ACLRoleBatchDeleteRequest) -> object:
    acl_policies.delete_roles(txn, request.role_ids or ())
    return None


def _set_rules(txn: WriteTransaction, request: ACLBindingRuleBatchSetRequest) -> object:
    for rule in request.binding_rules or ():
        acl_methods.set_binding_rule(txn, rule)
    return None


def _delete_rules(txn: WriteTransaction, request: ACLBindingRuleBatchDeleteRequest) -> object:
    acl_methods.delete_binding_rules(txn, request.binding_rule_ids or ())
    return None


def _set_methods(txn: WriteTransaction, request: ACLAuthMethodBatchSetRequest) -> object:
    for method in request.auth_methods or ():
        acl_methods.set_auth_method(txn, method)
    return None


def _delete_methods(txn: WriteTransaction, request: ACLAuthMethodBatchDeleteRequest) -> object:
    acl_methods.delete_auth_methods(txn, request.auth_method_names or ())
    return None


def _given(value: Any, what: str) -> Any:
    """The part of a request that must be there; Consul dies where it is not."""
    if value is None:
        raise RpcError(f"Invalid {what} request: it is about nothing")
    return value


# These refuse before they write anything, or undo what they wrote: they are the frequent ones,
# and need no transaction inside the transaction.
_REFUSED_WHOLE: Final = frozenset(
    {
        MessageType.KVS,
        MessageType.SESSION,
        MessageType.TXN,
        MessageType.COORDINATE_BATCH_UPDATE,
        MessageType.TOMBSTONE,
        MessageType.AUTOPILOT,
    }
)

_APPLIERS: Final[dict[MessageType, Callable[[WriteTransaction, Any], object]]] = {
    MessageType.REGISTER: _register,
    MessageType.DEREGISTER: _deregister,
    MessageType.KVS: _kvs,
    MessageType.SESSION: _session,
    MessageType.ACL: _legacy_acl,
    MessageType.TOMBSTONE: _tombstone,
    MessageType.COORDINATE_BATCH_UPDATE: _coordinates,
    MessageType.PREPARED_QUERY: _prepared_query,
    MessageType.TXN: _txn,
    MessageType.AUTOPILOT: _autopilot,
    MessageType.ACL_BOOTSTRAP: _acl_bootstrap,
    MessageType.INTENTION: _intention,
    MessageType.CONNECT_CA: _connect_ca,
    MessageType.ACL_TOKEN_SET: _set_tokens,
    MessageType.ACL_TOKEN_DELETE: _delete_tokens,
    MessageType.ACL_POLICY_SET: _set_policies,
    MessageType.ACL_POLICY_DELETE: _delete_policies,
    MessageType.CONNECT_CA_LEAF: _connect_ca_leaf,
    MessageType.CONFIG_ENTRY: _config_entry,
    MessageType.ACL_ROLE_SET: _set_roles,
    MessageType.ACL_ROLE_DELETE: _delete_roles,
    MessageType.ACL_BINDING_RULE_SET: _set_rules,
    MessageType.ACL_BINDING_RULE_DELETE: _delete_rules,
    MessageType.ACL_AUTH_METHOD_SET: _set_methods,
    MessageType.ACL_AUTH_METHOD_DELETE: _delete_methods,
    MessageType.FEDERATION_STATE: _federation_state,
    MessageType.CLUSTER_MARK: _cluster_mark,
}
