"""Calls that go to the leader, and what happens while there is none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest
from msgspec.structs import replace

from proconsul.endpoints.context import Log
from proconsul.endpoints.table import METHODS
from proconsul.errors import NoLeaderError, ProconsulError
from proconsul.fsm.commands import MessageType
from proconsul.model.acl_requests import ACLTokenListRequest
from proconsul.model.federation_state import FederationState, FederationStateRequest
from proconsul.model.kv import DirEntry, KeyRequest, KVSRequest
from proconsul.runtime.rpc_client import ClientLimits, RemoteError, RpcClient, RpcTransportError
from proconsul.runtime.rpc_forwarding import Forwarder
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.state import State
from server_tests.endpoints.site import FACTS, Site, World, open_site
from server_tests.runtime.rpc_site import HOST, RpcSite, Serve, rpc_site

GET_A = KeyRequest(datacenter="dc1", key="a")
SET_A = KVSRequest(datacenter="dc1", op="set", dir_ent=DirEntry(key="a", value=b"1"))
CAS_A = KVSRequest(datacenter="dc1", op="cas", dir_ent=DirEntry(key="a", value=b"1"))
NOBODY = f"{HOST}:1"


class FollowerLog:
    """A follower's view: who leads, as far as it knows."""

    def __init__(self, leader: str) -> None:
        self.leader = leader

    def is_leader(self) -> bool:
        return False

    def leader_known(self) -> bool:
        return bool(self.leader)

    def leader_address(self) -> str:
        return self.leader

    def last_contact_ns(self) -> int:
        return 5_000_000


class EvenWorld(World):
    """Its die always shows the middle."""

    def die(self, sides: int) -> int:
        return sides // 2


@dataclass
class Follower:
    """A server that does not lead."""

    log: FollowerLog
    site: Site
    forwarder: Forwarder
    client: RpcClient


@asynccontextmanager
async def follower_of(leader: str) -> AsyncIterator[Follower]:
    site = open_site()
    log = FollowerLog(leader)
    site.context.log = cast("Log", log)
    site.context.world = EvenWorld(WaitingRoom(cast("State", site.context.state).watchers))
    client = RpcClient(ClientLimits(), None)
    yield Follower(log, site, Forwarder(METHODS, site.context, client, lambda: False), client)
    await client.close()


async def error_of(asked: Any) -> ProconsulError:
    with pytest.raises(ProconsulError) as raised:
        await asked
    return raised.value


async def test_writes_and_reads_go_to_the_leader_and_stale_reads_do_not() -> None:
    async with rpc_site() as leader, follower_of(leader.address) as follower:
        assert await follower.forwarder.call("KVS.Apply", CAS_A) is True
        found = await follower.forwarder.call("KVS.Get", GET_A)
        assert found.entries[0].value == b"1"
        assert found.known_leader
        stale = KeyRequest(datacenter="dc1", key="a", allow_stale=True)
        found = await follower.forwarder.call("KVS.Get", stale)
        assert found.entries is None  # this follower has nothing of it yet
        assert found.last_contact == 5_000_000


async def test_a_blocking_query_waits_at_the_leader() -> None:
    async with rpc_site() as leader, follower_of(leader.address) as follower:
        blocking = KeyRequest(datacenter="dc1", key="a", min_query_index=10)
        waiting = asyncio.ensure_future(follower.forwarder.call("KVS.Get", blocking))
        await asyncio.sleep(100)
        assert not waiting.done()
        await leader.site.call("KVS.Apply", SET_A)
        assert (await waiting).entries[0].value == b"1"


async def test_the_leaders_refusal_comes_back_in_its_words() -> None:
    async with rpc_site() as leader, follower_of(leader.address) as follower:
        nameless = KVSRequest(datacenter="dc1", op="set")
        failure = await error_of(follower.forwarder.call("KVS.Apply", nameless))
        assert str(failure) == "rpc error making call: Must provide key"


async def test_what_is_switched_off_here_says_so_at_once_whoever_leads() -> None:
    async with follower_of("") as follower:
        began_s = asyncio.get_running_loop().time()
        listing = ACLTokenListRequest(datacenter="mars")
        failure = await error_of(follower.forwarder.call("ACL.TokenList", listing))
        assert str(failure) == "ACL support disabled"
        assert asyncio.get_running_loop().time() == began_s
        follower.site.context.facts = replace(FACTS, acl_enabled=True)
        failure = await error_of(follower.forwarder.call("ACL.TokenList", listing))
        assert str(failure) != "ACL support disabled"


async def test_what_is_written_in_the_primary_datacenter_only_goes_there() -> None:
    async with rpc_site() as leader, follower_of(leader.address) as follower:
        state = FederationState(datacenter="dc1")
        request = FederationStateRequest(datacenter="mars", op="upsert", state=state)
        assert await follower.forwarder.call("FederationState.Apply", request) is True
        follower.site.context.facts = replace(FACTS, primary_datacenter="dc0")
        failure = await error_of(follower.forwarder.call("FederationState.Apply", request))
        assert str(failure) == "No path to datacenter"
        assert leader.site.log.proposed == [MessageType.FEDERATION_STATE]


async def test_without_a_leader_a_call_is_held_and_then_refused() -> None:
    async with follower_of("") as follower:
        began_s = asyncio.get_running_loop().time()
        failure = await error_of(follower.forwarder.call("KVS.Apply", SET_A))
        assert isinstance(failure, NoLeaderError)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(7, abs=0.5)


async def test_a_call_goes_on_when_a_leader_is_found() -> None:
    async with rpc_site() as leader, follower_of("") as follower:
        asked = asyncio.ensure_future(follower.forwarder.call("KVS.Apply", CAS_A))
        await asyncio.sleep(3)
        follower.log.leader = leader.address
        assert await asked is True


async def test_a_leader_that_is_not_there_any_more_is_looked_for_again() -> None:
    async with rpc_site() as leader, follower_of(NOBODY) as follower:
        asked = asyncio.ensure_future(follower.forwarder.call("KVS.Apply", CAS_A))
        await asyncio.sleep(3)
        follower.log.leader = leader.address
        assert await asked is True


async def test_a_leader_that_has_lost_is_looked_for_again() -> None:
    def not_leading(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            raise NoLeaderError

        return serve

    async with (
        rpc_site(serve=not_leading) as old,
        rpc_site() as new,
        follower_of(old.address) as follower,
    ):
        asked = asyncio.ensure_future(follower.forwarder.call("KVS.Apply", CAS_A))
        await asyncio.sleep(3)
        follower.log.leader = new.address
        assert await asked is True


def stuck(times: list[str]) -> Any:
    def wrap(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            times.append(method)
            await asyncio.Event().wait()

        return serve

    return wrap


async def lose(leader: RpcSite) -> None:
    await asyncio.sleep(1)
    await leader.server.stop(0)


async def test_a_write_that_was_sent_and_not_answered_is_not_made_again() -> None:
    asked: list[str] = []
    async with rpc_site(serve=stuck(asked)) as leader, follower_of(leader.address) as follower:
        losing = asyncio.ensure_future(lose(leader))
        failure = await error_of(follower.forwarder.call("KVS.Apply", SET_A))
        assert isinstance(failure, RpcTransportError)
        assert "No cluster leader" not in str(failure)
        assert asked == ["KVS.Apply"]
        await losing


async def test_a_read_that_was_not_answered_is_made_again() -> None:
    asked: list[str] = []
    async with (
        rpc_site(serve=stuck(asked)) as old,
        rpc_site() as new,
        follower_of(old.address) as follower,
    ):
        losing = asyncio.ensure_future(lose(old))
        reading = asyncio.ensure_future(follower.forwarder.call("KVS.Get", GET_A))
        await losing
        follower.log.leader = new.address
        assert (await reading).index > 0
        assert asked == ["KVS.Get"]


async def test_a_write_at_a_leader_that_was_replaced_and_is_silent_fails_as_unknown() -> None:
    asked: list[str] = []
    async with (
        rpc_site(serve=stuck(asked)) as old,
        rpc_site() as new,
        follower_of(old.address) as follower,
    ):
        writing = asyncio.ensure_future(follower.forwarder.call("KVS.Apply", SET_A))
        reading = asyncio.ensure_future(follower.forwarder.call("KVS.Get", GET_A))
        await asyncio.sleep(0.5)
        follower.log.leader = new.address
        follower.forwarder.leader_changed()
        failure = await error_of(writing)
        assert "whether it was done is unknown" in str(failure)
        assert "No cluster leader" not in str(failure)
        assert (await reading).entries is None  # made again, at the one that leads
        assert sorted(asked) == ["KVS.Apply", "KVS.Get"]


async def test_what_an_earlier_leader_finishes_in_time_counts() -> None:
    def slow(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            await asyncio.sleep(0.6)
            return True

        return serve

    async with rpc_site(serve=slow) as old, rpc_site() as new, follower_of(old.address) as follower:
        writing = asyncio.ensure_future(follower.forwarder.call("KVS.Apply", CAS_A))
        await asyncio.sleep(0.1)
        follower.log.leader = new.address
        follower.forwarder.leader_changed()
        assert await writing is True


async def test_who_leads_no_more_passes_a_call_on_that_it_took_nothing_of() -> None:
    async with rpc_site() as new, follower_of("") as follower:
        log = LeaderLog("")
        follower.site.context.log = cast("Log", log)
        asked = asyncio.ensure_future(follower.forwarder.call("KVS.Apply", CAS_A))
        await asyncio.sleep(1)
        log.leads, log.leader = False, new.address
        assert await asked is True
        assert log.refused > 0


class LeaderLog(FollowerLog):
    """Believes that it leads, and takes nothing."""

    leads = True
    refused = 0

    def is_leader(self) -> bool:
        return self.leads

    async def propose(self, kind: Any, request: Any) -> Any:
        self.refused += 1
        raise NoLeaderError


async def test_an_error_of_a_forwarded_call_is_wrapped_once_for_each_server() -> None:
    def forwarding(failure: ProconsulError) -> Any:
        def wrap(site: Site) -> Serve:
            async def serve(method: str, request: Any) -> Any:
                raise failure

            return serve

        return wrap

    first = RemoteError("Permission denied")
    async with rpc_site(serve=forwarding(first)) as middle, follower_of(middle.address) as follower:
        failure = await error_of(follower.forwarder.call("KVS.Get", GET_A))
        assert str(failure) == ("rpc error making call: rpc error making call: Permission denied")
