"""A server's own calls: what its HTTP API and its local agent ask of the cluster.

`limits.rpc_rate` and `rpc_max_burst` are about these, as in Consul (Server.RPC and SnapshotRPC in
agent/consul/server.go). What comes in at the RPC port is not: whoever sent it has a limit of its
own. A snapshot counts as one call, whatever its size.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from proconsul.local.token_bucket import TokenBucket
from proconsul.rpc.snapshot_stream import (
    NamedSnapshotResponse,
    SnapshotRequest,
    SnapshotResponse,
)
from proconsul.runtime.rpc_snapshots import SnapshotHandler
from proconsul.runtime.server_calls import RateLimitedError, count_own_call
from proconsul.telemetry import Telemetry


class OwnCalls:
    """Passes calls on as long as the limit lets it; snapshots, too (SnapshotHandler)."""

    def __init__(
        self,
        *,
        call: Callable[[str, Any], Awaitable[Any]],
        snapshots: SnapshotHandler,
        limit: TokenBucket,
        now_s: Callable[[], float],
        telemetry: Telemetry,
    ) -> None:
        """`call` serves an RPC, here or at the leader; `now_s` is monotonic."""
        self.limit = limit  # replaced at a reload
        self._call = call
        self._snapshots = snapshots
        self._now_s = now_s
        self._telemetry = telemetry
        telemetry.declare("client.rpc.exceeded")

    def call(self, method: str, request: Any) -> Awaitable[Any]:
        """The reply. Raises RateLimitedError, ProconsulError."""
        try:
            self._count()
        except RateLimitedError as refused:
            return _fail(refused)
        return self._call(method, request)  # no coroutine of its own, which would take its time

    async def save(self, request: SnapshotRequest) -> tuple[SnapshotResponse, AsyncIterator[bytes]]:
        """The archive of the state. Raises RateLimitedError, ProconsulError."""
        self._count()
        return await self._snapshots.save(request)

    async def restore(
        self, request: SnapshotRequest, archive: AsyncIterator[bytes]
    ) -> NamedSnapshotResponse:
        """Replace the state by an archive's. Raises RateLimitedError, ProconsulError."""
        self._count()
        return await self._snapshots.restore(request, archive)

    def _count(self) -> None:
        count_own_call(self.limit, self._now_s(), self._telemetry)


async def _fail(failure: Exception) -> None:
    raise failure
