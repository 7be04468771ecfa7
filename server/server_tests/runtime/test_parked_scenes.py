"""Parked queries, rule by rule: who is told when, what goes the ordinary way, what is left."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from proconsul.runtime.parked_queries import SLICE_LENGTH
from server_tests.runtime.kept_site import KeptSite, Line, Role, kept_site
from server_tests.runtime.test_kept_reads import get
from server_tests.runtime.test_kept_scenes import bodies, settled

LATER = 999  # an index that nothing is beyond
FOLLOWS = Role(leads=False, contact_ns=5_000_000)
PUT_2 = b"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n2"


@asynccontextmanager
async def parked_site(bytes_max: int = 1 << 20) -> AsyncIterator[KeptSite]:
    """A leader with a key to be watched."""
    async with kept_site(bytes_max) as site:
        site.close()  # ticks of the servers: each costs a moment of real time
        await has_a(site, b"1")
        try:
            yield site
        finally:
            await all_hang_up(site)


async def all_hang_up(site: KeptSite) -> None:
    """Nobody waits any more."""
    for server in (site.with_kept, site.without):
        for connection in list(server._connections):
            connection.connection_lost(None)
    await settled()


def after(index: int, target: str = "/v1/kv/a?raw", fields: str = "") -> bytes:
    """A blocking query."""
    return get(f"{target}{'&' if '?' in target else '?'}index={index}", fields)


def newest(site: KeptSite) -> bytes:
    """A query that waits for the next write to `a`."""
    return after(site.log.index)


async def parked(site: KeptSite, *queries: bytes) -> list[Line]:
    """A connection for each, where it waits."""
    before = len(site.kept.parked)
    lines = [Line(site.with_kept) for _ in queries]
    for line, query in zip(lines, queries, strict=True):
        line.send(query)
    await settled()
    assert len(site.kept.parked) == before + len(queries)
    return lines


async def until(heard: Callable[[], bool]) -> None:
    """Turn by turn, until that is so."""
    for _ in range(1000):
        if heard():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never was")


async def has_a(site: KeptSite, value: bytes) -> None:
    """The key that is watched has another value."""
    await site.write("PUT", "/v1/kv/a", value)


# ---------------------------------------------------------------- those who are told


async def test_who_waits_for_the_same_shares_an_answer_and_has_no_task() -> None:
    async with parked_site() as site:
        tasks = len(asyncio.all_tasks())
        lines = await parked(site, *[newest(site)] * 100)
        assert len(asyncio.all_tasks()) == tasks
        assert (len(site.own_state.watchers), len(site.kept.parked.answers)) == (1, 1)
        assert site.own.context.telemetry.blocking_queries == 100
        await has_a(site, b"2")
        await settled()
        assert all(bodies(line) == [b"2"] for line in lines)
        assert site.own.context.telemetry.blocking_queries == 0


async def test_the_writer_is_answered_before_anybody_is_told() -> None:
    async with parked_site() as site:
        lines = await parked(site, *[newest(site)] * 3)
        writer = Line(site.with_kept)
        writer.send(PUT_2)
        await until(lambda: bool(writer.said))
        assert not any(line.said for line in lines)
        await settled()
        assert all(bodies(line) == [b"2"] for line in lines)


async def test_others_are_served_while_many_are_told() -> None:
    async with kept_site() as site:
        site.with_kept.connections_per_client_max = 0
        lines = await parked(site, *[newest(site)] * (4 * SLICE_LENGTH))
        await has_a(site, b"2")
        await until(lambda: any(line.said for line in lines))
        other = Line(site.with_kept)
        other.send(get("/v1/kv/a?raw"))
        await until(lambda: bool(other.said))
        assert not all(line.said for line in lines)
        await settled()
        assert all(bodies(line) == [b"2"] for line in lines)


async def test_who_is_told_later_is_told_of_a_later_state() -> None:
    async with kept_site() as site:
        site.with_kept.connections_per_client_max = 0
        lines = await parked(site, *[newest(site)] * (3 * SLICE_LENGTH))
        await has_a(site, b"2")
        await until(lambda: any(line.said for line in lines))
        told = [line for line in lines if line.said]
        await has_a(site, b"3")
        await settled()
        assert all(bodies(line) == [b"2" if line in told else b"3"] for line in lines)
        assert SLICE_LENGTH // 2 < len(told) <= SLICE_LENGTH


async def test_who_asked_for_a_later_index_goes_on_waiting() -> None:
    async with parked_site() as site:
        near, far = await parked(site, newest(site), after(site.log.index + 1))
        await has_a(site, b"2")
        await settled()
        assert (bodies(near), bodies(far)) == ([b"2"], [])
        await has_a(site, b"3")
        await settled()
        assert bodies(far) == [b"3"]


async def test_who_comes_back_waits_at_the_answer_that_was_told() -> None:
    async with parked_site() as site:
        (line,) = await parked(site, newest(site))
        for value in (b"2", b"3", b"4"):
            await has_a(site, value)
            await settled()
            line.send(newest(site))
            await settled()
        assert bodies(line) == [b"2", b"3", b"4"]
        assert (len(site.kept.parked), len(site.own_state.watchers)) == (1, 1)


async def test_a_change_of_something_else_wakes_nobody() -> None:
    async with parked_site() as site:
        absent = after(LATER, "/v1/kv/absent")
        here, gone = await parked(site, newest(site), absent)
        await site.write("PUT", "/v1/kv/b", b"1")
        await settled()
        assert (here.said, gone.said) == (b"", b"")
        await parked(site, absent)  # the index of what is absent is another by now
        assert len(site.own_state.watchers) == 3


async def test_an_index_that_is_passed_already_is_answered_at_once_and_once() -> None:
    async with parked_site() as site:
        line = Line(site.with_kept)
        for _ in range(3):
            line.send(after(1))
            await settled()
        assert bodies(line) == [b"1"] * 3
        assert len(site.kept.parked) == 0


@pytest.mark.parametrize(
    ("wait", "waits_s"), [("", 309.375), ("&wait=10s", 10.3125), ("&wait=11m", 618.75)]
)
async def test_who_waits_in_vain_hears_what_is_there_when_the_time_is_over(
    wait: str, waits_s: float
) -> None:
    async with parked_site() as site:
        began_s = asyncio.get_running_loop().time()
        query = get(f"/v1/kv/a?raw&index={LATER}{wait}")
        (line,) = await parked(site, query)
        ordinary = Line(site.without)
        ordinary.send(query)
        await asyncio.wait_for(line.transport.spoken.wait(), 1000)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(waits_s, abs=0.1)
        await settled()
        assert line.said == ordinary.said
        assert b"X-Consul-Index: 11\r\n" in line.said


async def test_one_whose_time_is_over_in_the_moment_of_a_change_is_told_once() -> None:
    async with parked_site() as site:
        query = get(f"/v1/kv/a?raw&index={LATER}&wait=10s")
        (line,) = await parked(site, query)
        until_s = asyncio.get_running_loop().time() + 10.3125
        loop = asyncio.get_running_loop()
        loop.call_at(until_s, lambda: loop.create_task(has_a(site, b"2")))
        await asyncio.sleep(20)
        assert bodies(line) in ([b"1"], [b"2"])
        assert len(site.kept.parked) == 0


# ---------------------------------------------------------------- clients


async def test_nothing_is_left_of_a_client_that_hangs_up() -> None:
    async with parked_site() as site:
        first, second = await parked(site, newest(site), after(LATER, "/v1/kv/b?raw"))
        first.connection.connection_lost(None)
        second.connection.eof_received()
        await settled()
        assert second.transport.closed
        assert len(site.kept.parked) == site.own.context.telemetry.blocking_queries == 0
        await has_a(site, b"2")
        await site.write("PUT", "/v1/kv/b", b"1")
        await settled()
        assert (first.said, second.said, len(site.own_state.watchers)) == (b"", b"", 0)


async def test_what_a_client_sends_ahead_is_answered_after_it_was_told() -> None:
    async with parked_site() as site:
        (line,) = await parked(site, newest(site))
        line.send(get("/v1/kv/a?raw") + get("/v1/kv/b?raw")[:10])
        line.send(get("/v1/kv/b?raw")[10:] + after(LATER))
        await settled()
        assert line.said == b""
        await has_a(site, b"2")
        await settled()
        assert line.said.count(b"HTTP/1.1 ") == 3
        assert bodies(line)[:2] == [b"2", b"2"]


async def test_a_client_that_sends_garbage_behind_its_query_is_told_first() -> None:
    async with parked_site() as site:
        (line,) = await parked(site, newest(site))
        line.send(b"\0\0\r\n\r\n")
        await has_a(site, b"2")
        await settled()
        assert line.said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert line.said.endswith(b"400 Bad Request")


async def test_a_client_that_leaves_while_others_are_told_is_told_nothing() -> None:
    async with kept_site() as site:
        site.with_kept.connections_per_client_max = 0
        lines = await parked(site, *[newest(site)] * (2 * SLICE_LENGTH))
        await has_a(site, b"2")
        await until(lambda: any(line.said for line in lines))
        for line in lines:
            line.connection.connection_lost(None)
        told = [bool(line.said) for line in lines]
        await settled()
        assert [bool(line.said) for line in lines] == told
        assert len(site.kept.parked) == 0


# ---------------------------------------------------------------- who may answer


async def test_a_leader_without_a_lease_asks_for_its_quorum_before_it_tells() -> None:
    async with parked_site() as site:
        (line,) = await parked(site, newest(site))
        site.role.lease = False
        gate = site.role.gate = asyncio.Event()
        await has_a(site, b"2")
        await settled()
        assert line.said == b""
        assert site.own.context.telemetry.blocking_queries == 1
        gate.set()
        await settled()
        assert bodies(line) == [b"2"]


async def test_at_the_end_of_its_time_it_waits_for_the_quorum_and_hears_what_it_waited_at() -> None:
    async with parked_site() as site:
        absent = get(f"/v1/kv/absent?index={site.log.index}&wait=10s")
        line, leaves = await parked(site, absent, absent)
        await site.write("PUT", "/v1/kv/b", b"1")
        site.role.lease = False
        gate = site.role.gate = asyncio.Event()
        await asyncio.sleep(20)
        assert line.said == b""
        leaves.connection.connection_lost(None)
        gate.set()
        await settled()
        assert b"X-Consul-Index: 11\r\n" in line.said
        assert leaves.said == b""
        assert (len(site.kept.parked), site.kept.parked.answers.size_bytes) == (0, 0)


async def test_who_asked_a_leader_that_is_none_any_more_is_told_so() -> None:
    async with parked_site() as site:
        (line,) = await parked(site, newest(site))
        await asyncio.sleep(1)
        site.role.leads = False
        await has_a(site, b"2")
        await settled()
        assert line.said.startswith(b"HTTP/1.1 500 ")
        assert line.said.endswith(b"No cluster leader")


async def test_who_had_just_begun_to_wait_is_passed_on_to_the_next_leader() -> None:
    async with parked_site() as site:
        (line,) = await parked(site, newest(site))
        site.role.leads = False
        await has_a(site, b"2")
        await settled()
        assert bodies(line) == [b"2"]
        assert site.leader.calls[-1] == "KVS.Get"


async def test_one_that_goes_on_in_the_ordinary_way_waits_no_longer_than_it_would_have() -> None:
    async with parked_site() as site:
        (line,) = await parked(site, get(f"/v1/kv/a?raw&index={LATER}&wait=10s"))
        began_s = asyncio.get_running_loop().time()
        await asyncio.sleep(5)
        site.role.lease = False
        await has_a(site, b"2")
        await settled()
        assert line.said == b""
        await asyncio.wait_for(line.transport.spoken.wait(), 100)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(10.3, abs=0.1)
        assert bodies(line) == [b"2"]


async def test_a_follower_parks_stale_queries_and_says_how_old_its_answer_is() -> None:
    async with kept_site() as site:
        site.log.role = FOLLOWS
        stale = after(site.log.index, "/v1/kv/a?raw&stale")
        in_vain = get(f"/v1/kv/a?raw&stale&index={LATER}&wait=10s")
        told, waits = await parked(site, stale, in_vain)
        site.log.role = replace(FOLLOWS, contact_ns=77_000_000)
        await has_a(site, b"2")
        await settled()
        assert b"X-Consul-Lastcontact: 77\r\n" in told.said
        site.log.role = replace(FOLLOWS, contact_ns=99_000_000)
        await asyncio.sleep(20)
        assert b"X-Consul-Lastcontact: 77\r\n" in waits.said  # it was read then
        assert site.leader.calls == []


async def test_a_restored_snapshot_ends_the_wait() -> None:
    async with parked_site() as site:
        saved = site.snapshot()
        await has_a(site, b"2")
        (line,) = await parked(site, after(LATER))
        site.room.state_replaced()
        site.restore(saved)
        await settled()
        assert bodies(line) == [b"2"]  # what it would have heard at the end of its time
