"""What is asked of the ACL system over RPC."""

from proconsul.model.acl import (
    ACLAuthMethod,
    ACLBindingRule,
    ACLPolicy,
    ACLRole,
    ACLToken,
)
from proconsul.model.query import QueryOptions, WriteRequest
from proconsul.wire.golang import ZERO_TIME, Time
from proconsul.wire.gostruct import GoStruct

# ---------------------------------------------------------------- tokens


class ACLTokenGetRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for a token by its accessor, or by its secret."""

    token_id: str = ""
    token_id_type: str = ""
    datacenter: str = ""


class ACLTokenSetRequest(WriteRequest, frozen=True, kw_only=True):
    """Create or change a token, or clone one."""

    acl_token: ACLToken = ACLToken()
    create: bool = False
    datacenter: str = ""


class ACLTokenDeleteRequest(WriteRequest, frozen=True, kw_only=True):
    """Delete a token by its accessor."""

    token_id: str = ""
    datacenter: str = ""


class ACLTokenListRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for all tokens, or those of a policy, role or method."""

    include_local: bool = False
    include_global: bool = False
    policy: str = ""
    role: str = ""
    auth_method: str = ""
    datacenter: str = ""


class ACLTokenBatchGetRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for several tokens by their accessors."""

    accessor_ids: list[str] | None = None
    datacenter: str = ""


# ---------------------------------------------------------------- policies and roles


class ACLPolicyGetRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for a policy by ID or by name."""

    policy_id: str = ""
    policy_name: str = ""
    datacenter: str = ""


class ACLPolicySetRequest(WriteRequest, frozen=True, kw_only=True):
    """Create or change a policy."""

    policy: ACLPolicy = ACLPolicy()
    datacenter: str = ""


class ACLPolicyDeleteRequest(WriteRequest, frozen=True, kw_only=True):
    """Delete a policy."""

    policy_id: str = ""
    datacenter: str = ""


class ACLPolicyListRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for all policies."""

    datacenter: str = ""


class ACLPolicyBatchGetRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for several policies; to resolve a token, for those that it has."""

    policy_ids: list[str] | None = None
    datacenter: str = ""


class ACLRoleGetRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for a role by ID or by name."""

    role_id: str = ""
    role_name: str = ""
    datacenter: str = ""


class ACLRoleSetRequest(WriteRequest, frozen=True, kw_only=True):
    """Create or change a role."""

    role: ACLRole = ACLRole()
    datacenter: str = ""


class ACLRoleDeleteRequest(WriteRequest, frozen=True, kw_only=True):
    """Delete a role."""

    role_id: str = ""
    datacenter: str = ""


class ACLRoleListRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for all roles, or those of a policy."""

    policy: str = ""
    datacenter: str = ""


class ACLRoleBatchGetRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for several roles; to resolve a token, for those that it has."""

    role_ids: list[str] | None = None
    datacenter: str = ""


# ---------------------------------------------------------------- logins


class ACLAuthMethodGetRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for an auth method."""

    auth_method_name: str = ""
    datacenter: str = ""


class ACLAuthMethodSetRequest(WriteRequest, frozen=True, kw_only=True):
    """Create or change an auth method."""

    auth_method: ACLAuthMethod = ACLAuthMethod()
    datacenter: str = ""


class ACLAuthMethodDeleteRequest(WriteRequest, frozen=True, kw_only=True):
    """Delete an auth method."""

    auth_method_name: str = ""
    datacenter: str = ""


class ACLAuthMethodListRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for all auth methods."""

    datacenter: str = ""


class ACLBindingRuleGetRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for a binding rule."""

    binding_rule_id: str = ""
    datacenter: str = ""


class ACLBindingRuleSetRequest(WriteRequest, frozen=True, kw_only=True):
    """Create or change a binding rule."""

    binding_rule: ACLBindingRule = ACLBindingRule()
    datacenter: str = ""


class ACLBindingRuleDeleteRequest(WriteRequest, frozen=True, kw_only=True):
    """Delete a binding rule."""

    binding_rule_id: str = ""
    datacenter: str = ""


class ACLBindingRuleListRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for all binding rules, or those of a method."""

    auth_method: str = ""
    datacenter: str = ""


class ACLLoginParams(GoStruct, frozen=True, kw_only=True):
    """What a login brings with it."""

    auth_method: str = ""
    bearer_token: str = ""
    meta: dict[str, str] | None = None


class ACLLoginRequest(WriteRequest, frozen=True, kw_only=True):
    """Exchange what an auth method trusts for a token."""

    auth: ACLLoginParams | None = None
    datacenter: str = ""


class ACLLogoutRequest(WriteRequest, frozen=True, kw_only=True):
    """Give a token back."""

    datacenter: str = ""


# ---------------------------------------------------------------- decisions


class ACLAuthorizationRequest(GoStruct, frozen=True, kw_only=True):
    """Whether something may be done."""

    resource: str = ""
    segment: str = ""
    access: str = ""


class RemoteACLAuthorizationRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask whether a token may do several things."""

    datacenter: str = ""
    requests: list[ACLAuthorizationRequest] | None = None


class ACLReplicationStatus(GoStruct, frozen=True, kw_only=True):
    """Answer: how far the copying from the primary datacenter is."""

    enabled: bool = False
    running: bool = False
    source_datacenter: str = ""
    replication_type: str = ""
    replicated_index: int = 0
    replicated_role_index: int = 0
    replicated_token_index: int = 0
    last_success: Time = ZERO_TIME
    last_error: Time = ZERO_TIME


# ---------------------------------------------------------------- the old system


class ACLSpecificRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for a token of the old system."""

    datacenter: str = ""
    acl: str = ""


class ACLPolicyResolveLegacyRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for the rules of a token of the old system, if they have changed."""

    datacenter: str = ""
    acl: str = ""
    e_tag: str = ""
