"""The leader and the other servers: catalog, membership, health, on a virtual clock."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.leader.pool import PoolMember, Status
from proconsul.model.catalog import DeregisterRequest
from proconsul.model.operator import OperatorHealthReply, ServerStats
from proconsul.raft.messages import Suffrage, Term
from proconsul.runtime import raft_driver
from server_tests.runtime.driver_world import ME, Silence
from server_tests.runtime.leader_world import OTHER, leader
from server_tests.runtime.rpc_site import rpc_site


@pytest.fixture(autouse=True)
def _raft_ticks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single voter needs no ticks, and each takes real time."""
    monkeypatch.setattr(raft_driver, "TICK_S", 600.0)


async def test_the_catalog_follows_the_pool_at_once() -> None:
    async with leader() as one:
        other = replace(OTHER, raft_version=2)  # too old for raft, which is another matter
        seen = []
        for status in (Status.ALIVE, Status.FAILED, Status.ALIVE):
            one.know(one.pool.known[0], PoolMember(other, status, 0.0))
            await asyncio.sleep(0.1)
            seen.append(one.serf_health("s2"))
        assert seen == ["passing", "critical", "passing"]


async def test_who_is_no_member_any_more_is_taken_out_of_the_catalog() -> None:
    async with leader() as one:
        other = PoolMember(replace(OTHER, raft_version=2), Status.FAILED, 0.0)
        one.know(*one.pool.known, PoolMember(other.server, Status.ALIVE, 0.0))
        await asyncio.sleep(0.1)
        one.know(one.pool.known[0], other)
        await asyncio.sleep(0.1)
        assert one.serf_health("s2") == "critical"
        one.know(one.pool.known[0])
        await asyncio.sleep(0.1)
        assert one.serf_health("s2") is None
        assert one.serf_health("s1") == "passing"


async def test_a_leader_tells_all_members_that_it_leads() -> None:
    async with leader() as one:
        assert one.events.told == [("consul:new-leader", b"s1")]


async def test_a_server_that_does_not_say_of_which_cluster_it_is_waits_until_it_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    waits = (
        "a server is not added until it says of which cluster it is: node=s2 "
        'address=127.0.0.2:8300 error="no answer"'
    )
    async with leader() as one:
        node = one.life.driver.node
        one.life.driver.connect(Silence(), Silence())
        one.raft_peers.silent = True
        one.know(*one.pool.known, PoolMember(OTHER, Status.ALIVE, 0.0))
        await asyncio.sleep(5)
        assert len(node.configuration.servers) == 1
        assert caplog.messages.count(waits) == 1  # it was asked each second
        one.raft_peers.silent = False
        await asyncio.sleep(2)
        assert [server.id for server in node.configuration.servers] == [ME.id, OTHER.node_id]


async def test_what_an_operator_does_to_a_server_in_the_catalog_is_undone_after_a_minute() -> None:
    async with leader() as one:
        await asyncio.sleep(5)
        gone = DeregisterRequest(datacenter="dc1", node="s1")
        await one.life.driver.propose(encode_command(MessageType.DEREGISTER, gone))
        await asyncio.sleep(30)
        assert one.serf_health("s1") is None
        await asyncio.sleep(60)
        assert one.serf_health("s1") == "passing"


# ---------------------------------------------------------------- the members of raft


async def test_a_leader_alone_is_healthy_from_the_first_moment() -> None:
    async with leader() as one:
        before = one.context.log.server_health()
        await asyncio.sleep(10)
        after = one.context.log.server_health()
        assert before.servers is not None
        assert after.servers is not None
        assert (after.healthy, after.failure_tolerance) == (True, 0)
        assert after.servers[0].stable_since == before.servers[0].stable_since
        assert (after.servers[0].name, after.servers[0].version) == ("s1", "1.8.7")


async def test_the_configuration_names_who_the_pool_knows() -> None:
    async with leader() as one:
        (shown,) = one.context.log.configuration().servers or []
        assert (shown.node, shown.leader, shown.voter) == ("s1", True, True)
        assert shown.protocol_version == "3"
        one.pool.known = []
        (shown,) = one.context.log.configuration().servers or []
        assert (shown.node, shown.protocol_version) == ("(unknown)", "unknown")


@asynccontextmanager
async def newcomer(stats: dict[str, Any], *, non_voter: bool) -> AsyncIterator[PoolMember]:
    """A server that joins; on its RPC port it tells `stats` of itself."""

    async def serve(method: str, _: object) -> ServerStats:
        assert method == "Status.RaftStats"
        return ServerStats(**stats)

    async with rpc_site(serve=lambda _: serve) as port:
        host, _, number = port.address.rpartition(":")
        server = replace(OTHER, address=host, rpc_port=int(number), non_voter=non_voter)
        yield PoolMember(server, Status.ALIVE, 0.0)


@pytest.mark.parametrize(
    ("contact", "non_voter", "suffrages"),
    [
        ("20ms", False, [Suffrage.NONVOTER, Suffrage.VOTER]),
        ("20ms", True, [Suffrage.NONVOTER, Suffrage.NONVOTER]),
        ("never", False, [Suffrage.NONVOTER, Suffrage.NONVOTER]),
    ],
)
async def test_a_server_that_joins_votes_once_it_was_healthy_for_long_enough_if_it_may(
    contact: str, non_voter: bool, suffrages: list[Suffrage]
) -> None:
    async with leader() as one:
        node = one.life.driver.node
        one.life.driver.connect(Silence(), Silence())
        stats = {"last_contact": contact, "last_term": node.last_term, "last_index": 1000}
        async with newcomer(stats, non_voter=non_voter) as other:
            one.know(*one.pool.known, other)
            seen = []
            for wait_s in (5, 40):
                await asyncio.sleep(wait_s)
                seen.append(node.configuration.servers[1].suffrage)
            assert seen == suffrages
            health = one.context.log.server_health()
            assert [server.name for server in health.servers or []] == ["s1", "s2"]
            assert health.healthy is (contact != "never")


async def test_who_leads_no_more_has_nothing_to_say_of_health() -> None:
    async with leader() as one:
        assert one.context.log.server_health().servers
        one.life.driver.node.become_follower(Term(9), None, "somebody else stood")
        assert one.context.log.server_health() == OperatorHealthReply()


@pytest.mark.parametrize(
    ("server_id", "address", "text"),
    [
        ("none", "", 'id "none" was not found in the Raft configuration'),
        ("", "1.2.3.4:8300", 'address "1.2.3.4:8300" was not found in the Raft configuration'),
        ("", 'a"b', 'address "a\\"b" was not found in the Raft configuration'),
        ("", "", 'address "" was not found in the Raft configuration'),
        (ME.id, "", "a cluster needs a voter: add another one first"),
    ],
)
async def test_who_is_not_there_or_cannot_be_spared_is_not_removed(
    server_id: str, address: str, text: str
) -> None:
    async with leader() as one:
        with pytest.raises(RpcError, match=f"^{re.escape(text)}$"):
            await one.context.log.remove_peer(server_id, address)
