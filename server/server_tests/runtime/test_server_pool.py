"""Servers meet, lose and find each other, and found one cluster and never two."""

import asyncio
import random
from itertools import combinations

import pytest

from proconsul.errors import RpcError
from proconsul.leader.bootstrap import configuration_of
from proconsul.leader.pool import Status
from proconsul.raft.messages import ServerAddress, ServerId
from proconsul.runtime.retry_join import JoinError
from server_tests.fsm.real_server import free_address, real_server, requires_real_consul
from server_tests.loopback import address
from server_tests.runtime.pool_town import (
    HOST,
    NOWHERE,
    Ledger,
    Resident,
    Town,
    joining,
    town,
    until,
)

SETTLED_S = 20.0  # far longer than anything takes that would happen at all


async def where(resident: Resident, other: Resident, stored: str = "") -> list[str]:
    address = ServerAddress(stored or other.address)
    return await resident.pool.addresses(ServerId(other.me.node_id), address)


# ---------------------------------------------------------------- meeting


async def test_one_address_is_enough_to_meet_all() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b", a.address)
        c = await here.start("c", a.address)
        await until(lambda: all(each.sees("a", "b", "c") for each in (a, b, c)))
        assert [each.server.node for each in b.pool.members()] == ["a", "b", "c"]
        assert sorted(each.server.node for each in b.changes) == ["a", "c"]


async def test_a_server_without_company_does_nothing_at_all() -> None:
    async with town() as here:
        a = await here.start("a", expect=1, bootstrap=True)
        assert a.founded == ["a"]  # at once
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        assert not [timer for timer in scheduled(loop) if not timer.cancelled()]
        assert a.sees("a")


def scheduled(loop: asyncio.AbstractEventLoop) -> list[asyncio.TimerHandle]:
    """All that the loop is to do later."""
    timers: list[asyncio.TimerHandle] = vars(loop)["_scheduled"]
    return timers


async def test_a_dead_server_fails_and_is_alive_again_when_it_is_back() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b", a.address)
        await until(lambda: a.sees("a", "b"))
        await here.end(b)
        await until(lambda: a.statuses()["b"] is Status.FAILED)
        assert await where(a, b) == [b.address]
        # It knows nobody, and is found where it was.
        back = await here.start("b", port=b.me.rpc_port)
        await until(lambda: a.sees("a", "b") and back.sees("a", "b"))
        statuses = [each.status for each in a.changes]
        assert statuses == [Status.ALIVE, Status.FAILED, Status.ALIVE]


async def test_a_server_that_comes_back_elsewhere_is_found_there() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b", a.address)
        c = await here.start("c", a.address)
        await until(lambda: c.sees("a", "b", "c"))
        await here.end(b)
        there = await here.start("b", a.address)
        assert there.address != b.address
        await until(lambda: a.sees("a", "b", "c") and c.sees("a", "b", "c"))
        await until(lambda: all(each.pool.members()[1].server == there.me for each in (a, c)))
        for each in (a, c):
            assert (await where(each, there, stored=b.address))[0] == there.address


async def test_all_come_back_elsewhere_and_meet_where_the_name_leads_now() -> None:
    async with town() as here:
        here.names["servers"] = [address(number) for number in (122, 123, 124)]
        old = await a_generation(here, [Ledger(), Ledger(), Ledger()])
        stored = configuration_of([each.me for each in old])
        for each in old:
            await here.end(each)
        here.names["servers"] = [address(number) for number in (125, 126, 127)]
        new = await a_generation(here, [Ledger(stored.servers) for _ in old])
        for before, after in zip(old, new, strict=True):
            assert before.me.node_id == after.me.node_id
            for each in new:
                if each is not after:
                    assert await where(each, after, before.address) == [
                        after.address,
                        before.address,
                    ]


async def a_generation(here: Town, ledgers: list[Ledger]) -> list[Resident]:
    """a, b and c at the addresses of the name `servers`, which names no port: they have one."""
    port = 0
    residents: list[Resident] = []
    for name, host, ledger in zip("abc", here.names["servers"], ledgers, strict=True):
        joins = joining(retry=["servers"])
        resident = await here.settle(
            name, ledger=ledger, joins=joins, address=host, port=port, expect=0
        )
        port = resident.me.rpc_port
        residents.append(resident)
    for each in residents:
        each.pool.start()
    await until(lambda: all(each.sees("a", "b", "c") for each in residents))
    return residents


async def test_the_raft_configuration_is_company_after_a_restart() -> None:
    async with town() as here:
        old = [await here.settle(name, expect=0) for name in "ab"]
        ledger = Ledger(configuration_of([each.me for each in old]).servers)
        for each in old:
            await here.end(each)
        a = await here.start("a", port=old[0].me.rpc_port, ledger=ledger)
        b = await here.start("b", port=old[1].me.rpc_port, ledger=ledger)
        await until(lambda: a.sees("a", "b") and b.sees("a", "b"))


async def test_the_stored_address_is_left_out_where_another_server_answers() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b", a.address)
        c = await here.start("c", a.address)
        await until(lambda: a.sees("a", "b", "c"))
        await asyncio.sleep(SETTLED_S)
        assert await where(a, b, stored=c.address) == [b.address]
        assert await where(a, b, stored=NOWHERE) == [b.address, NOWHERE]


async def test_another_datacenter_and_another_of_our_name_stay_strangers() -> None:
    async with town() as here:
        a = await here.start("a")
        elsewhere = await here.start("b", a.address, datacenter="dc2")
        namesake = await here.start("a", a.address, node_id="x-0000")
        await asyncio.sleep(SETTLED_S)
        assert a.sees("a")
        assert elsewhere.sees("b")
        assert namesake.sees("a")


# ---------------------------------------------------------------- joining


async def test_join_says_how_many_it_reached_and_what_was_wrong() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b")
        assert await b.pool.join(a.address) == 1
        assert b.sees("a", "b")
        assert a.sees("a", "b")
        assert await b.pool.join(HOST) == 1  # ourselves: no port is the gossip port
        with pytest.raises(RpcError) as refused:
            await b.pool.join(NOWHERE)
        assert str(refused.value) == (
            f"1 error occurred:\n\t* Failed to join {HOST}: "
            f"dial tcp {NOWHERE}: connect: connection refused\n\n"
        )
        other = await here.start("c", datacenter="dc2")
        with pytest.raises(RpcError, match="Member 'b' part of wrong datacenter 'dc1'"):
            await b.pool.join(other.address)


async def test_a_start_that_can_join_nobody_is_refused() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.settle("b", joins=joining(start=[NOWHERE, "no.such.name.invalid"]))
        with pytest.raises(JoinError) as refused:
            await b.pool.join_at_start()
        assert str(refused.value).startswith("2 errors occurred:\n\t* Failed to join")
        c = await here.settle("c", joins=joining(start=[NOWHERE, a.address]))
        await c.pool.join_at_start()
        assert c.sees("a", "c")


async def test_retry_join_ends_the_process_after_its_last_attempt() -> None:
    async with town() as here:
        joins = joining(retry=[NOWHERE], retry_max=2, retry_interval_s=3)
        a = await here.settle("a", joins=joins)
        a.pool.start()
        await until(lambda: bool(a.failures))
        assert str(a.failures[0]) == "agent: max join LAN retry exhausted, exiting"
        # Ourselves count, as in Consul.
        b = await here.settle("b", joins=joining(retry=[NOWHERE, HOST], retry_max=1))
        b.pool.start()
        await asyncio.sleep(SETTLED_S)
        assert b.failures == []


async def test_who_leaves_is_left_and_who_failed_can_be_forced_out_everywhere() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b", a.address)
        c = await here.start("c", a.address)
        await until(lambda: all(each.sees("a", "b", "c") for each in (a, b, c)))
        await c.pool.leave()
        assert a.statuses()["c"] is b.statuses()["c"] is Status.LEFT
        await asyncio.sleep(SETTLED_S)
        assert a.statuses()["c"] is Status.LEFT
        await a.pool.force_leave("b", prune=False)
        assert a.statuses()["b"] is Status.ALIVE  # it lives: it stays
        d = await here.start("d", a.address)
        await until(lambda: b.sees("a", "b", "d"))
        await here.end(d)
        await until(lambda: a.statuses()["d"] is b.statuses()["d"] is Status.FAILED)
        await a.pool.force_leave("d", prune=False)
        assert a.statuses()["d"] is b.statuses()["d"] is Status.LEFT
        await a.pool.force_leave("d", prune=True)
        assert "d" not in {*a.statuses(), *b.statuses()}
        with pytest.raises(RpcError, match="agent: No node found with name 'd'"):
            await a.pool.force_leave("d", prune=False)


# ---------------------------------------------------------------- founding


async def test_exactly_one_of_three_founds_with_all_three() -> None:
    async with town() as here:
        c = await here.start("c", expect=3)
        b = await here.start("b", c.address)
        await asyncio.sleep(SETTLED_S)
        assert here.clusters() == []
        await here.start("a", c.address)
        await until(lambda: bool(here.clusters()))
        await asyncio.sleep(SETTLED_S)
        assert here.clusters() == [["a", "b", "c"]]
        assert (b.founded, c.founded) == ([], [])


async def living_cluster(here: Town) -> list[Resident]:
    """Three that have founded, and have it by raft."""
    a = await here.start("a")
    rest = [await here.start(name, a.address) for name in "bc"]
    await until(lambda: bool(a.founded))
    for each in rest:
        each.ledger.members = a.ledger.members
    return [a, *rest]


@pytest.mark.parametrize("settings", [{"bootstrap": True, "expect": 1}, {"expect": 3}])
async def test_an_empty_server_next_to_a_living_cluster_founds_nothing(
    settings: dict[str, int],
) -> None:
    async with town() as here:
        cluster = await living_cluster(here)
        new = await here.start("0", *(each.address for each in cluster), **settings)
        await asyncio.sleep(SETTLED_S)
        assert new.founded == []


async def test_who_has_seen_a_cluster_founds_none_when_it_is_gone() -> None:
    async with town() as here:
        cluster = await living_cluster(here)
        new = await here.start("0", cluster[0].address)
        await until(lambda: new.sees("0", "a", "b", "c"))
        for each in cluster:
            await here.end(each)
        for name in "de":
            await here.start(name, new.address)
        await until(lambda: new.sees("0", "d", "e"))
        await asyncio.sleep(SETTLED_S)
        assert here.clusters() == []


async def test_an_empty_server_whose_cluster_is_silent_founds_nothing() -> None:
    async with town() as here:
        here.names["gone"] = []
        new = await here.start("a", NOWHERE, bootstrap=True, expect=1)
        lost = await here.start("b", "gone", bootstrap=True, expect=1, node_id="y-0")
        pair = [await here.start(name, "c0", "d0", NOWHERE, f"{HOST}:2", expect=2) for name in "cd"]
        await pair[0].pool.join(pair[1].address)
        await asyncio.sleep(SETTLED_S)
        assert here.clusters() == []
        assert pair[0].sees("c", "d")
        assert new.sees("a")
        assert lost.sees("b")


async def test_bootstrap_founds_alone_when_all_that_it_was_to_join_are_empty() -> None:
    async with town() as here:
        b = await here.start("b", expect=0)
        c = await here.start("c", expect=0)
        a = await here.start("a", b.address, c.address, bootstrap=True, expect=1)
        await until(lambda: bool(a.founded))
        assert here.clusters() == [["a"]]


async def test_two_that_are_told_to_found_alone_and_know_each_other_found_nothing() -> None:
    async with town() as here:
        a = await here.settle("a", bootstrap=True, expect=1)
        b = await here.start("b", a.address, bootstrap=True, expect=1)
        await until(lambda: b.sees("a", "b"))
        await asyncio.sleep(SETTLED_S)
        assert here.clusters() == []


async def test_founders_that_do_not_see_each_other_found_once() -> None:
    async with town() as here:
        here.cut(("a", "b"))
        seed = await here.settle("c")
        for name in "abde":
            await here.start(name, seed.address)
        seed.pool.start()
        await until(lambda: bool(here.clusters()))
        await asyncio.sleep(SETTLED_S)
        (members,) = here.clusters()
        assert not {"a", "b"} <= set(members)


async def test_a_promise_outlives_the_founder_that_vanished_with_its_cluster() -> None:
    async with town() as here:
        b = await here.start("b")
        c, d = [await here.start(name, b.address) for name in "cd"]
        await until(lambda: bool(b.founded))
        here.cut(*(("b", name) for name in "acde"))  # before anybody heard what it has done
        a = await here.start("a", c.address)
        await here.start("e", c.address)
        await until(lambda: a.sees("a", "c", "d", "e"))
        await asyncio.sleep(SETTLED_S)
        assert here.clusters() == [["b", "c", "d"]]
        assert d.statuses()["b"] is Status.FAILED


async def test_a_founder_that_asked_in_vain_and_died_holds_up_nobody() -> None:
    async with town() as here:
        b = await here.start("b")
        c = await here.start("c", b.address)
        d = await here.settle("d", joins=joining(retry=[b.address]))
        here.cuts = {("b", "d")}
        d.pool.start()
        await until(lambda: c.sees("b", "c", "d"))
        await asyncio.sleep(SETTLED_S)  # b asks in vain
        await here.end(b)
        await until(lambda: c.sees("c", "d") and d.sees("c", "d"))
        await here.start("e", c.address)
        await until(lambda: bool(here.clusters()))
        assert here.clusters() == [["c", "d", "e"]]


@pytest.mark.parametrize("seed", range(8))
async def test_of_five_that_expect_three_no_partition_makes_two_clusters(seed: int) -> None:
    """What was founded never reaches anybody by raft here: promises alone have to do."""
    dice = random.Random(seed)
    pairs = list(combinations("abcde", 2))
    async with town() as here:
        first = await here.settle("abcde"[seed % 5])
        here.cut(*dice.sample(pairs, 4))
        for name in "abcde":
            if name != first.me.node:
                await here.start(name, first.address)
        first.pool.start()
        for _ in range(10):
            await asyncio.sleep(dice.uniform(0.1, 4))
            here.cut(*dice.sample(pairs, dice.randrange(6)))
            assert len(here.clusters()) <= 1
        here.cut()
        await until(lambda: bool(here.clusters()))
        await asyncio.sleep(SETTLED_S)
        assert len(here.clusters()) == 1


async def test_whom_the_founder_cannot_reach_holds_it_up() -> None:
    """b introduces itself to a, but a reaches nobody at b's address."""
    async with town() as here:
        here.cuts = {("a", "b")}
        a = await here.start("a")
        for name in "bc":
            await here.start(name, a.address)
        await until(lambda: a.sees("a", "b", "c"))
        await asyncio.sleep(SETTLED_S)
        assert here.clusters() == []
        here.cut()
        await until(lambda: bool(here.clusters()))
        assert here.clusters() == [["a", "b", "c"]]


@requires_real_consul
@pytest.mark.real_clock
async def test_a_real_consul_server_lives_is_no_member_and_stops_the_founding(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "agent.server")
    with real_server(free_address(128)) as consul:
        async with town() as here:
            there = f"{consul.address}:8300"
            a = await here.start("a", there, bootstrap=True, expect=1)
            await until(lambda: "Existing Raft peers reported by server" in caplog.text)
            assert a.founded == []
            assert a.sees("a")
            assert a.failures == []
            with pytest.raises(RpcError, match="there is no gossip pool yet"):
                await a.pool.join(there)
