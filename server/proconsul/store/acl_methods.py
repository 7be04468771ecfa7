"""Auth methods and the rules that bind logins to rights (Consul's state/acl.go)."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.acl import ACLAuthMethod, ACLBindingRule
from proconsul.store.acl import remove_token
from proconsul.store.keys import folded
from proconsul.store.schema import ACL_AUTH_METHODS, ACL_BINDING_RULES, ACL_TOKENS
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.unique import uuid_key


def set_binding_rule(txn: WriteTransaction, new: ACLBindingRule) -> None:
    """Create or change a rule."""
    if not new.id:
        raise RpcError("Missing ACL Binding Rule ID")
    if not new.auth_method:
        raise RpcError("Missing ACL Binding Rule Auth Method")
    existing = txn.row(
        ACL_BINDING_RULES, uuid_key(new.id, "failed acl binding rule lookup: index error")
    )
    if txn.row(ACL_AUTH_METHODS, folded(new.auth_method)) is None:
        raise RpcError("failed inserting acl binding rule: auth method not found")
    created = txn.index if existing is None else existing.create_index
    insert_binding_rule(txn, replace(new, create_index=created, modify_index=txn.index))


def insert_binding_rule(txn: WriteTransaction, row: ACLBindingRule) -> None:
    """Write a rule as it is, from a command or a snapshot."""
    txn.put(
        ACL_BINDING_RULES,
        uuid_key(row.id, "failed inserting acl role: failed to build index 'id'"),
        row,
    )
    txn.raise_index(ACL_BINDING_RULES.name, value=row.modify_index)


def delete_binding_rules(txn: WriteTransaction, rule_ids: Iterable[str]) -> None:
    """Delete by ID; absent and malformed ones are no error (the real one drops it, too)."""
    for rule_id in rule_ids:
        if txn.remove(ACL_BINDING_RULES.name, folded(rule_id)):
            txn.raise_index(ACL_BINDING_RULES.name)


def binding_rules_of(txn: ReadTransaction, method_name: str) -> Iterator[ACLBindingRule]:
    """The rules of one auth method."""
    wanted = method_name.lower()
    return (row for row in txn.rows(ACL_BINDING_RULES) if row.auth_method.lower() == wanted)


def set_auth_method(txn: WriteTransaction, new: ACLAuthMethod) -> None:
    """Create or change a method."""
    if not new.name:
        raise RpcError("Missing ACL Auth Method Name")
    if not new.type:
        raise RpcError("Missing ACL Auth Method Type")
    existing = txn.row(ACL_AUTH_METHODS, folded(new.name))
    created = txn.index if existing is None else existing.create_index
    insert_auth_method(txn, replace(new, create_index=created, modify_index=txn.index))


def insert_auth_method(txn: WriteTransaction, row: ACLAuthMethod) -> None:
    """Write a method as it is, from a command or a snapshot."""
    txn.put(ACL_AUTH_METHODS, folded(row.name), row)
    txn.raise_index(ACL_AUTH_METHODS.name, value=row.modify_index)


def delete_auth_methods(txn: WriteTransaction, names: Iterable[str]) -> None:
    """Delete methods with their rules, and with the tokens that they gave out here."""
    for name in names:
        method = txn.row(ACL_AUTH_METHODS, folded(name))
        if method is not None:
            _delete_auth_method(txn, method)


def _delete_auth_method(txn: WriteTransaction, method: ACLAuthMethod) -> None:
    delete_binding_rules(txn, [rule.id for rule in binding_rules_of(txn, method.name)])
    makes_global_tokens = method.token_locality == "global"
    given_out = [
        token
        for token in txn.rows(ACL_TOKENS)
        if token.auth_method == method.name and token.local != makes_global_tokens
    ]
    for token in given_out:
        remove_token(txn, token)
    txn.remove(ACL_AUTH_METHODS.name, folded(method.name))
    txn.raise_index(ACL_AUTH_METHODS.name)
