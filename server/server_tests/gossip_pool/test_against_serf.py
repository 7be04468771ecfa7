"""Pools of our node and real serf agents, old and new, plain and encrypted."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proconsul.gossip.address import Address, address_of
from proconsul.gossip.effects import Change, MemberStatus, QueryHeard
from proconsul.gossip.key_rotation import KeyOperation
from proconsul.gossip.serf import Serf
from proconsul.gossip.settings import GossipSettings, SerfSettings
from server_tests.gossip_pool.serf_agent import QUERY_ANSWER, SerfAgent, agents, alive, every_serf
from server_tests.runtime.gossip_node import PoolNode, place, until

A, B, OURS, ELSEWHERE = place(31), place(32), place(33), place(34)
KEY, NEW_KEY = b"k" * 32, b"n" * 32
REFUSED = "removing the primary key is not allowed"

pytestmark = [every_serf, pytest.mark.real_clock, pytest.mark.slow]
plain_and_encrypted = pytest.mark.parametrize("key", [b"", KEY], ids=["plain", "encrypted"])


def our_node(
    key: bytes = b"",
    host: str = OURS,
    *,
    folder: Path | None = None,
    serf_type: type[Serf] = Serf,
) -> PoolNode:
    return PoolNode(
        "ours",
        host,
        tags={"role": "node", "dc": "dc1"},
        keys=[key] if key else [],
        folder=folder,
        gossip=GossipSettings(),
        settings=SerfSettings(leave_propagate_delay_s=1.0),
        serf_type=serf_type,
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


async def everybody_agrees(ours: PoolNode, *theirs: SerfAgent) -> None:
    """All know all, as alive and at the same places."""
    names = sorted(["ours", *(agent.name for agent in theirs)])
    await until(lambda: ours.statuses() == alive(names), ours.statuses)
    for agent in theirs:
        for name in names:
            await agent.until_status(name, MemberStatus.ALIVE)
        for name, found in (await agent.members()).items():
            member = ours.driver.member(name)
            assert member is not None
            assert found["addr"] == str(member.address)
            assert found["tags"] == member.tags


@plain_and_encrypted
async def test_both_ways_of_joining_and_all_that_members_say(
    binary: str, key: bytes, tmp_path: Path
) -> None:
    a = SerfAgent(binary, "a", A, tmp_path, key=key)
    b = SerfAgent(binary, "b", B, tmp_path, key=key)
    ours = our_node(key)
    ours.answer = lambda query: b"0.3" if query.name == "load" else None
    async with agents(a), at_work(ours):
        await ours.join(A)
        try:
            await b.start()
            await b.run("join", f"{OURS}:8301")
            await everybody_agrees(ours, a, b)
            await events_go_both_ways(ours, a, b)
            await queries_go_both_ways(ours, a)
            await coordinates_are_known(ours, a)
            assert ours.changes("a") == ours.changes("b") == [Change.JOIN]
        finally:
            await b.kill()


async def events_go_both_ways(ours: PoolNode, a: SerfAgent, b: SerfAgent) -> None:
    await ours.driver.user_event("deploy", b"ours")
    for agent in (a, b):
        await agent.until_event("deploy ours")
    await a.run("event", "-coalesce=false", "deploy", "theirs")
    await until(lambda: ("deploy", b"theirs") in ours.events(), ours.events)
    await b.until_event("deploy theirs")
    assert len(ours.events()) == len(set(ours.events())) == 2


async def queries_go_both_ways(ours: PoolNode, a: SerfAgent) -> None:
    found = await ours.driver.query("load", b"", want_ack=True, relay_factor=1)
    answers = {"a": QUERY_ANSWER.encode(), "b": QUERY_ANSWER.encode(), "ours": b"0.3"}
    assert (found.responses, found.acks) == (answers, frozenset(["a", "b", "ours"]))
    found = await ours.driver.query("load", b"", nodes=["b", "ours"], tags=[("role", "^no")])
    assert set(found.responses) == {"b", "ours"}
    told = await a.run("query", "-node=ours", "-relay-factor=1", "load", "now")
    assert "Response from 'ours': 0.3" in told
    assert "Total Acks: 1" in told
    assert "3" in await a.run("reachability")
    assert any(isinstance(one, QueryHeard) and one.payload == b"now" for one in ours.heard)


async def coordinates_are_known(ours: PoolNode, a: SerfAgent) -> None:
    await until(lambda: ours.driver.cached_coordinate("a") is not None)
    assert "rtt:" in await a.run("rtt", "ours", "a")


@plain_and_encrypted
async def test_who_is_killed_frozen_restarted_or_leaves_is_known_to_be_so(
    binary: str, key: bytes, tmp_path: Path
) -> None:
    a = SerfAgent(binary, "a", A, tmp_path, key=key)
    b = SerfAgent(binary, "b", B, tmp_path, key=key)
    ours = our_node(key)
    async with agents(a, b), at_work(ours):
        await ours.join(A)
        await everybody_agrees(ours, a, b)

        await b.kill()
        await ours.until_status("b", MemberStatus.FAILED)
        await a.until_status("b", MemberStatus.FAILED)
        await b.start(f"-join={OURS}:8301")
        await everybody_agrees(ours, a, b)
        assert ours.changes("b") == [Change.JOIN, Change.FAILED, Change.JOIN]

        b.freeze()
        await ours.until_status("b", MemberStatus.FAILED)
        b.thaw()
        await everybody_agrees(ours, a, b)

        await b.run("leave")
        await ours.until_status("b", MemberStatus.LEFT)
        await a.until_status("b", MemberStatus.LEFT)
        assert ours.changes("b")[-2:] == [Change.JOIN, Change.LEAVE]
        await b.kill()

        await ours.driver.leave()
        await a.until_status("ours", MemberStatus.LEFT)


async def test_a_short_freeze_is_refuted_and_costs_nobody_anything(
    binary: str, tmp_path: Path
) -> None:
    a, b = SerfAgent(binary, "a", A, tmp_path), SerfAgent(binary, "b", B, tmp_path)
    ours = our_node()
    async with agents(a, b), at_work(ours):
        await ours.join(A)
        await everybody_agrees(ours, a, b)
        a.freeze()
        await until(lambda: ours.telemetry_of("memberlist.msg.suspect") > 0)
        a.thaw()
        await until(lambda: ours.telemetry_of("memberlist.msg.alive") > 2)
        await everybody_agrees(ours, a, b)
        assert ours.changes("a") == ours.changes("b") == [Change.JOIN]


class Freezable(Serf):
    """Its thread stands still when told so."""

    goes_on: threading.Event

    def tick(self, now_s: float) -> None:
        self.goes_on.wait(60)
        super().tick(now_s)


async def test_a_freeze_of_ours_ends_in_our_return_and_we_blame_nobody(
    binary: str, tmp_path: Path
) -> None:
    a, b = SerfAgent(binary, "a", A, tmp_path), SerfAgent(binary, "b", B, tmp_path)
    ours = our_node(serf_type=Freezable)
    assert isinstance(ours.serf, Freezable)
    ours.serf.goes_on = threading.Event()
    ours.serf.goes_on.set()
    async with agents(a, b), at_work(ours):
        await ours.join(A)
        await everybody_agrees(ours, a, b)
        ours.serf.goes_on.clear()
        await a.until_status("ours", MemberStatus.FAILED)
        ours.serf.goes_on.set()
        await everybody_agrees(ours, a, b)
        assert ours.changes("a") == ours.changes("b") == [Change.JOIN]


@plain_and_encrypted
async def test_a_crash_of_ours_is_seen_and_our_return_with_what_we_kept(
    binary: str, key: bytes, tmp_path: Path
) -> None:
    a, b = (
        SerfAgent(binary, "a", A, tmp_path, key=key),
        SerfAgent(binary, "b", B, tmp_path, key=key),
    )
    async with agents(a, b):
        async with at_work(our_node(key, folder=tmp_path / "serf")) as ours:
            await ours.join(A)
            await a.run("event", "-coalesce=false", "before", "")
            await everybody_agrees(ours, a, b)
            await until(lambda: ours.events() == [("before", b"")])
        await a.until_status("ours", MemberStatus.FAILED)
        async with at_work(our_node(key, folder=tmp_path / "serf")) as ours:
            ours.driver.rejoin_kept()
            await everybody_agrees(ours, a, b)
            await a.run("event", "-coalesce=false", "after", "")
            await until(lambda: ("after", b"") in ours.events())
            assert ours.events() == [("after", b"")]  # what was heard before is not heard again


async def test_who_left_may_come_back_at_another_address(binary: str, tmp_path: Path) -> None:
    a, b = SerfAgent(binary, "a", A, tmp_path), SerfAgent(binary, "b", B, tmp_path)
    async with agents(a, b):
        async with at_work(our_node()) as ours:
            await ours.join(A)
            await everybody_agrees(ours, a, b)
            await ours.driver.leave()
        await a.until_status("ours", MemberStatus.LEFT)
        async with at_work(our_node(host=ELSEWHERE)) as ours:
            await ours.join(B)
            await everybody_agrees(ours, a, b)
            assert (await a.members())["ours"]["addr"] == f"{ELSEWHERE}:8301"
            await b.run("leave")
            await ours.until_status("b", MemberStatus.LEFT)
            await b.kill()
            moved = SerfAgent(binary, "b", OURS, tmp_path)
            async with agents(moved):
                await moved.run("join", f"{ELSEWHERE}:8301")
                await everybody_agrees(ours, a, moved)
                member = ours.driver.member("b")
                assert member is not None
                assert member.address == Address(address_of(OURS, 8301).ip, 8301)


async def test_who_failed_can_be_forced_to_leave_by_either_side(
    binary: str, tmp_path: Path
) -> None:
    a, b = SerfAgent(binary, "a", A, tmp_path), SerfAgent(binary, "b", B, tmp_path)
    async with agents(a, b), at_work(our_node()) as ours:
        await ours.join(A)
        await everybody_agrees(ours, a, b)
        await b.kill()
        await a.until_status("b", MemberStatus.FAILED)
        await ours.until_status("b", MemberStatus.FAILED)
        assert ours.driver.force_leave("b", prune=False)
        await a.until_status("b", MemberStatus.LEFT)
        assert ours.status("b") is MemberStatus.LEFT
        await a.run("force-leave", "-prune", "b")
        await until(lambda: ours.status("b") is None, ours.statuses)
        await until(lambda: ours.changes("b")[-2:] == [Change.LEAVE, Change.REAP])
        await a.until_status("b", None)

        await b.start(f"-join={A}:8301")
        await everybody_agrees(ours, a, b)
        await b.kill()
        await a.until_status("b", MemberStatus.FAILED)
        await ours.until_status("b", MemberStatus.FAILED)
        await a.run("force-leave", "b")
        await ours.until_status("b", MemberStatus.LEFT)
        assert ours.driver.force_leave("b", prune=True)
        await a.until_status("b", None)


async def test_keys_are_rotated_from_either_side(binary: str, tmp_path: Path) -> None:
    a = SerfAgent(binary, "a", A, tmp_path, key=KEY)
    b = SerfAgent(binary, "b", B, tmp_path, key=KEY)
    old, new = (base64.b64encode(key).decode() for key in (KEY, NEW_KEY))
    async with agents(a, b), at_work(our_node(KEY, folder=tmp_path / "serf")) as ours:
        await ours.join(A)
        await everybody_agrees(ours, a, b)
        for operation in (KeyOperation.INSTALL, KeyOperation.USE):
            ended = await ours.driver.keyring(operation, NEW_KEY)
            assert (ended.failure, ended.members, ended.responses) == ("", 3, 3)
        listed = await ours.driver.keyring(KeyOperation.LIST, b"", relay_factor=1)
        assert listed.keys == {old: 3, new: 3}
        told = await a.run("keys", "-list")
        assert f"{old}  [3/3]" in told
        assert f"{new}  [3/3]" in told
        await a.run("keys", f"-remove={old}")
        listed = await ours.driver.keyring(KeyOperation.LIST, b"")
        assert listed.keys == {new: 3}

        await b.run("keys", f"-install={old}")
        await b.run("keys", f"-use={old}")
        ended = await ours.driver.keyring(KeyOperation.REMOVE, NEW_KEY)
        assert ended.failure == ""
        refused = await ours.driver.keyring(KeyOperation.REMOVE, KEY)
        assert (refused.errors, refused.failure) == (3, "3/3 nodes reported failure")
        assert {text.lower() for text in refused.messages.values()} == {REFUSED}
        await everybody_agrees(ours, a, b)
        await events_go_both_ways(ours, a, b)


async def test_who_has_another_key_or_none_is_not_let_in(binary: str, tmp_path: Path) -> None:
    a = SerfAgent(binary, "a", A, tmp_path, key=KEY)
    async with agents(a):
        for key in (NEW_KEY, b""):
            async with at_work(our_node(key)) as ours:
                ended = await ours.try_join(A)
                assert ended.reached == 0, ended
                assert ours.statuses() == alive(["ours"])
                assert await a.status("ours") is None


async def test_nobody_fails_while_nothing_happens(binary: str, tmp_path: Path) -> None:
    a, b = SerfAgent(binary, "a", A, tmp_path), SerfAgent(binary, "b", B, tmp_path)
    async with agents(a, b), at_work(our_node()) as ours:
        await ours.join(A)
        await everybody_agrees(ours, a, b)
        await asyncio.sleep(15)
        assert ours.changes("a") == ours.changes("b") == [Change.JOIN]
        for agent in (a, b):
            assert "Suspect ours" not in agent.log()
            assert "EventMemberFailed" not in agent.log()
        assert ours.driver.stats()["health_score"] == "0"
