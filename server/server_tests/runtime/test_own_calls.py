"""A server's own calls are counted and limited, snapshots among them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from proconsul.errors import ProconsulError
from proconsul.local.token_bucket import TokenBucket
from proconsul.rpc.snapshot_stream import SnapshotOp, SnapshotRequest
from proconsul.runtime.own_calls import OwnCalls
from proconsul.runtime.server_calls import RateLimitedError
from proconsul.telemetry import Telemetry
from server_tests.runtime.rpc_site import MemorySnapshots

SAVE = SnapshotRequest(datacenter="dc1", op=SnapshotOp.SAVE)
RESTORE = SnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE)


@dataclass
class Server:
    """Its own calls, with a clock that is set by hand."""

    rate_per_s: float
    burst: int
    now_s: float = 100.0
    asked: list[str] = field(default_factory=list)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        self.own = OwnCalls(
            call=self._serve,
            snapshots=self.snapshots,
            limit=TokenBucket(self.rate_per_s, self.burst, self.now_s),
            now_s=lambda: self.now_s,
            telemetry=self.telemetry,
        )

    async def _serve(self, method: str, request: Any) -> Any:
        self.asked.append(method)
        return request

    def counted(self, name: str) -> float:
        """How often, all in all."""
        counters = self.telemetry.totals().counters
        return sum(value for (metric, _), value in counters.items() if metric == name)


async def pieces() -> AsyncIterator[bytes]:
    yield b"archive"


async def refused(asked: Any) -> ProconsulError:
    with pytest.raises(ProconsulError) as raised:
        await asked
    return raised.value


async def test_a_call_above_the_rate_is_not_made() -> None:
    server = Server(rate_per_s=1.0, burst=2)
    assert [await server.own.call("KVS.Get", n) for n in (1, 2)] == [1, 2]
    failure = await refused(server.own.call("KVS.Get", 3))
    assert isinstance(failure, RateLimitedError)
    assert str(failure) == "RPC rate limit exceeded"
    assert server.asked == ["KVS.Get", "KVS.Get"]
    server.now_s += 1
    assert await server.own.call("Status.Leader", 4) == 4
    assert (server.counted("client.rpc"), server.counted("client.rpc.exceeded")) == (4, 1)


async def test_snapshots_count_as_calls() -> None:
    server = Server(rate_per_s=1.0, burst=2)
    response, archive = await server.own.save(SAVE)
    assert (response.index, b"".join([piece async for piece in archive])) == (
        42,
        server.snapshots.archive,
    )
    await server.own.restore(RESTORE, pieces())
    assert isinstance(await refused(server.own.save(SAVE)), RateLimitedError)
    assert isinstance(await refused(server.own.restore(RESTORE, pieces())), RateLimitedError)
    assert server.snapshots.restored == [b"archive"]
    assert (server.counted("client.rpc"), server.counted("client.rpc.exceeded")) == (4, 2)


async def test_another_limit_holds_from_the_next_call_on() -> None:
    server = Server(rate_per_s=0.001, burst=0)
    assert isinstance(await refused(server.own.call("KVS.Get", 1)), RateLimitedError)
    server.own.limit = TokenBucket(float("inf"), 0, server.now_s)
    assert [await server.own.call("KVS.Get", n) for n in range(50)] == list(range(50))
