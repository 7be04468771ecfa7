"""THE table: the name of an RPC method to its request, its handler, and where it is served.

Connections from other servers and clients, and the HTTP API of this server, call through it
alike, so that a call means the same wherever it comes from.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from proconsul.endpoints.context import Context
from proconsul.errors import RpcError
from proconsul.wire.gostruct import GoStruct

Handler = Callable[[Context, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """One row: `local` methods are answered by any server, the others are the leader's."""

    request: type[GoStruct] | None  # None: no arguments
    handler: Handler
    read: bool = False  # may be served with `allow_stale` by any server
    local: bool = False


class Methods:
    """The table, filled by the modules of this package."""

    def __init__(self, rows: dict[str, Method]) -> None:
        self._rows = rows

    def find(self, name: str) -> Method:
        """The row; raises RpcError in the words of Go's net/rpc."""
        method = self._rows.get(name)
        if method is not None:
            return method
        service, dot, _ = name.partition(".")
        if not dot:
            raise RpcError(f"rpc: service/method request ill-formed: {name}")
        if not any(known.startswith(service + ".") for known in self._rows):
            raise RpcError(f"rpc: can't find service {name}")
        raise RpcError(f"rpc: can't find method {name}")

    async def call(self, context: Context, name: str, request: Any) -> Any:
        """Serve a call here."""
        return await self.find(name).handler(context, request)

    def names(self) -> list[str]:
        """All methods."""
        return list(self._rows)
