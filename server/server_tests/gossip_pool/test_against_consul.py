"""Our node as a member of a real Consul's LAN pool: what the agents and the catalog say of it."""

import asyncio
import base64
import signal
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proconsul.endpoints.user_events import UserEvent, to_gossip
from proconsul.gossip.address import address_of
from proconsul.gossip.effects import Change, MemberStatus
from proconsul.gossip.key_rotation import KeyOperation
from proconsul.gossip.settings import GossipSettings, SerfSettings
from server_tests.gossip_pool.consul_agent import (
    ConsulAgent,
    consul_agents,
    requires_real_consul,
)
from server_tests.gossip_pool.serf_agent import alive
from server_tests.runtime.gossip_node import PoolNode, place, until

SERVER, CLIENT, OURS, ELSEWHERE = place(51), place(52), place(53), place(54)
KEY, NEW_KEY = b"k" * 32, b"n" * 32
NODE_ID = "1b5f3f0e-5d0c-4a34-9a53-1d3f8e6b0c53"

pytestmark = [requires_real_consul, pytest.mark.real_clock, pytest.mark.slow]
plain_and_encrypted = pytest.mark.parametrize("key", [b"", KEY], ids=["plain", "encrypted"])

TAGS = {
    "role": "node",
    "dc": "dc1",
    "id": NODE_ID,
    "vsn": "2",
    "vsn_min": "2",
    "vsn_max": "3",
    "build": "1.8.7:",
    "segment": "",
    "acls": "0",
}


def our_node(
    key: bytes = b"",
    host: str = OURS,
    *,
    name: str = "ours",
    tags: Mapping[str, str] = TAGS,
    folder: Path | None = None,
) -> PoolNode:
    return PoolNode(
        name,
        host,
        tags=tags,
        keys=[key] if key else [],
        folder=folder,
        gossip=GossipSettings(),
        settings=SerfSettings(),
    )


@asynccontextmanager
async def at_work(node: PoolNode) -> AsyncIterator[PoolNode]:
    """From its start to its end."""
    try:
        await node.start()
        yield node
    finally:
        await node.stop()
        assert node.failures == []


def town(folder: Path, key: bytes = b"") -> tuple[ConsulAgent, ConsulAgent]:
    """A server, and a client."""
    return (
        ConsulAgent("s1", SERVER, folder, "-server", "-bootstrap-expect=1", key=key),
        ConsulAgent("c1", CLIENT, folder, key=key),
    )


async def everybody_agrees(ours: PoolNode, *theirs: ConsulAgent) -> None:
    """All know all, as alive and at the same places, and the catalog finds us well."""
    names = sorted(["ours", *(agent.name for agent in theirs)])
    await until(lambda: ours.statuses() == alive(names), ours.statuses)
    for agent in theirs:
        for name in names:
            await agent.until_status(name, MemberStatus.ALIVE)
        for name, found in (await asyncio.to_thread(agent.members)).items():
            member = ours.driver.member(name)
            assert member is not None
            assert (found["Addr"], found["Port"]) == (member.address.host, member.address.port)
            assert found["Tags"] == member.tags
            assert (found["ProtocolMin"], found["ProtocolMax"], found["ProtocolCur"]) == (1, 5, 2)
    await theirs[0].until_health("ours", "passing")


@plain_and_encrypted
async def test_both_ways_of_joining_and_all_that_members_say(key: bytes, tmp_path: Path) -> None:
    server, client = town(tmp_path, key)
    ours = our_node(key)
    async with consul_agents(server), at_work(ours):
        await ours.join(SERVER)
        try:
            await client.start()
            await asyncio.to_thread(client.put, f"/v1/agent/join/{OURS}")
            await everybody_agrees(ours, server, client)
            await events_go_both_ways(ours, server, client)
            await until(lambda: ours.driver.cached_coordinate("s1") is not None)
            assert ours.changes("s1") == ours.changes("c1") == [Change.JOIN]
        finally:
            await client.kill()


async def events_go_both_ways(ours: PoolNode, server: ConsulAgent, client: ConsulAgent) -> None:
    event = UserEvent(
        id=str(uuid.uuid4()),
        name="deploy",
        payload=b"ours",
        node_filter="",
        service_filter="",
        tag_filter="",
    )
    await ours.driver.user_event("consul:event:deploy", to_gossip(event))
    for agent in (server, client):
        await agent.until(lambda: ("deploy", b"ours") in agent.events())  # noqa: B023
    await asyncio.to_thread(client.put, "/v1/event/fire/deploy", b"theirs")
    await until(
        lambda: any(name == "consul:event:deploy" and b"theirs" in it for name, it in ours.events())
    )
    assert len(ours.events()) == len(set(ours.events()))


@plain_and_encrypted
async def test_what_becomes_of_us_is_in_the_catalog(key: bytes, tmp_path: Path) -> None:
    server, client = town(tmp_path, key)
    async with consul_agents(server, client):
        async with at_work(our_node(key, folder=tmp_path / "serf")) as ours:
            await ours.join(CLIENT)
            await everybody_agrees(ours, server, client)
        for agent in (server, client):
            await agent.until_status("ours", MemberStatus.FAILED)
        await server.until_health("ours", "critical")

        async with at_work(our_node(key, folder=tmp_path / "serf")) as ours:
            ours.driver.rejoin_kept()
            await everybody_agrees(ours, server, client)
            await ours.driver.leave()
        for agent in (server, client):
            await agent.until_status("ours", MemberStatus.LEFT)
        await server.until_health("ours", "")

        async with at_work(our_node(key, host=ELSEWHERE)) as ours:
            await ours.join(SERVER)
            await everybody_agrees(ours, server, client)
            found = await asyncio.to_thread(server.get, "/v1/catalog/node/ours")
            assert found["Node"]["Address"] == ELSEWHERE
            assert found["Node"]["ID"] == NODE_ID


@plain_and_encrypted
async def test_what_becomes_of_them_is_known_to_us(key: bytes, tmp_path: Path) -> None:
    server, client = town(tmp_path, key)
    async with consul_agents(server, client), at_work(our_node(key)) as ours:
        await ours.join(SERVER)
        await everybody_agrees(ours, server, client)

        await client.kill()
        await ours.until_status("c1", MemberStatus.FAILED)
        await client.start(f"-retry-join={OURS}")
        await everybody_agrees(ours, server, client)

        client.send(signal.SIGSTOP)
        await ours.until_status("c1", MemberStatus.FAILED)
        client.send(signal.SIGCONT)
        await everybody_agrees(ours, server, client)

        await asyncio.to_thread(client.put, "/v1/agent/leave")
        await ours.until_status("c1", MemberStatus.LEFT)
        await client.kill()
        assert ours.changes("c1") == [
            *(Change.JOIN, Change.FAILED, Change.JOIN, Change.FAILED, Change.JOIN, Change.LEAVE)
        ]


async def test_the_failed_are_forced_to_leave_by_either_side(tmp_path: Path) -> None:
    server, client = town(tmp_path)
    async with consul_agents(server, client), at_work(our_node()) as ours:
        await ours.join(SERVER)
        await everybody_agrees(ours, server, client)
        await client.kill()
        await ours.until_status("c1", MemberStatus.FAILED)
        await server.until_health("c1", "critical")
        assert ours.driver.force_leave("c1", prune=False)
        await server.until_status("c1", MemberStatus.LEFT)
        await server.until_health("c1", "")
        await asyncio.to_thread(server.put, "/v1/agent/force-leave/c1?prune=1")
        await until(lambda: ours.status("c1") is None, ours.statuses)
        await until(lambda: ours.changes("c1")[-2:] == [Change.LEAVE, Change.REAP])


async def test_keys_are_rotated_from_either_side(tmp_path: Path) -> None:
    server, client = town(tmp_path, KEY)
    old, new = (base64.b64encode(key).decode() for key in (KEY, NEW_KEY))
    async with consul_agents(server, client), at_work(our_node(KEY, folder=tmp_path)) as ours:
        await ours.join(SERVER)
        await everybody_agrees(ours, server, client)
        body = f'{{"Key": "{new}"}}'.encode()
        for method in ("POST", "PUT"):  # install, use
            status, answer = await asyncio.to_thread(
                server.call, method, "/v1/operator/keyring?relay-factor=1", body
            )
            assert status == 200, answer
        listed = await asyncio.to_thread(server.get, "/v1/operator/keyring")
        (lan,) = (one for one in listed if not one["WAN"])
        assert (lan["Keys"], lan["NumNodes"]) == ({old: 3, new: 3}, 3)

        ended = await ours.driver.keyring(KeyOperation.REMOVE, KEY)
        assert (ended.failure, ended.members) == ("", 3)
        listed = await ours.driver.keyring(KeyOperation.LIST, b"")
        assert (listed.keys, listed.primary_keys) == ({new: 3}, {new: 3})
        await everybody_agrees(ours, server, client)
        await events_go_both_ways(ours, server, client)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"dc": "dc2"}, "part of wrong datacenter 'dc2'"),
        ({"segment": "other"}, "part of wrong segment 'other'"),
    ],
)
async def test_who_does_not_belong_is_refused_whatever_it_believes(
    changed: dict[str, str], complaint: str, tmp_path: Path
) -> None:
    server, _ = town(tmp_path)
    async with consul_agents(server), at_work(our_node(tags=TAGS | changed)) as ours:
        await ours.try_join(SERVER)
        await until(lambda: complaint in server.log())
        assert await asyncio.to_thread(server.status, "ours") is None


async def test_a_name_that_is_taken_stays_with_who_had_it(tmp_path: Path) -> None:
    server, _ = town(tmp_path)
    other_id = TAGS | {"id": "2b5f3f0e-5d0c-4a34-9a53-1d3f8e6b0c53"}
    async with consul_agents(server), at_work(our_node()) as ours:
        await ours.join(SERVER)
        await everybody_agrees(ours, server)
        async with at_work(our_node(host=ELSEWHERE, tags=other_id)) as second:
            await second.try_join(SERVER)
            await until(lambda: "conflict" in server.log().lower())
            member = (await asyncio.to_thread(server.members))["ours"]
            assert member["Addr"] == OURS
            own = ours.driver.member("ours")
            assert own is not None
            assert own.address == address_of(OURS, 8301)
