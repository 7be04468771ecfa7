"""Policies and roles of the ACL system, and the links to them (Consul's state/acl.go).

Links go by ID in the log. Their names are filled in when the row that holds them is written,
and mended when it is read, because what they point at may have been renamed or deleted since.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.acl import (
    ACLNodeIdentity,
    ACLPolicy,
    ACLRole,
    ACLRoleBatchSetRequest,
    ACLRolePolicyLink,
    ACLServiceIdentity,
    ACLTokenPolicyLink,
    ACLTokenRoleLink,
)
from proconsul.store.keys import folded
from proconsul.store.schema import ACL_POLICIES, ACL_ROLES
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.unique import find, move, uuid_key
from proconsul.wire.golang import quote

GLOBAL_MANAGEMENT_ID = "00000000-0000-0000-0000-000000000001"


def _rule(resource: str, *lines: str) -> str:
    return f"{resource} {{\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"


def _global_management_rules() -> str:
    """The builtin policy's text, byte for byte: changing it is refused."""
    write = 'policy = "write"'
    return (
        '\nacl = "write"\n'
        + "".join(_rule(f'{name}_prefix ""', write) for name in ("agent", "event", "key"))
        + 'keyring = "write"\n'
        + _rule('node_prefix ""', write)
        + 'operator = "write"\n'
        + _rule('query_prefix ""', write)
        + _rule('service_prefix ""', write, 'intentions = "write"')
        + _rule('session_prefix ""', write)
    ).rstrip("\n")


GLOBAL_MANAGEMENT_RULES = _global_management_rules()

_POLICY_NAMES = "acl-policies.name"  # folded(name)
_ROLE_NAMES = "acl-roles.name"  # folded(name)

Link = TypeVar("Link", ACLTokenPolicyLink, ACLTokenRoleLink, ACLRolePolicyLink)
PolicyLink = TypeVar("PolicyLink", ACLTokenPolicyLink, ACLRolePolicyLink)


# ---------------------------------------------------------------- policies


def policy(txn: ReadTransaction, policy_id: str) -> ACLPolicy | None:
    """The policy with this ID."""
    return txn.row(ACL_POLICIES, folded(policy_id))


def policy_by_name(txn: ReadTransaction, name: str) -> ACLPolicy | None:
    """The policy with this name, in any case."""
    key = find(txn, _POLICY_NAMES, folded(name))
    return None if key is None else txn.row(ACL_POLICIES, key)


def set_policy(txn: WriteTransaction, new: ACLPolicy) -> None:
    """Create or change a policy."""
    if not new.id:
        raise RpcError("Missing ACL Policy ID")
    if not new.name:
        raise RpcError("Missing ACL Policy Name")
    existing = txn.row(ACL_POLICIES, uuid_key(new.id, "index error"))
    if existing is not None and new.id == GLOBAL_MANAGEMENT_ID:
        what = "builtin global-management policy is not permitted"
        if new.rules != GLOBAL_MANAGEMENT_RULES:
            raise RpcError(f"Changing the Rules for the {what}")
        if new.datacenters:
            raise RpcError(f"Changing the Datacenters of the {what}")
    same_name = policy_by_name(txn, new.name)
    if same_name is not None and same_name.id != new.id:
        raise RpcError(f"A policy with name {quote(new.name)} already exists")
    created = txn.index if existing is None else existing.create_index
    insert_policy(txn, replace(new, create_index=created, modify_index=txn.index))


def insert_policy(txn: WriteTransaction, row: ACLPolicy) -> None:
    """Write a policy as it is, from a command or a snapshot."""
    key = uuid_key(row.id, "failed inserting acl policy: failed to build index 'id'")
    before = txn.row(ACL_POLICIES, key)
    old = None if before is None else folded(before.name)
    move(txn, _POLICY_NAMES, old, folded(row.name), key)
    txn.put(ACL_POLICIES, key, row)
    txn.raise_index(ACL_POLICIES.name, value=row.modify_index)


def delete_policies(txn: WriteTransaction, policy_ids: Iterable[str]) -> None:
    """Delete by ID; absent ones are no error."""
    for policy_id in policy_ids:
        key = uuid_key(policy_id, "failed acl policy lookup: index error")
        row = txn.row(ACL_POLICIES, key)
        if row is None:
            continue
        if row.id == GLOBAL_MANAGEMENT_ID:
            raise RpcError("Deletion of the builtin global-management policy is not permitted")
        txn.remove(ACL_POLICIES.name, key)
        txn.remove(_POLICY_NAMES, folded(row.name))
        txn.raise_index(ACL_POLICIES.name)


# ---------------------------------------------------------------- roles


def role(txn: ReadTransaction, role_id: str) -> ACLRole | None:
    """The role with this ID, its links mended."""
    row = txn.row(ACL_ROLES, folded(role_id))
    return None if row is None else _mended_role(txn, row)


def role_by_name(txn: ReadTransaction, name: str) -> ACLRole | None:
    """The role with this name, in any case, its links mended."""
    key = find(txn, _ROLE_NAMES, folded(name))
    row = None if key is None else txn.row(ACL_ROLES, key)
    return None if row is None else _mended_role(txn, row)


def roles(txn: ReadTransaction) -> Iterator[ACLRole]:
    """All roles by ID, links mended."""
    return (_mended_role(txn, row) for row in txn.rows(ACL_ROLES))


def set_roles(txn: WriteTransaction, request: ACLRoleBatchSetRequest) -> None:
    """Create or change roles."""
    for new in request.roles or ():
        set_role(txn, new, request.allow_missing_links)


def set_role(txn: WriteTransaction, new: ACLRole, allow_missing_links: bool) -> None:
    """Create or change a role."""
    if not new.id:
        raise RpcError("Missing ACL Role ID")
    if not new.name:
        raise RpcError("Missing ACL Role Name")
    existing = txn.row(ACL_ROLES, uuid_key(new.id, "failed acl role lookup: index error"))
    same_name = role_by_name(txn, new.name)
    if same_name is not None and same_name.id != new.id:
        raise RpcError(f"A role with name {quote(new.name)} already exists")
    links = resolved_policies(txn, new.policies, "Role", allow_missing_links)
    refuse_empty_identities("Role", new.service_identities, new.node_identities)
    created = txn.index if existing is None else existing.create_index
    insert_role(txn, replace(new, policies=links, create_index=created, modify_index=txn.index))


def insert_role(txn: WriteTransaction, row: ACLRole) -> None:
    """Write a role as it is, from a command or a snapshot."""
    key = uuid_key(row.id, "failed inserting acl role: failed to build index 'id'")
    before = txn.row(ACL_ROLES, key)
    old = None if before is None else folded(before.name)
    move(txn, _ROLE_NAMES, old, folded(row.name), key)
    txn.put(ACL_ROLES, key, row)
    txn.raise_index(ACL_ROLES.name, value=row.modify_index)


def delete_roles(txn: WriteTransaction, role_ids: Iterable[str]) -> None:
    """Delete by ID; absent ones are no error."""
    for role_id in role_ids:
        key = uuid_key(role_id, "failed acl role lookup: index error")
        row = txn.row(ACL_ROLES, key)
        if row is None:
            continue
        txn.remove(ACL_ROLES.name, key)
        txn.remove(_ROLE_NAMES, folded(row.name))
        txn.raise_index(ACL_ROLES.name)


def _mended_role(txn: ReadTransaction, row: ACLRole) -> ACLRole:
    links = mended_links(row.policies, lambda policy_id: policy(txn, policy_id))
    return row if links == row.policies else replace(row, policies=links)


# ---------------------------------------------------------------- links


def resolved_policies(
    txn: ReadTransaction, links: list[PolicyLink] | None, holder: str, allow_missing: bool
) -> list[PolicyLink] | None:
    """The links with the policies' names; RpcError for one that leads nowhere."""
    if links is None:
        return None
    made: list[PolicyLink] = []
    for link in links:
        if not link.id:
            raise RpcError(
                f"Encountered a {holder} with policies linked by Name in the state store"
            )
        found = txn.row(ACL_POLICIES, uuid_key(link.id, "failed acl policy lookup: index error"))
        if found is None and not allow_missing:
            raise RpcError(f"No such policy with ID: {link.id}")
        made.append(link if found is None else replace(link, name=found.name))
    return made


def resolved_roles(
    txn: ReadTransaction, links: list[ACLTokenRoleLink] | None, allow_missing: bool
) -> list[ACLTokenRoleLink] | None:
    """The links with the roles' names; RpcError for one that leads nowhere."""
    if links is None:
        return None
    made: list[ACLTokenRoleLink] = []
    for link in links:
        if not link.id:
            raise RpcError("Encountered a Token with roles linked by Name in the state store")
        found = txn.row(ACL_ROLES, uuid_key(link.id, "failed acl role lookup: index error"))
        if found is None and not allow_missing:
            raise RpcError(f"No such role with ID: {link.id}")
        made.append(link if found is None else replace(link, name=found.name))
    return made


def mended_links(
    links: list[Link] | None, find_row: Callable[[str], ACLPolicy | ACLRole | None]
) -> list[Link] | None:
    """The links to what is still there, under today's names."""
    if links is None:
        return None
    found = ((link, find_row(link.id)) for link in links)
    return [replace(link, name=row.name) for link, row in found if row is not None]


def refuse_empty_identities(
    holder: str,
    services: list[ACLServiceIdentity] | None,
    nodes: list[ACLNodeIdentity] | None,
) -> None:
    """Raise RpcError for an identity that names nobody."""
    if any(not one.service_name for one in services or ()):
        what = "an empty service identity name"
    elif any(not one.node_name for one in nodes or ()):
        what = "an empty node identity name"
    elif any(not one.datacenter for one in nodes or ()):
        what = "an empty node identity datacenter"
    else:
        return
    raise RpcError(f"Encountered a {holder} with {what} in the state store")
