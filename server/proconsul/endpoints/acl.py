"""`ACL.*`: rights, which this server does not manage yet.

With ACLs off nearly all methods say so, whatever the datacenter. The few that Consul serves even
then are served here, too. With ACLs on they are refused by name.
"""

from typing import Any

from proconsul.endpoints.blocking import check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import (
    Feature,
    Handler,
    Method,
    NotImplementedHereError,
    missing_features,
)
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType
from proconsul.model.acl import ACL, ACLRequest
from proconsul.model.acl_requests import (
    ACLAuthMethodDeleteRequest,
    ACLAuthMethodGetRequest,
    ACLAuthMethodListRequest,
    ACLAuthMethodSetRequest,
    ACLBindingRuleDeleteRequest,
    ACLBindingRuleGetRequest,
    ACLBindingRuleListRequest,
    ACLBindingRuleSetRequest,
    ACLLoginRequest,
    ACLLogoutRequest,
    ACLPolicyBatchGetRequest,
    ACLPolicyDeleteRequest,
    ACLPolicyGetRequest,
    ACLPolicyListRequest,
    ACLPolicyResolveLegacyRequest,
    ACLPolicySetRequest,
    ACLReplicationStatus,
    ACLRoleBatchGetRequest,
    ACLRoleDeleteRequest,
    ACLRoleGetRequest,
    ACLRoleListRequest,
    ACLRoleSetRequest,
    ACLSpecificRequest,
    ACLTokenBatchGetRequest,
    ACLTokenDeleteRequest,
    ACLTokenGetRequest,
    ACLTokenListRequest,
    ACLTokenSetRequest,
    RemoteACLAuthorizationRequest,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.store import acl
from proconsul.wire.gostruct import GoStruct

MANAGEMENT = "management"  # the type of the tokens that may do anything
ANONYMOUS_SECRET = "anonymous"  # of the token of those who bring none


async def bootstrap(context: Context, request: DCSpecificRequest) -> ACL:
    """`ACL.Bootstrap`: the first management token of the old system, once."""
    check_datacenter(context, request.datacenter)
    if context.facts.acl_enabled:
        raise NotImplementedHereError("ACL.Bootstrap")
    primary = context.facts.primary_datacenter or context.facts.datacenter
    if primary != context.facts.datacenter:
        raise RpcError(Feature.ACL.value)
    state = context.state.read()
    if state.has_index(acl.BOOTSTRAP_INDEX):
        raise RpcError("ACL bootstrap no longer allowed")
    secret = context.world.new_uuid()
    token = ACL(id=secret, name="Bootstrap Token", type=MANAGEMENT)
    command = ACLRequest(datacenter=primary, op="bootstrap-now", acl=token)
    made = await context.log.propose(MessageType.ACL, command)
    assert isinstance(made, ACL), "that is what the state machine makes of it"
    return made


async def get_policy(context: Context, request: ACLPolicyResolveLegacyRequest) -> None:
    """`ACL.GetPolicy`: the rights of a token of the old system."""
    check_datacenter(context, request.datacenter)
    token = acl.token_by_secret(context.state.read(), request.acl or ANONYMOUS_SECRET)
    if token is None:
        raise RpcError("ACL not found")
    raise NotImplementedHereError("ACL.GetPolicy")


async def replication_status(context: Context, request: DCSpecificRequest) -> ACLReplicationStatus:
    """`ACL.ReplicationStatus`: nothing is copied where there are no ACLs."""
    check_datacenter(context, request.datacenter)
    if context.facts.acl_enabled:
        raise NotImplementedHereError("ACL.ReplicationStatus")
    return ACLReplicationStatus()


def _refused(name: str) -> Handler:
    """Of the methods that look at the datacenter, and then at whether ACLs are on."""

    async def refuse(context: Context, request: Any) -> None:
        check_datacenter(context, request.datacenter)
        if Feature.ACL in missing_features(context.facts):
            raise RpcError(Feature.ACL.value)
        raise NotImplementedHereError(name)

    return refuse


def _row(name: str, request: type[GoStruct], *, read: bool = False) -> tuple[str, Method]:
    return name, Method(request, _refused(name), read=read, needs=Feature.ACL)


METHODS = {
    "ACL.Apply": Method(ACLRequest, _refused("ACL.Apply")),
    "ACL.Get": Method(ACLSpecificRequest, _refused("ACL.Get"), read=True),
    "ACL.List": Method(DCSpecificRequest, _refused("ACL.List"), read=True),
    "ACL.Bootstrap": Method(DCSpecificRequest, bootstrap),
    "ACL.GetPolicy": Method(ACLPolicyResolveLegacyRequest, get_policy),
    "ACL.ReplicationStatus": Method(DCSpecificRequest, replication_status),
    **dict(
        [
            _row("ACL.AuthMethodDelete", ACLAuthMethodDeleteRequest),
            _row("ACL.AuthMethodList", ACLAuthMethodListRequest, read=True),
            _row("ACL.AuthMethodRead", ACLAuthMethodGetRequest, read=True),
            _row("ACL.AuthMethodSet", ACLAuthMethodSetRequest),
            _row("ACL.Authorize", RemoteACLAuthorizationRequest, read=True),
            _row("ACL.BindingRuleDelete", ACLBindingRuleDeleteRequest),
            _row("ACL.BindingRuleList", ACLBindingRuleListRequest, read=True),
            _row("ACL.BindingRuleRead", ACLBindingRuleGetRequest, read=True),
            _row("ACL.BindingRuleSet", ACLBindingRuleSetRequest),
            _row("ACL.BootstrapTokens", DCSpecificRequest),
            _row("ACL.Login", ACLLoginRequest),
            _row("ACL.Logout", ACLLogoutRequest),
            _row("ACL.PolicyBatchRead", ACLPolicyBatchGetRequest, read=True),
            _row("ACL.PolicyDelete", ACLPolicyDeleteRequest),
            _row("ACL.PolicyList", ACLPolicyListRequest, read=True),
            _row("ACL.PolicyRead", ACLPolicyGetRequest, read=True),
            _row("ACL.PolicyResolve", ACLPolicyBatchGetRequest, read=True),
            _row("ACL.PolicySet", ACLPolicySetRequest),
            _row("ACL.RoleBatchRead", ACLRoleBatchGetRequest, read=True),
            _row("ACL.RoleDelete", ACLRoleDeleteRequest),
            _row("ACL.RoleList", ACLRoleListRequest, read=True),
            _row("ACL.RoleRead", ACLRoleGetRequest, read=True),
            _row("ACL.RoleResolve", ACLRoleBatchGetRequest, read=True),
            _row("ACL.RoleSet", ACLRoleSetRequest),
            _row("ACL.TokenBatchRead", ACLTokenBatchGetRequest, read=True),
            _row("ACL.TokenClone", ACLTokenSetRequest),
            _row("ACL.TokenDelete", ACLTokenDeleteRequest),
            _row("ACL.TokenList", ACLTokenListRequest, read=True),
            _row("ACL.TokenRead", ACLTokenGetRequest, read=True),
            _row("ACL.TokenSet", ACLTokenSetRequest),
        ]
    ),
}
