"""A client agent's calls: which server takes them, and what happens when one fails."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from proconsul.endpoints.table import METHODS
from proconsul.errors import NoLeaderError, ProconsulError, RpcError
from proconsul.local.server_list import Server, ServerList
from proconsul.local.token_bucket import TokenBucket
from proconsul.model.event import EventFireRequest
from proconsul.model.kv import DirEntry, KeyRequest, KVSRequest
from proconsul.model.query import DCSpecificRequest
from proconsul.rpc.snapshot_stream import SnapshotOp, SnapshotRequest
from proconsul.runtime.rpc_client import ClientLimits, RemoteError, RpcClient, RpcTransportError
from proconsul.runtime.server_calls import (
    NoServersError,
    RateLimitedError,
    ServerCalls,
    Verdict,
    verdict_on,
)
from proconsul.telemetry import Telemetry
from server_tests.endpoints.site import Site
from server_tests.runtime.rpc_site import HOST, RpcSite, Serve, rpc_site

GET_A = KeyRequest(datacenter="dc1", key="a")
CAS_A = KVSRequest(datacenter="dc1", op="cas", dir_ent=DirEntry(key="a", value=b"1"))
EVENT = EventFireRequest(datacenter="dc1", name="e", payload=b"", allow_stale=True)
NOBODY = f"{HOST}:1"
HOLD_S = 7.0


class World:
    """The loop's clock; a die that always shows the middle."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def die(self, sides: int) -> int:
        return sides // 2


@dataclass
class Agent:
    """What makes calls, and what it knows."""

    servers: ServerList
    calls: ServerCalls
    telemetry: Telemetry

    def counted(self, name: str) -> float:
        counters = self.telemetry.totals().counters
        return sum(value for (metric, _), value in counters.items() if metric == name)


@asynccontextmanager
async def agent_of(
    *addresses: str, rate_per_s: float = math.inf, burst: int = 1000
) -> AsyncIterator[Agent]:
    """An agent that knows servers s0, s1, ... at these addresses."""
    servers = ServerList()
    servers.keep(Server(f"s{number}", address) for number, address in enumerate(addresses))
    client = RpcClient(ClientLimits(), None)
    telemetry = Telemetry()
    calls = ServerCalls(
        servers=servers,
        client=client,
        methods=METHODS,
        world=World(),
        hold_s=HOLD_S,
        telemetry=telemetry,
        limit=TokenBucket(rate_per_s, burst, asyncio.get_running_loop().time()),
    )
    try:
        yield Agent(servers, calls, telemetry)
    finally:
        await client.close()


async def error_of(asked: Any) -> ProconsulError:
    with pytest.raises(ProconsulError) as raised:
        await asked
    return raised.value


def now_s() -> float:
    return asyncio.get_running_loop().time()


def failing(failure: Callable[[], ProconsulError], asked: list[str]) -> Any:
    """A server that refuses all calls, and notes them."""

    def wrap(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            asked.append(method)
            raise failure()

        return serve

    return wrap


def silent(asked: list[str]) -> Any:
    """A server that notes calls and answers none."""

    def wrap(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            asked.append(method)
            await asyncio.Event().wait()

        return serve

    return wrap


async def lose(server: RpcSite) -> None:
    await asyncio.sleep(1)
    await server.server.stop(0)


async def test_calls_go_to_the_first_server_and_stay_there() -> None:
    async with (
        rpc_site() as first,
        rpc_site() as second,
        agent_of(first.address, second.address) as agent,
    ):
        assert await agent.calls.call("KVS.Apply", CAS_A) is True
        found = await agent.calls.call("KVS.Get", GET_A)
        assert found.entries[0].value == b"1"
        assert (await second.site.call("KVS.Get", GET_A)).entries is None
        assert agent.counted("client.rpc") == 2
        assert agent.counted("client.rpc.failed") == 0


async def test_without_servers_a_call_fails_at_once_and_costs_nothing() -> None:
    async with agent_of(rate_per_s=1.0, burst=1) as agent:
        failure = await error_of(agent.calls.call("KVS.Get", GET_A))
        assert isinstance(failure, NoServersError)
        assert str(failure) == "No known Consul servers"
        assert now_s() == 0
        assert agent.counted("client.rpc") == 0


async def test_a_refusal_comes_back_in_the_servers_words_and_another_is_called_next() -> None:
    async with (
        rpc_site() as first,
        rpc_site() as second,
        agent_of(first.address, second.address) as agent,
    ):
        other = KeyRequest(datacenter="mars", key="a")
        failure = await error_of(agent.calls.call("KVS.Get", other))
        assert isinstance(failure, RemoteError)
        assert str(failure) == "rpc error making call: No path to datacenter"
        assert [each.name for each in agent.servers.order] == ["s1", "s0"]
        assert agent.counted("client.rpc.failed") == 1


async def test_a_call_that_nobody_heard_goes_to_the_next_server_at_once() -> None:
    async with rpc_site() as living, agent_of(NOBODY, NOBODY, living.address) as agent:
        assert await agent.calls.call("KVS.Apply", CAS_A) is True
        assert now_s() < 0.1
        assert agent.servers.order[0].address == living.address


async def test_a_call_that_nobody_heard_is_tried_once_with_each_server() -> None:
    async with agent_of(NOBODY, NOBODY) as agent:
        failure = await error_of(agent.calls.call("KVS.Apply", CAS_A))
        assert str(failure).startswith("rpc error getting client: failed to get conn: dial tcp")
        assert agent.counted("client.rpc") == 2
        assert now_s() < 0.1


async def test_without_a_leader_calls_are_repeated_while_they_may_be() -> None:
    asked: list[str] = []
    async with (
        rpc_site(serve=failing(NoLeaderError, asked)) as one,
        agent_of(one.address) as agent,
    ):
        failure = await error_of(agent.calls.call("KVS.Apply", CAS_A))
        assert str(failure) == "rpc error making call: No cluster leader"
        assert now_s() == pytest.approx(HOLD_S, abs=0.5)
        # Half of a sixteenth of the hold between two of them.
        assert len(asked) == pytest.approx(33, abs=1)


async def test_a_write_without_a_leader_is_made_at_another_server_that_knows_one() -> None:
    asked: list[str] = []
    async with (
        rpc_site(serve=failing(NoLeaderError, asked)) as old,
        rpc_site() as new,
        agent_of(old.address, NOBODY, new.address) as agent,
    ):
        assert await agent.calls.call("KVS.Apply", CAS_A) is True
        assert asked == ["KVS.Apply"]


async def test_a_server_may_be_tried_again_after_a_pause() -> None:
    asked: list[str] = []
    async with (
        rpc_site(serve=failing(NoLeaderError, asked)) as one,
        agent_of(one.address, NOBODY) as agent,
    ):
        failure = await error_of(agent.calls.call("KVS.Apply", CAS_A))
        assert str(failure) == "rpc error making call: No cluster leader"
        assert now_s() == pytest.approx(HOLD_S, abs=0.5)


@pytest.mark.parametrize(
    ("method", "request_"), [("KVS.Apply", CAS_A), ("Internal.EventFire", EVENT)]
)
async def test_what_was_sent_and_not_answered_is_not_done_twice(method: str, request_: Any) -> None:
    asked: list[str] = []
    async with (
        rpc_site(serve=silent(asked)) as old,
        rpc_site() as new,
        agent_of(old.address, new.address) as agent,
    ):
        losing = asyncio.ensure_future(lose(old))
        failure = await error_of(agent.calls.call(method, request_))
        assert isinstance(failure, RpcTransportError)
        assert failure.sent
        assert asked == [method]
        await losing


@pytest.mark.parametrize(
    ("method", "request_"),
    [("KVS.Get", GET_A), ("Status.Leader", DCSpecificRequest(datacenter="dc1"))],
)
async def test_a_read_that_was_not_answered_is_made_again(method: str, request_: Any) -> None:
    asked: list[str] = []
    async with (
        rpc_site(serve=silent(asked)) as old,
        rpc_site() as new,
        agent_of(old.address, new.address) as agent,
    ):
        losing = asyncio.ensure_future(lose(old))
        await agent.calls.call(method, request_)
        assert asked == [method]
        await losing


async def test_a_read_is_not_made_again_after_the_hold() -> None:
    asked: list[str] = []

    async def lose_late(server: RpcSite) -> None:
        await asyncio.sleep(HOLD_S + 1)
        await server.server.stop(0)

    async with (
        rpc_site(serve=silent(asked)) as old,
        rpc_site() as new,
        agent_of(old.address, new.address) as agent,
    ):
        losing = asyncio.ensure_future(lose_late(old))
        failure = await error_of(agent.calls.call("KVS.Get", GET_A))
        assert isinstance(failure, RpcTransportError)
        await losing


def remote(text: str) -> RpcError:
    return RemoteError(text)


@pytest.mark.parametrize(
    ("failure", "read", "write"),
    [
        (remote("No cluster leader"), Verdict.PAUSE, Verdict.PAUSE),
        (remote("rpc error making call: No cluster leader"), Verdict.PAUSE, Verdict.PAUSE),
        (remote("rpc error making call: EOF"), Verdict.PAUSE, Verdict.GIVE_UP),
        (remote("rpc error making call: stream closed"), Verdict.PAUSE, Verdict.GIVE_UP),
        (remote("rpc error getting client: session shutdown"), Verdict.PAUSE, Verdict.GIVE_UP),
        (remote("Permission denied"), Verdict.GIVE_UP, Verdict.GIVE_UP),
        (remote("leadership lost while committing log"), Verdict.GIVE_UP, Verdict.GIVE_UP),
        (RpcTransportError("refused", sent=False), Verdict.NEXT, Verdict.NEXT),
        (RpcTransportError("EOF", sent=True), Verdict.PAUSE, Verdict.GIVE_UP),
    ],
)
def test_what_is_made_again(failure: RpcError, read: Verdict, write: Verdict) -> None:
    assert verdict_on(failure, is_read=True) is read
    assert verdict_on(failure, is_read=False) is write


async def test_calls_beyond_the_rate_are_not_made() -> None:
    async with (
        rpc_site() as server,
        agent_of(server.address, rate_per_s=1.0, burst=2) as agent,
    ):
        await agent.calls.call("KVS.Get", GET_A)
        await agent.calls.call("KVS.Get", GET_A)
        failure = await error_of(agent.calls.call("KVS.Get", GET_A))
        assert isinstance(failure, RateLimitedError)
        assert str(failure) == "RPC rate limit exceeded"
        assert agent.counted("client.rpc") == 3
        assert agent.counted("client.rpc.exceeded") == 1
        assert agent.counted("client.rpc.failed") == 0
        await asyncio.sleep(1)
        await agent.calls.call("KVS.Get", GET_A)
        agent.calls.limit = TokenBucket(math.inf, 0, now_s())
        await agent.calls.call("KVS.Get", GET_A)


async def test_an_unknown_method_is_refused_here() -> None:
    async with agent_of(NOBODY) as agent:
        failure = await error_of(agent.calls.call("KVS.Nope", None))
        assert str(failure) == "rpc: can't find method KVS.Nope"


async def test_keys_of_the_pool_are_a_servers_business() -> None:
    async with agent_of(NOBODY) as agent:
        failure = await error_of(agent.calls.call("Internal.KeyringOperation", None))
        assert str(failure) == "keyring operations must run against a server node"


# ---------------------------------------------------------------- snapshots

SAVE = SnapshotRequest(datacenter="dc1", op=SnapshotOp.SAVE)
RESTORE = SnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_snapshots_pass_through_to_a_server_and_from_it() -> None:
    async with rpc_site() as server, agent_of(server.address) as agent:
        response, archive = await agent.calls.save_snapshot(SAVE)
        assert response.index == 42
        assert b"".join([piece async for piece in archive]) == server.snapshots.archive
        await agent.calls.restore_snapshot(RESTORE, pieces(b"one", b"two"))
        assert server.snapshots.restored == [b"onetwo"]
        assert agent.counted("client.rpc") == 2


async def test_what_a_server_says_of_a_snapshot_stands_alone() -> None:
    async with rpc_site() as server, agent_of(server.address, NOBODY) as agent:
        server.snapshots.failure = RpcError("No path to datacenter")
        failure = await error_of(agent.calls.save_snapshot(SAVE))
        assert str(failure) == "No path to datacenter"
        assert agent.servers.order[0].name == "s1"
        agent.servers.failed(agent.servers.order[0])
        failure = await error_of(agent.calls.restore_snapshot(RESTORE, pieces(b"x")))
        assert str(failure) == "No path to datacenter"


async def test_snapshots_count_as_calls() -> None:
    async with (
        rpc_site() as server,
        agent_of(server.address, rate_per_s=1.0, burst=0) as agent,
    ):
        assert isinstance(await error_of(agent.calls.save_snapshot(SAVE)), RateLimitedError)
        assert isinstance(
            await error_of(agent.calls.restore_snapshot(RESTORE, pieces())), RateLimitedError
        )
    async with agent_of() as agent:
        assert isinstance(await error_of(agent.calls.save_snapshot(SAVE)), NoServersError)


# ---------------------------------------------------------------- rebalancing


async def test_rebalancing_moves_to_a_server_that_answers() -> None:
    async with rpc_site() as third, agent_of(NOBODY, NOBODY, third.address) as agent:
        await agent.calls.rebalance()
        assert agent.servers.order[0].address == third.address
        assert len(agent.servers) == 3


async def test_rebalancing_changes_nothing_when_nobody_answers() -> None:
    asked: list[str] = []
    async with (
        rpc_site(serve=silent(asked)) as frozen,
        agent_of(NOBODY, frozen.address) as agent,
    ):
        before = agent.servers.order
        await agent.calls.rebalance()
        assert asked == ["Status.Ping"]
        assert agent.servers.order == before
        assert now_s() == pytest.approx(10, abs=0.1)


async def test_rebalancing_happens_from_time_to_time() -> None:
    asked: list[tuple[float, str]] = []

    def noting(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            asked.append((now_s(), method))

        return serve

    async with rpc_site(serve=noting) as server, agent_of(server.address) as agent:
        running = asyncio.ensure_future(agent.calls.rebalance_for_ever(lambda: 2))
        await asyncio.sleep(320)
        running.cancel()
        assert [method for _, method in asked] == ["Status.Ping"] * 2
        assert [at_s for at_s, _ in asked] == pytest.approx([150, 300], abs=1)
