"""Pools of our own nodes, each with its thread, sockets and files."""

import asyncio
import base64
import json
import socket
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from proconsul.gossip import packets
from proconsul.gossip.address import Address, address_of
from proconsul.gossip.effects import Change, MemberStatus, QueryHeard
from proconsul.gossip.failure import SerfError
from proconsul.gossip.framing import Framing
from proconsul.gossip.key_rotation import KeyOperation
from proconsul.gossip.messages import Ack, Ping
from proconsul.gossip.serf import Serf
from proconsul.gossip.settings import GossipSettings
from proconsul.runtime.gossip_engine import PoolEndedError
from server_tests.runtime.gossip_node import PoolNode, place, pool, until

A, B, C = place(11), place(12), place(13)

FRAMING = Framing(None, GossipSettings(), bytes)

pytestmark = pytest.mark.real_clock


def in_text(key: bytes) -> str:
    return base64.b64encode(key).decode()


async def test_two_join_and_hear_of_each_other_on_the_main_loop() -> None:
    a = PoolNode("a", A, tags={"role": "node"})
    b = PoolNode("b", B, tags={"role": "consul"})
    async with pool(a, b):
        await a.until_status("b", MemberStatus.ALIVE)
        member = a.driver.member("b")
        assert member is not None
        assert (member.tags, member.address) == ({"role": "consul"}, address_of(B, 8301))
        assert [one.name for one in b.driver.members()] == ["a", "b"]
        await until(lambda: a.changes("b") == [Change.JOIN])
        assert a.threads == {threading.current_thread().name}
        assert a.driver.stats()["members"] == "2"
        assert a.driver.coordinate() == a.driver.cached_coordinate("a")


async def test_who_joined_sees_the_others_at_once() -> None:
    a, b, c = PoolNode("a", A), PoolNode("b", B), PoolNode("c", C)
    async with pool(a, b, c):
        assert set(c.statuses()) == {"a", "b", "c"}


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_a_pool_may_speak_ipv6() -> None:
    a, b = PoolNode("a", "::1", port=18301), PoolNode("b", "::1", port=18302)
    async with pool(a, b):
        await a.until_status("b", MemberStatus.ALIVE)
        await b.driver.user_event("deploy", b"1")
        await until(lambda: a.events() == [("deploy", b"1")])
        member = a.driver.member("b")
        assert member is not None
        assert str(member.address) == "[::1]:18302"


async def test_a_join_that_reaches_nobody_says_why() -> None:
    a = PoolNode("a", A)
    async with pool(a):
        ended = await a.try_join(C)
        assert ended.reached == 0
        refused = f"dial tcp {C}:8301: connect: connection refused"
        assert ended.failures == (f"Failed to join {C}: {refused}",)


async def test_an_event_is_heard_once_by_all_and_by_who_fired_it() -> None:
    a, b, c = PoolNode("a", A), PoolNode("b", B), PoolNode("c", C)
    async with pool(a, b, c):
        assert await a.driver.user_event("deploy", b"1") == 1
        assert await a.driver.user_event("deploy", b"2") == 2
        for node in (a, b, c):
            await until(lambda: len(node.events()) == 2)  # noqa: B023
            assert sorted(node.events()) == [("deploy", b"1"), ("deploy", b"2")]


async def test_a_query_is_answered_by_who_is_asked() -> None:
    def load(query: QueryHeard) -> bytes | None:
        return b"0.7" if query.name == "load" else None

    a, b, c = PoolNode("a", A), PoolNode("b", B), PoolNode("c", C)
    for node in (b, c):
        node.answer = load
    async with pool(a, b, c):
        ended = await a.driver.query("load", b"", want_ack=True, timeout_s=1.0)
        assert ended.responses == {"b": b"0.7", "c": b"0.7"}
        assert ended.acks == {"a", "b", "c"}
        ended = await a.driver.query("load", b"", nodes=["b"], timeout_s=1.0)
        assert ended.responses == {"b": b"0.7"}


async def test_what_serf_refuses_comes_back_to_the_caller() -> None:
    a = PoolNode("a", A)
    async with pool(a):
        with pytest.raises(SerfError, match="exceeds configured limit of 512 bytes"):
            await a.driver.user_event("big", bytes(600))
        with pytest.raises(SerfError, match="query exceeds limit"):
            await a.driver.query("big", bytes(2000))
        assert not a.driver.force_leave("nobody", prune=False)


async def test_who_is_killed_has_failed_and_can_be_forced_to_leave() -> None:
    a, b, c = PoolNode("a", A), PoolNode("b", B), PoolNode("c", C)
    async with pool(a, b, c):
        await a.until_status("c", MemberStatus.ALIVE)
        await c.stop()
        for node in (a, b):
            await node.until_status("c", MemberStatus.FAILED)
        assert a.driver.force_leave("c", prune=False)
        for node in (a, b):
            await node.until_status("c", MemberStatus.LEFT)
        assert b.driver.force_leave("c", prune=True)
        for node in (a, b):
            await until(lambda: node.status("c") is None)  # noqa: B023
        await until(lambda: a.changes("c")[-1] is Change.REAP)


async def test_who_leaves_has_left() -> None:
    a, b = PoolNode("a", A), PoolNode("b", B)
    async with pool(a, b):
        await a.until_status("b", MemberStatus.ALIVE)
        await b.driver.leave()
        await b.driver.leave()  # has ended, and ends at once
        await a.until_status("b", MemberStatus.LEFT)
        await until(lambda: a.changes("b") == [Change.JOIN, Change.LEAVE])


async def test_tags_that_change_are_seen_by_all() -> None:
    a, b = PoolNode("a", A), PoolNode("b", B)
    async with pool(a, b):
        await b.driver.set_tags({"role": "consul", "acls": "1"})
        await until(lambda: Change.UPDATE in a.changes("b"))
        member = a.driver.member("b")
        assert member is not None
        assert member.tags == {"role": "consul", "acls": "1"}


async def test_after_a_crash_the_pool_is_found_again_without_being_told_where(
    tmp_path: Path,
) -> None:
    a = PoolNode("a", A)
    b = PoolNode("b", B, folder=tmp_path)
    async with pool(a, b):
        await b.stop()
        await a.until_status("b", MemberStatus.FAILED)
        b = PoolNode("b", B, folder=tmp_path)
        await b.start()
        b.driver.rejoin_kept()
        await a.until_status("b", MemberStatus.ALIVE)
        await b.until_status("a", MemberStatus.ALIVE)
        await b.stop()


async def test_who_left_looks_for_nobody_later(tmp_path: Path) -> None:
    a = PoolNode("a", A)
    b = PoolNode("b", B, folder=tmp_path)
    async with pool(a, b):
        await b.driver.leave()
        await b.stop()
        lines = (tmp_path / "local.snapshot").read_text().splitlines()
        assert "leave" in lines
        assert PoolNode("b", B, folder=tmp_path).kept.alive == {}


def keeps(folder: Path, key: bytes) -> bool:
    keyring = folder / "local.keyring"
    return keyring.exists() and in_text(key) in json.loads(keyring.read_bytes())


async def test_keys_are_rotated_and_kept(tmp_path: Path) -> None:
    old, new = b"k" * 16, b"n" * 32
    a = PoolNode("a", A, keys=[old], folder=tmp_path / "a")
    b = PoolNode("b", B, keys=[old], folder=tmp_path / "b")
    async with pool(a, b):
        for operation in (KeyOperation.INSTALL, KeyOperation.USE):
            ended = await a.driver.keyring(operation, new)
            assert (ended.failure, ended.members, ended.responses) == ("", 2, 2)
            for folder in ("a", "b"):  # a slow disk is not waited for, before they are in use
                await until(partial(keeps, tmp_path / folder, new))
        listed = await b.driver.keyring(KeyOperation.LIST, b"")
        assert listed.keys == {in_text(old): 2, in_text(new): 2}
        assert listed.primary_keys == {in_text(new): 2}
        ended = await b.driver.keyring(KeyOperation.REMOVE, old)
        assert ended.failure == ""
        assert await b.driver.user_event("still", b"there") == 1
        await until(lambda: a.events() == [("still", b"there")])
    again = PoolNode("a", A, keys=[old], folder=tmp_path / "a")
    assert again.driver.stats()["encrypted"] == "true"
    kept = json.loads((tmp_path / "a" / "local.keyring").read_bytes())
    assert kept == [in_text(new)]


# -------------------------------------------------------------------- what the thread is for


def ping(host: str, number: int, patience_s: float = 10.0) -> int:
    """Send a ping; the number in the answer. It stops the thread that calls it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(patience_s)
        asking.connect((host, 8301))
        asking.send(packets.encode(Ping(seq_no=number, node="")))
        ack = FRAMING.open(asking.recv(65536)).messages[0]
        assert isinstance(ack, Ack)
        return ack.seq_no


async def test_pings_are_answered_while_the_main_loop_is_held() -> None:
    a = PoolNode("a", A)
    async with pool(a):
        # Nothing is awaited here: the main loop stands still from the first ping to the last ack.
        for number in range(1, 50):
            assert ping(A, number) == number


async def test_nobody_fails_while_the_main_loop_is_held_for_longer_than_it_takes() -> None:
    a, b = PoolNode("a", A), PoolNode("b", B)
    async with pool(a, b):
        await a.until_status("b", MemberStatus.ALIVE)
        hold(A, 3.0)
        assert a.statuses() == b.statuses() == dict.fromkeys("ab", MemberStatus.ALIVE)
        await asyncio.sleep(0)
        assert a.changes("b") == [Change.JOIN]


def hold(host: str, seconds: float) -> None:
    """Stop the caller's thread that long."""
    with suppress(TimeoutError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waiting:
        waiting.bind((host, 0))
        waiting.settimeout(seconds)
        waiting.recv(1)


class Flood:
    """A stranger who sends garbage as fast as it can, from a thread of its own."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent = 0

    def _send(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.connect((self._host, 8301))
            while not self._is_over.is_set():
                with suppress(OSError):
                    sending.send(b"\x01garbage")
                    self.sent += 1

    def __enter__(self) -> "Flood":
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._is_over.set()
        self._thread.join()


async def test_a_flood_of_garbage_keeps_nobody_from_being_served() -> None:
    a, b = PoolNode("a", A), PoolNode("b", B)
    async with pool(a):
        with Flood(A) as flood:
            await until(lambda: flood.sent > 5000)
            await b.start()
            await b.join(A)  # streams
            assert await a.driver.user_event("amid", b"the flood") == 1  # calls
            await until(lambda: b.events() == [("amid", b"the flood")])  # the clock: gossip
        await b.stop()


# -------------------------------------------------------------------- the end, and trouble


async def test_calls_after_the_end_are_refused_and_do_not_hang() -> None:
    a = PoolNode("a", A)
    async with pool(a):
        await a.stop()
        with pytest.raises(PoolEndedError, match="the gossip pool has been shut down"):
            await a.driver.user_event("x", b"")
        assert a.driver.force_leave("a", prune=False)  # begun, and nothing comes of it
        await a.driver.stop()
        assert a.statuses() == {"a": MemberStatus.ALIVE}


async def test_calls_to_a_pool_that_never_started_are_refused_as_well() -> None:
    """A server that takes no part has HTTP, and no gossip."""
    a = PoolNode("a", A)
    with pytest.raises(PoolEndedError, match="the gossip pool has been shut down"):
        await a.driver.user_event("deploy", b"1")
    await a.driver.stop()


async def test_the_end_does_not_wait_for_who_waits() -> None:
    a = PoolNode("a", A)
    async with pool(a):
        waiting = asyncio.ensure_future(a.driver.query("long", b"", timeout_s=3600.0))
        await until(lambda: any(isinstance(one, QueryHeard) for one in a.heard))
        await a.stop()
        with pytest.raises(PoolEndedError):
            await waiting


async def test_a_pool_that_never_started_gives_its_port_free() -> None:
    a = PoolNode("a", A)
    await a.driver.listen(A, 8301)
    with pytest.raises(OSError, match="address already in use"):
        await PoolNode("b", A).driver.listen(A, 8301)
    await a.stop()
    b = PoolNode("b", A)
    await b.driver.listen(A, 8301)
    await b.stop()


class Fragile(Serf):
    """A Serf with mistakes in it."""

    tick_fails = False

    def receive(self, datagram: bytes, source: Address, now_s: float) -> None:
        if datagram == b"the one that nobody thought of":
            raise ZeroDivisionError
        super().receive(datagram, source, now_s)

    def tick(self, now_s: float) -> None:
        if self.tick_fails:
            raise ZeroDivisionError("the clock")
        super().tick(now_s)


async def test_a_message_that_we_take_wrong_costs_only_itself() -> None:
    a = PoolNode("a", A, serf_type=Fragile)
    async with pool(a):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"the one that nobody thought of", (A, 8301))
        assert await asyncio.to_thread(ping, A, 1) == 1
        await until(lambda: a.telemetry_of("serf.mistakes") == 1)


async def test_a_pool_whose_clock_breaks_tells_so_and_ends() -> None:
    a, b = PoolNode("a", A, serf_type=Fragile), PoolNode("b", B)
    await a.start()
    await b.start()
    await b.join(A)
    assert isinstance(a.serf, Fragile)
    a.serf.tick_fails = True
    await until(lambda: a.failures != [])
    assert str(a.failures[0]) == "the clock"
    with pytest.raises(PoolEndedError):
        await a.driver.user_event("x", b"")
    await a.stop()
    await b.stop()


async def test_what_is_counted_reaches_the_telemetry() -> None:
    a, b = PoolNode("a", A), PoolNode("b", B)
    async with pool(a, b):
        await until(lambda: a.telemetry_of("memberlist.udp.received") > 0)
        await until(lambda: a.telemetry_of("serf.member.join") >= 1)
