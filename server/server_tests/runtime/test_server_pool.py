"""Servers meet, lose and find each other, and found one cluster and never two."""

import asyncio
import random
from itertools import combinations

import pytest

from proconsul.errors import RpcError
from proconsul.leader.pool import Status
from proconsul.raft.messages import ServerAddress, ServerId
from proconsul.runtime.whereabouts import SAID_MAX
from server_tests.loopback import address
from server_tests.runtime.pool_town import (
    HOST,
    NOWHERE,
    Resident,
    Town,
    joining,
    town,
    until,
)

SETTLED_S = 20.0  # far longer than anything takes that would happen at all


async def where(resident: Resident, other: Resident, stored: str = "") -> list[str]:
    """As it is known when all that were asked have answered."""
    while resident.pool.is_looking:
        await resident.pool.news().wait()
    address = ServerAddress(stored or other.address)
    return resident.pool.addresses(ServerId(other.me.node_id), address)


# ---------------------------------------------------------------- meeting


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


async def test_the_raft_peers_of_another_server_can_be_asked() -> None:
    async with town() as here:
        cluster = await living_cluster(here)
        d = await here.start("d", cluster[0].address)
        assert await d.pool.raft_peers(cluster[1].me) == [each.address for each in cluster]
        assert await cluster[0].pool.raft_peers(d.me) == []
        await here.end(cluster[2])
        with pytest.raises(RpcError):
            await d.pool.raft_peers(cluster[2].me)


# ---------------------------------------------------------------- where raft finds them


async def test_a_server_is_where_gossip_says_and_else_where_it_is_stored() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b", a.address)
        await until(lambda: a.sees("a", "b"))
        assert await where(a, b, stored=NOWHERE) == [b.address, NOWHERE]
        c = await here.settle("c")  # nobody has joined it
        assert await where(a, c, stored=c.address) == [c.address]


async def test_the_address_of_another_server_that_lives_is_left_out() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b", a.address)
        c = await here.start("c", a.address)
        await until(lambda: a.sees("a", "b", "c"))
        assert await where(a, b, stored=c.address) == [b.address]


async def test_who_comes_back_elsewhere_is_found_by_name_before_gossip_knows() -> None:
    async with town() as here:
        here.names["servers"] = [address(122), address(123)]
        a = await here.settle("a", joins=joining(retry=["servers"]), address=address(122))
        b = await here.settle("b", address=address(123), port=a.me.rpc_port)
        a.pool.start()
        await until(lambda: a.sees("a", "b"))
        await here.end(b)
        here.names["servers"] = [address(122), address(124)]
        # It has not joined again; what a knows by gossip is where it was.
        back = await here.settle("b", address=address(124), port=a.me.rpc_port)
        assert await where(a, back, stored=b.address) == [b.address]
        a.pool.unreachable()
        assert await where(a, back, stored=b.address) == [back.address, b.address]


async def test_who_is_found_can_be_dialled_while_others_are_still_asked() -> None:
    async with town() as here:
        here.names["servers"] = [address(124), address(125)]
        a = await here.settle("a", joins=joining(retry=["servers"]), address=address(122))
        port = a.me.rpc_port
        back = await here.settle("b", address=address(124), port=port)
        silent = await asyncio.start_server(never_answers, address(125), port)
        a.pool.unreachable()
        began_s = asyncio.get_running_loop().time()
        news = a.pool.news()
        await news.wait()
        found = a.pool.addresses(ServerId(back.me.node_id), ServerAddress(NOWHERE))
        assert found == [back.address, NOWHERE]
        assert asyncio.get_running_loop().time() - began_s < 0.5
        assert a.pool.is_looking
        await a.pool.news().wait()  # the search is over
        assert not a.pool.is_looking
        silent.close()


async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def test_a_server_is_where_it_says_itself_before_anybody_asked() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b", a.address)
        await until(lambda: a.sees("a", "b"))
        news = a.pool.news()
        for there in ("10.0.0.7:8300", "10.0.0.8:8300"):  # it moved twice
            a.pool.heard(ServerId(b.me.node_id), ServerAddress(there))
        assert news.is_set()
        assert await where(a, b) == ["10.0.0.8:8300", b.address]
        a.pool.heard(ServerId(b.me.node_id), ServerAddress(b.address))
        assert await where(a, b) == [b.address]


async def test_where_servers_say_that_they_are_is_remembered_of_so_many_and_no_more() -> None:
    async with town() as here:
        a = await here.start("a")
        for number in range(SAID_MAX + 1):
            a.pool.heard(ServerId(f"s{number}"), ServerAddress("10.0.0.7:8300"))
        stored = ServerAddress(NOWHERE)
        assert a.pool.addresses(ServerId("s0"), stored) == [stored]
        assert a.pool.addresses(ServerId("s1"), stored) == ["10.0.0.7:8300", stored]


async def test_whoever_has_taken_the_old_address_is_not_mistaken_for_who_was_there() -> None:
    async with town() as here:
        a = await here.start("a")
        b = await here.start("b", a.address)
        await until(lambda: a.sees("a", "b"))
        await here.end(b)
        other = await here.settle("c", port=b.me.rpc_port)  # of which no gossip is heard yet
        assert other.address == b.address
        a.pool.unreachable()
        assert await where(a, b) == []


async def test_who_exchanged_addresses_is_found_while_gossip_believes_the_old_ones() -> None:
    async with town() as here:
        here.names["servers"] = [address(122), address(123), address(124)]
        joins = joining(retry=["servers"])
        a = await here.settle("a", joins=joins, address=address(122))
        port = a.me.rpc_port
        b = await here.settle("b", address=address(123), port=port)
        c = await here.settle("c", address=address(124), port=port)
        a.pool.start()
        await until(lambda: a.sees("a", "b", "c"))
        await here.end(b)
        await here.end(c)
        new_b = await here.settle("b", address=address(124), port=port)
        new_c = await here.settle("c", address=address(123), port=port)
        here.alive |= {b.me.node, c.me.node}  # nobody has noticed that they were gone
        assert a.sees("a", "b", "c")
        assert await where(a, b) == [b.address]
        a.pool.unreachable()
        assert await where(a, b) == [new_b.address]
        assert await where(a, c) == [new_c.address]


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
        here.meet(pair[0].lan, pair[1].lan)
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
