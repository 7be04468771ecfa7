"""Tokens, policies, roles, methods and rules in the store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from proconsul.errors import RpcError
from proconsul.model.acl import (
    ACLAuthMethod,
    ACLBindingRule,
    ACLNodeIdentity,
    ACLPolicy,
    ACLPolicyBatchSetRequest,
    ACLRole,
    ACLRolePolicyLink,
    ACLServiceIdentity,
    ACLToken,
    ACLTokenPolicyLink,
    ACLTokenRoleLink,
)
from proconsul.store import acl, acl_methods, acl_policies
from proconsul.store.schema import ACL_BINDING_RULES
from proconsul.store.state import State
from proconsul.store.transaction import WriteTransaction
from proconsul.wire.gostruct import decode
from server_tests.store.memory_engine import MemoryEngine


def uuid(number: int) -> str:
    return f"40e4a748-2192-161a-0510-{number:012d}"


POLICY = ACLPolicy(id=uuid(1), name="Reader", rules="")
ROLE = ACLRole(id=uuid(2), name="role", policies=[ACLRolePolicyLink(id=uuid(1))])
TOKEN = ACLToken(
    accessor_id=uuid(3),
    secret_id="s",
    policies=[ACLTokenPolicyLink(id=uuid(1))],
    roles=[ACLTokenRoleLink(id=uuid(2))],
)


def with_links() -> State:
    state = State(MemoryEngine())
    with state.write(10) as txn:
        acl_policies.set_policy(txn, POLICY)
        acl_policies.set_role(txn, ROLE, allow_missing_links=False)
        acl.set_token(txn, TOKEN)
    return state


def refusal(state: State, write: Callable[[WriteTransaction], object]) -> str:
    with state.write(20) as txn, pytest.raises(RpcError) as caught:
        write(txn)
    return str(caught.value)


def test_links_have_the_names_of_what_they_lead_to() -> None:
    state = with_links()
    token = acl.token_by_secret(state.read(), "s")
    assert token is not None
    assert token.policies == [ACLTokenPolicyLink(id=uuid(1), name="Reader")]
    assert token.roles == [ACLTokenRoleLink(id=uuid(2), name="role")]
    assert acl.token_by_accessor(state.read(), uuid(3).upper()) == token


def test_a_renamed_policy_is_shown_under_its_new_name_and_a_deleted_one_no_more() -> None:
    state = with_links()
    with state.write(11) as txn:
        acl_policies.set_policy(txn, ACLPolicy(id=uuid(1), name="writer"))
    token = acl.token_by_secret(state.read(), "s")
    role = acl_policies.role(state.read(), uuid(2))
    assert token is not None
    assert role is not None
    assert token.policies == [ACLTokenPolicyLink(id=uuid(1), name="writer")]
    assert role.policies == [ACLRolePolicyLink(id=uuid(1), name="writer")]
    assert acl_policies.policy_by_name(state.read(), "reader") is None
    with state.write(12) as txn:
        acl_policies.delete_policies(txn, [uuid(1)])
        acl_policies.delete_roles(txn, [uuid(2), uuid(99)])
    token = acl.token_by_secret(state.read(), "s")
    assert token is not None
    assert (token.policies, token.roles) == ([], [])
    assert acl_policies.policy_by_name(state.read(), "writer") is None
    assert acl_policies.role_by_name(state.read(), "role") is None


def test_names_are_found_in_any_case_and_are_unique_so() -> None:
    state = with_links()
    assert acl_policies.policy_by_name(state.read(), "rEADER") is not None
    twin = ACLPolicy(id=uuid(7), name="READER")
    words = refusal(state, lambda txn: acl_policies.set_policy(txn, twin))
    assert words == 'A policy with name "READER" already exists'
    twin_role = ACLRole(id=uuid(7), name="ROLE")
    words = refusal(state, lambda txn: acl_policies.set_role(txn, twin_role, False))
    assert words == 'A role with name "ROLE" already exists'


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (ACLToken(), "Missing ACL Token SecretID"),
        (ACLToken(secret_id="x"), "Missing ACL Token AccessorID"),
        (
            ACLToken(secret_id="x", accessor_id=uuid(9), policies=[ACLTokenPolicyLink(name="n")]),
            "Encountered a Token with policies linked by Name in the state store",
        ),
        (
            ACLToken(secret_id="x", accessor_id=uuid(9), roles=[ACLTokenRoleLink(id=uuid(8))]),
            f"No such role with ID: {uuid(8)}",
        ),
        (
            ACLToken(secret_id="x", accessor_id=uuid(9), auth_method="none"),
            "No such auth method with Name: none",
        ),
        (
            ACLToken(secret_id="x", accessor_id=uuid(9), service_identities=[ACLServiceIdentity()]),
            "Encountered a Token with an empty service identity name in the state store",
        ),
        (
            ACLToken(
                secret_id="x",
                accessor_id=uuid(9),
                node_identities=[ACLNodeIdentity(node_name="n")],
            ),
            "Encountered a Token with an empty node identity datacenter in the state store",
        ),
        (
            ACLToken(secret_id="s", accessor_id=uuid(9)),
            "The ACL Token AccessorID field is immutable",
        ),
        (
            ACLToken(secret_id="x", accessor_id="no uuid"),
            "failed inserting acl token: failed to build index 'accessor': "
            "UUID must be 36 characters",
        ),
    ],
)
def test_a_token_that_cannot_be_is_refused(token: ACLToken, words: str) -> None:
    assert refusal(with_links(), lambda txn: acl.set_token(txn, token)) == words


def test_a_token_without_any_right_is_refused_where_it_must_have_one() -> None:
    token = ACLToken(secret_id="x", accessor_id=uuid(9))
    state = with_links()
    words = refusal(state, lambda txn: acl.set_token(txn, token, prohibit_unprivileged=True))
    assert words == "Token has no privileges"


@pytest.mark.parametrize(("index", "changed"), [(0, False), (9, False), (10, True)])
def test_a_lost_check_and_set_leaves_the_token_silently(index: int, changed: bool) -> None:
    state = with_links()
    new = ACLToken(accessor_id=uuid(3), secret_id="s", description="new", modify_index=index)
    with state.write(11) as txn:
        acl.set_token(txn, new, cas=True)
    token = acl.token_by_secret(state.read(), "s")
    assert token is not None
    assert (token.description == "new") == changed


def test_builtin_things_cannot_be_deleted() -> None:
    state = State(MemoryEngine())
    with state.write(1) as txn:
        acl.set_token(txn, ACLToken(accessor_id=acl.ANONYMOUS_ID, secret_id="anonymous"))
        management = ACLPolicy(
            id=acl_policies.GLOBAL_MANAGEMENT_ID,
            name="global-management",
            rules=acl_policies.GLOBAL_MANAGEMENT_RULES,
        )
        acl_policies.set_policy(txn, management)
        acl_policies.set_policy(txn, management)
    words = refusal(state, lambda txn: acl.delete_tokens(txn, [acl.ANONYMOUS_ID]))
    assert words == "Deletion of the builtin anonymous token is not permitted"
    words = refusal(state, lambda txn: acl_policies.delete_policies(txn, [management.id]))
    assert words == "Deletion of the builtin global-management policy is not permitted"
    changed = ACLPolicy(id=management.id, name="global-management", rules="")
    words = refusal(state, lambda txn: acl_policies.set_policy(txn, changed))
    assert words == ("Changing the Rules for the builtin global-management policy is not permitted")


def test_the_builtin_rules_are_those_of_a_real_leader() -> None:
    command = Path(__file__).parent.parent / "golden" / "fsm" / "019-ACLPolicySet.01.bin"
    request = decode(ACLPolicyBatchSetRequest, command.read_bytes()[1:])
    assert request.policies is not None
    rules = {policy.id: policy.rules for policy in request.policies}
    assert rules[acl_policies.GLOBAL_MANAGEMENT_ID] == acl_policies.GLOBAL_MANAGEMENT_RULES


def test_a_deleted_method_takes_its_rules_and_its_tokens_along() -> None:
    state = State(MemoryEngine())
    with state.write(5) as txn:
        acl_methods.set_auth_method(txn, ACLAuthMethod(name="Kube", type="kubernetes"))
        rule = ACLBindingRule(id=uuid(4), auth_method="kube")
        acl_methods.set_binding_rule(txn, rule)
        for secret, local in (("local", True), ("global", False)):
            token = ACLToken(
                accessor_id=uuid(5 + local), secret_id=secret, auth_method="Kube", local=local
            )
            acl.set_token(txn, token)
    with state.write(6) as txn:
        acl_methods.delete_auth_methods(txn, ["kube", "absent"])
    view = state.read()
    assert list(view.rows(ACL_BINDING_RULES)) == []
    assert acl.token_by_secret(view, "local") is None
    assert acl.token_by_secret(view, "global") is not None
    assert view.table_index("acl-auth-methods", "acl-binding-rules", "acl-tokens") == 6


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ACLBindingRule(), "Missing ACL Binding Rule ID"),
        (ACLBindingRule(id=uuid(1)), "Missing ACL Binding Rule Auth Method"),
        (
            ACLBindingRule(id=uuid(1), auth_method="none"),
            "failed inserting acl binding rule: auth method not found",
        ),
    ],
)
def test_a_rule_that_binds_nothing_is_refused(rule: ACLBindingRule, words: str) -> None:
    state = State(MemoryEngine())
    assert refusal(state, lambda txn: acl_methods.set_binding_rule(txn, rule)) == words
