"""Tokens, policies, roles, rules and methods."""

from typing import Any, ClassVar

from proconsul.model.query import WriteRequest
from proconsul.wire.golang import ZERO_TIME, Duration, Time
from proconsul.wire.gostruct import GoStruct


class ACL(GoStruct, frozen=True, kw_only=True):
    """A token of the old ACL system, which had its rules in itself."""

    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    name: str = ""
    type: str = ""
    rules: str = ""
    create_index: int = 0
    modify_index: int = 0


class ACLRequest(WriteRequest, frozen=True, kw_only=True):
    """A command of the old ACL system."""

    datacenter: str = ""
    op: str = ""
    acl: ACL = ACL()


class ACLTokenPolicyLink(GoStruct, frozen=True, kw_only=True):
    """A policy that a token has."""

    id: str = ""
    name: str = ""


class ACLTokenRoleLink(GoStruct, frozen=True, kw_only=True):
    """A role that a token has."""

    id: str = ""
    name: str = ""


class ACLRolePolicyLink(GoStruct, frozen=True, kw_only=True):
    """A policy that a role has."""

    id: str = ""
    name: str = ""


class ACLServiceIdentity(GoStruct, frozen=True, kw_only=True):
    """Stands for the rights that a service and its proxy need."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"datacenters"})

    service_name: str = ""
    datacenters: list[str] | None = None


class ACLNodeIdentity(GoStruct, frozen=True, kw_only=True):
    """Stands for the rights that an agent on a node needs."""

    node_name: str = ""
    datacenter: str = ""


class ACLToken(GoStruct, frozen=True, kw_only=True):
    """A secret, and what it gives the right to."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {
            "policies",
            "roles",
            "service_identities",
            "node_identities",
            "rules",
            "auth_method",
            "expiration_time",
            "expiration_ttl",
            "create_time",
        }
    )
    json_skip: ClassVar[frozenset[str]] = frozenset({"type"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    accessor_id: str = ""
    secret_id: str = ""
    description: str = ""
    policies: list[ACLTokenPolicyLink] | None = None
    roles: list[ACLTokenRoleLink] | None = None
    service_identities: list[ACLServiceIdentity] | None = None
    node_identities: list[ACLNodeIdentity] | None = None
    type: str = ""
    rules: str = ""
    local: bool = False
    auth_method: str = ""
    expiration_time: Time | None = None
    expiration_ttl: Duration = Duration(0)
    create_time: Time = ZERO_TIME
    hash: bytes | None = None
    create_index: int = 0
    modify_index: int = 0


class ACLPolicy(GoStruct, frozen=True, kw_only=True):
    """Rules under a name."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"datacenters"})
    json_skip: ClassVar[frozenset[str]] = frozenset({"syntax"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    name: str = ""
    description: str = ""
    rules: str = ""
    syntax: int = 0
    datacenters: list[str] | None = None
    hash: bytes | None = None
    create_index: int = 0
    modify_index: int = 0


class ACLRole(GoStruct, frozen=True, kw_only=True):
    """Policies and identities under a name."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"policies", "service_identities", "node_identities"}
    )
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    name: str = ""
    description: str = ""
    policies: list[ACLRolePolicyLink] | None = None
    service_identities: list[ACLServiceIdentity] | None = None
    node_identities: list[ACLNodeIdentity] | None = None
    hash: bytes | None = None
    create_index: int = 0
    modify_index: int = 0


class ACLBindingRule(GoStruct, frozen=True, kw_only=True):
    """Which rights a login of an auth method gets."""

    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    description: str = ""
    auth_method: str = ""
    selector: str = ""
    bind_type: str = ""
    bind_name: str = ""
    create_index: int = 0
    modify_index: int = 0


class ACLAuthMethod(GoStruct, frozen=True, kw_only=True):
    """A way to log in: whom to trust, and for what kind of token."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"display_name", "description", "max_token_ttl", "token_locality"}
    )
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    name: str = ""
    type: str = ""
    display_name: str = ""
    description: str = ""
    max_token_ttl: Duration = Duration(0)
    token_locality: str = ""
    config: dict[str, Any] | None = None
    create_index: int = 0
    modify_index: int = 0


class ACLTokenBootstrapRequest(GoStruct, frozen=True, kw_only=True):
    """Make the first management token."""

    token: ACLToken = ACLToken()
    reset_index: int = 0


class ACLTokenBatchSetRequest(GoStruct, frozen=True, kw_only=True):
    """Create or change tokens."""

    tokens: list[ACLToken] | None = None
    cas: bool = False
    allow_missing_links: bool = False
    prohibit_unprivileged: bool = False
    from_replication: bool = False


class ACLTokenBatchDeleteRequest(GoStruct, frozen=True, kw_only=True):
    """Delete tokens by accessor."""

    token_ids: list[str] | None = None


class ACLPolicyBatchSetRequest(GoStruct, frozen=True, kw_only=True):
    """Create or change policies."""

    policies: list[ACLPolicy] | None = None


class ACLPolicyBatchDeleteRequest(GoStruct, frozen=True, kw_only=True):
    """Delete policies by ID."""

    policy_ids: list[str] | None = None


class ACLRoleBatchSetRequest(GoStruct, frozen=True, kw_only=True):
    """Create or change roles."""

    roles: list[ACLRole] | None = None
    allow_missing_links: bool = False


class ACLRoleBatchDeleteRequest(GoStruct, frozen=True, kw_only=True):
    """Delete roles by ID."""

    role_ids: list[str] | None = None


class ACLBindingRuleBatchSetRequest(GoStruct, frozen=True, kw_only=True):
    """Create or change binding rules."""

    binding_rules: list[ACLBindingRule] | None = None


class ACLBindingRuleBatchDeleteRequest(GoStruct, frozen=True, kw_only=True):
    """Delete binding rules by ID."""

    binding_rule_ids: list[str] | None = None


class ACLAuthMethodBatchSetRequest(GoStruct, frozen=True, kw_only=True):
    """Create or change auth methods."""

    auth_methods: list[ACLAuthMethod] | None = None


class ACLAuthMethodBatchDeleteRequest(GoStruct, frozen=True, kw_only=True):
    """Delete auth methods by name."""

    auth_method_names: list[str] | None = None
