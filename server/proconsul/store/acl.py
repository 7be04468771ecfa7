"""Tokens, by secret and by accessor (Consul's state/acl.go)."""

import hashlib
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.acl import ACL, ACLToken, ACLTokenBatchSetRequest
from proconsul.store.acl_policies import (
    mended_links,
    policy,
    refuse_empty_identities,
    resolved_policies,
    resolved_roles,
    role,
)
from proconsul.store.keys import exact, folded
from proconsul.store.schema import ACL_AUTH_METHODS, ACL_TOKENS
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.unique import find, move, uuid_key
from proconsul.wire.golang import ZERO_TIME

ANONYMOUS_ID = "00000000-0000-0000-0000-000000000002"
BOOTSTRAP_INDEX = "acl-token-bootstrap"
_BY_ACCESSOR = "acl-tokens.accessor"  # folded(accessor id)


def token_by_secret(txn: ReadTransaction, secret_id: str) -> ACLToken | None:
    """The token with this secret, its links mended."""
    token = txn.row(ACL_TOKENS, exact(secret_id))
    return None if token is None else _mended(txn, token)


def token_by_accessor(txn: ReadTransaction, accessor_id: str) -> ACLToken | None:
    """The token with this accessor, its links mended."""
    key = find(txn, _BY_ACCESSOR, folded(accessor_id))
    token = None if key is None else txn.row(ACL_TOKENS, key)
    return None if token is None else _mended(txn, token)


def tokens(txn: ReadTransaction) -> Iterator[ACLToken]:
    """All tokens in the order of their secrets, links mended."""
    for token in txn.rows(ACL_TOKENS):
        yield _mended(txn, token)


def bootstrap(txn: WriteTransaction, token: ACLToken, reset_index: int, legacy: bool) -> None:
    """Make the first management token, once; or again when the operator names the index."""
    if txn.has_index(BOOTSTRAP_INDEX):
        if reset_index == 0:
            raise RpcError("ACL bootstrap no longer allowed")
        if reset_index != txn.table_index(BOOTSTRAP_INDEX):
            raise RpcError("Invalid ACL bootstrap reset index")
    try:
        set_token(txn, token, legacy=legacy)
    except RpcError as failure:
        raise RpcError(f"failed inserting bootstrap token: {failure}") from failure
    txn.set_index(BOOTSTRAP_INDEX)


def set_tokens(txn: WriteTransaction, request: ACLTokenBatchSetRequest) -> None:
    """Create or change tokens; a lost check-and-set leaves its token as it is, without a word."""
    for token in request.tokens or ():
        set_token(
            txn,
            token,
            cas=request.cas,
            allow_missing_links=request.allow_missing_links,
            prohibit_unprivileged=request.prohibit_unprivileged,
            from_replication=request.from_replication,
        )


def set_token(
    txn: WriteTransaction,
    token: ACLToken,
    *,
    cas: bool = False,
    allow_missing_links: bool = False,
    prohibit_unprivileged: bool = False,
    legacy: bool = False,
    from_replication: bool = False,
) -> None:
    """Create or change one token."""
    _refuse_incomplete(token, legacy=legacy, from_replication=from_replication)
    original = txn.row(ACL_TOKENS, exact(token.secret_id))
    if cas and token.modify_index != (0 if original is None else original.modify_index):
        return
    if legacy and original is not None:
        if _uses_new_fields(original):
            raise RpcError(
                "failed inserting acl token: "
                "cannot use legacy endpoint to modify a non-legacy token"
            )
        token = replace(token, accessor_id=original.accessor_id)
    policies = resolved_policies(txn, token.policies, "Token", allow_missing_links)
    roles = resolved_roles(txn, token.roles, allow_missing_links)
    _refuse_unknown_method(txn, "" if from_replication else token.auth_method)
    refuse_empty_identities("Token", token.service_identities, token.node_identities)
    if prohibit_unprivileged and not (
        any(policy(txn, link.id) for link in policies or ())
        or any(role(txn, link.id) for link in roles or ())
        or token.service_identities
        or token.node_identities
    ):
        raise RpcError("Token has no privileges")
    if original is not None and original.accessor_id not in ("", token.accessor_id):
        raise RpcError("The ACL Token AccessorID field is immutable")
    insert_token(
        txn,
        with_token_hash(
            replace(
                token,
                policies=policies,
                roles=roles,
                create_index=txn.index if original is None else original.create_index,
                modify_index=txn.index,
            )
        ),
    )


def insert_token(txn: WriteTransaction, token: ACLToken) -> None:
    """Write a token as it is, from a command or a snapshot."""
    key = exact(token.secret_id)
    before = txn.row(ACL_TOKENS, key)
    if token.accessor_id:
        old = folded(before.accessor_id) if before is not None and before.accessor_id else None
        accessor = uuid_key(
            token.accessor_id, "failed inserting acl token: failed to build index 'accessor'"
        )
        move(txn, _BY_ACCESSOR, old, accessor, key)
    txn.put(ACL_TOKENS, key, token)
    txn.raise_index(ACL_TOKENS.name, value=token.modify_index)


def delete_tokens(txn: WriteTransaction, accessor_ids: Iterable[str]) -> None:
    """Delete by accessor; absent ones are no error."""
    for accessor_id in accessor_ids:
        uuid_key(accessor_id, "failed acl token lookup: index error")
        key = find(txn, _BY_ACCESSOR, folded(accessor_id))
        if key is not None:
            _delete_token_row(txn, key)


def delete_token_by_secret(txn: WriteTransaction, secret_id: str) -> None:
    """Delete by secret, as the old API does."""
    _delete_token_row(txn, exact(secret_id))


def _delete_token_row(txn: WriteTransaction, key: bytes) -> None:
    token = txn.row(ACL_TOKENS, key)
    if token is None:
        return
    if token.accessor_id == ANONYMOUS_ID:
        raise RpcError("Deletion of the builtin anonymous token is not permitted")
    remove_token(txn, token)


def remove_token(txn: WriteTransaction, token: ACLToken) -> None:
    """Take a token out, whichever it is."""
    txn.remove(ACL_TOKENS.name, exact(token.secret_id))
    if token.accessor_id:
        txn.remove(_BY_ACCESSOR, folded(token.accessor_id))
    txn.raise_index(ACL_TOKENS.name)


def _refuse_incomplete(token: ACLToken, *, legacy: bool, from_replication: bool) -> None:
    if not token.secret_id:
        raise RpcError("Missing ACL Token SecretID")
    if not legacy and not token.accessor_id:
        raise RpcError("Missing ACL Token AccessorID")
    if from_replication and token.local:
        raise RpcError("Cannot replicate local tokens")


def _refuse_unknown_method(txn: ReadTransaction, method: str) -> None:
    if method and txn.row(ACL_AUTH_METHODS, folded(method)) is None:
        raise RpcError(f"No such auth method with Name: {method}")


def _uses_new_fields(token: ACLToken) -> bool:
    return bool(
        token.policies
        or token.service_identities
        or token.node_identities
        or token.roles
        or not token.type
        or token.expiration_time not in (None, ZERO_TIME)
        or token.expiration_ttl
        or token.auth_method
    )


def token_of_legacy(acl: ACL) -> ACLToken:
    """The token that a row of the old ACL system stands for."""
    return with_token_hash(
        ACLToken(
            secret_id=acl.id,
            description=acl.name,
            type=acl.type,
            rules=acl.rules,
            create_index=acl.create_index,
            modify_index=acl.modify_index,
        )
    )


def legacy_of_token(token: ACLToken) -> ACL:
    """The old form of a token; RpcError for one that has none."""
    if not token.type:
        raise RpcError("Cannot convert ACLToken into compat token")
    return ACL(
        id=token.secret_id,
        name=token.description,
        type=token.type,
        rules=token.rules,
        create_index=token.create_index,
        modify_index=token.modify_index,
    )


def with_token_hash(token: ACLToken) -> ACLToken:
    """The token with its hash filled in when it has none.

    Every server computes the same: the fields that a user sets, one behind the other, in
    BLAKE2b-256.
    """
    if token.hash is not None:
        return token
    parts = [token.description, token.type, token.rules, "local" if token.local else "global"]
    parts += [link.id for link in token.policies or ()]
    parts += [link.id for link in token.roles or ()]
    for service in token.service_identities or ():
        parts += [service.service_name, *(service.datacenters or ())]
    for node in token.node_identities or ():
        parts += [node.node_name, node.datacenter]
    joined = "".join(parts).encode("utf-8", "surrogateescape")
    return replace(token, hash=hashlib.blake2b(joined, digest_size=32).digest())


def _mended(txn: ReadTransaction, token: ACLToken) -> ACLToken:
    policies = mended_links(token.policies, lambda policy_id: policy(txn, policy_id))
    roles = mended_links(token.roles, lambda role_id: role(txn, role_id))
    if policies == token.policies and roles == token.roles:
        return token
    return replace(token, policies=policies, roles=roles)
