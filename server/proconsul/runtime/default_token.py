"""Who brings no token to the HTTP API uses the agent's default one (`acl.tokens.default`).

As in Consul's parseTokenInternal (agent/http.go). What the agent itself asks for is not meant: its
own services and checks bear tokens of their own.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

Call = Callable[[str, Any], Awaitable[Any]]


def bearing(request: Any, token: str) -> Any:
    """The request, with `token` if it could bear one and does not."""
    if token and getattr(request, "token", None) == "":
        return replace(request, token=token)
    return request


def with_default_token(call: Call, token: Callable[[], str]) -> Call:
    """`call`, with `token` in requests that bear none."""

    def called(method: str, request: Any) -> Awaitable[Any]:
        return call(method, bearing(request, token()))

    return called
