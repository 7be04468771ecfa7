"""THE table: the name of an RPC method to its request, its handler, and where it is served.

Connections from other servers and clients, and the HTTP API of this server, call through it
alike, so that a call means the same wherever it comes from.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from proconsul.endpoints.context import Context, Facts
from proconsul.errors import RpcError
from proconsul.wire.gostruct import GoStruct

Handler = Callable[[Context, Any], Awaitable[Any]]


class Feature(Enum):
    """What a server may have switched off; the value is what its methods answer then."""

    ACL = "ACL support disabled"
    CONNECT = "Connect must be enabled in order to use this endpoint"


def missing_features(facts: Facts) -> frozenset[Feature]:
    """What is switched off here."""
    return _missing(facts.acl_enabled, facts.connect_enabled)


@lru_cache  # asked for in each call
def _missing(acl: bool, connect: bool) -> frozenset[Feature]:
    switches = {Feature.ACL: acl, Feature.CONNECT: connect}
    return frozenset(feature for feature, is_on in switches.items() if not is_on)


@dataclass(frozen=True, slots=True)
class Method:
    """One row: `local` methods are answered by any server, the others are the leader's."""

    request: type[GoStruct] | None  # None: no arguments
    handler: Handler
    read: bool = False  # may be served with `allow_stale` by any server
    local: bool = False
    needs: Feature | None = None  # without it any server refuses, whatever the datacenter
    primary: bool = False  # it goes to the primary datacenter, whatever the request says
    own_by_default: bool = False  # a request that names no datacenter means this one
    answers: Any = None  # what the handler returns, if it is compiled: then it cannot tell itself


class NotImplementedHereError(RpcError):
    """The method is known, and this server does not serve it yet: it never makes an answer up."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not implemented by this server yet")


class Methods:
    """The table, filled by the modules of this package."""

    def __init__(self, rows: dict[str, Method]) -> None:
        self._rows = rows

    def find(self, name: str) -> Method:
        """The row; raises RpcError in the words of Go's net/rpc."""
        method = self._rows.get(name)
        if method is not None:
            return method
        service, dot, _ = name.rpartition(".")
        if not dot:
            raise RpcError(f"rpc: service/method request ill-formed: {name}")
        if not any(known.startswith(service + ".") for known in self._rows):
            raise RpcError(f"rpc: can't find service {name}")
        raise RpcError(f"rpc: can't find method {name}")

    def call(self, context: Context, name: str, request: Any) -> Awaitable[Any]:
        """Serve a call here: the reply, to be awaited. Raises RpcError before that, too."""
        method = self.find(name)
        if method.needs is not None and method.needs in missing_features(context.facts):
            raise RpcError(method.needs.value)
        return method.handler(context, request)

    def names(self) -> list[str]:
        """All methods."""
        return list(self._rows)
