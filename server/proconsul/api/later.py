"""Paths of Consul 1.8.7 that this server knows and does not serve yet.

They answer 501 and say so: a client must never take a made-up success for the real thing.
"""

from proconsul.api.failure import HttpError
from proconsul.api.http import Request, Response
from proconsul.api.reply import Reply
from proconsul.api.surface import Api

NEEDS_CONNECT = ("/v1/connect/ca/", "/v1/agent/connect/ca/")


async def not_yet(api: Api, request: Request) -> Reply | Response:
    """Refuse, by name; where a feature is off, in the words that Consul has for that."""
    if request.path.startswith("/v1/acl/") and not api.facts.acl_enabled:
        raise HttpError(401, "ACL support disabled")
    if not api.facts.connect_enabled and request.path.startswith(NEEDS_CONNECT):
        raise HttpError(500, "Connect must be enabled in order to use this endpoint")
    raise HttpError(501, f"{request.method} {request.path} is not implemented by this server yet")


LATER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("/v1/acl/bootstrap", ("PUT",)),
    ("/v1/acl/create", ("PUT",)),
    ("/v1/acl/update", ("PUT",)),
    ("/v1/acl/destroy/", ("PUT",)),
    ("/v1/acl/info/", ("GET",)),
    ("/v1/acl/clone/", ("PUT",)),
    ("/v1/acl/list", ("GET",)),
    ("/v1/acl/login", ("POST",)),
    ("/v1/acl/logout", ("POST",)),
    ("/v1/acl/replication", ("GET",)),
    ("/v1/acl/policies", ("GET",)),
    ("/v1/acl/policy", ("PUT",)),
    ("/v1/acl/policy/", ("GET", "PUT", "DELETE")),
    ("/v1/acl/policy/name/", ("GET",)),
    ("/v1/acl/roles", ("GET",)),
    ("/v1/acl/role", ("PUT",)),
    ("/v1/acl/role/name/", ("GET",)),
    ("/v1/acl/role/", ("GET", "PUT", "DELETE")),
    ("/v1/acl/binding-rules", ("GET",)),
    ("/v1/acl/binding-rule", ("PUT",)),
    ("/v1/acl/binding-rule/", ("GET", "PUT", "DELETE")),
    ("/v1/acl/auth-methods", ("GET",)),
    ("/v1/acl/auth-method", ("PUT",)),
    ("/v1/acl/auth-method/", ("GET", "PUT", "DELETE")),
    ("/v1/acl/rules/translate", ("POST",)),
    ("/v1/acl/rules/translate/", ("GET",)),
    ("/v1/acl/tokens", ("GET",)),
    ("/v1/acl/token", ("PUT",)),
    ("/v1/acl/token/self", ("GET",)),
    ("/v1/acl/token/", ("GET", "PUT", "DELETE")),
    ("/v1/agent/connect/authorize", ("POST",)),
    ("/v1/agent/connect/ca/roots", ("GET",)),
    ("/v1/agent/connect/ca/leaf/", ("GET",)),
    ("/v1/connect/ca/configuration", ("GET", "PUT")),
    ("/v1/connect/ca/roots", ("GET",)),
    ("/v1/connect/intentions", ("GET", "POST")),
    ("/v1/connect/intentions/match", ("GET",)),
    ("/v1/connect/intentions/check", ("GET",)),
    ("/v1/connect/intentions/", ("GET", "PUT", "DELETE")),
    ("/v1/internal/federation-states", ("GET",)),
    ("/v1/internal/federation-states/mesh-gateways", ("GET",)),
    ("/v1/internal/federation-state/", ("GET",)),
    ("/v1/discovery-chain/", ("GET", "POST")),
    ("/v1/internal/ui/nodes", ("GET",)),
    ("/v1/internal/ui/node/", ("GET",)),
    ("/v1/internal/ui/services", ("GET",)),
    ("/v1/internal/ui/gateway-services-nodes/", ("GET",)),
    ("/v1/internal/acl/authorize", ("POST",)),
    ("/v1/query", ("GET", "POST")),
    ("/v1/query/", ()),
)
