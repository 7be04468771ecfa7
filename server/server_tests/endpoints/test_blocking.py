"""A long poll waits for what it read, and for nothing else."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from proconsul.endpoints.blocking import blocking_query, check_datacenter
from proconsul.endpoints.context import Context, Woken
from proconsul.errors import NoLeaderError, RpcError
from proconsul.model.query import QueryOptions
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.engine import View
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import Watchers, WatchSet
from proconsul.telemetry import Telemetry
from proconsul.wire.golang import SECOND, Duration


@dataclass
class World:
    """A clock that is the loop's, and a die that always shows the same."""

    room: WaitingRoom
    shown: int = 0

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def die(self, sides: int) -> int:
        return min(self.shown, sides - 1)

    async def wait(self, watch: WatchSet, until_s: float) -> Woken:
        return await self.room.wait(watch, until_s - self.now_s())


@dataclass
class Log:
    leads: bool = True
    has_lease: bool = True
    confirmed: int = 0
    age_ns: int = 0

    def may_read_by_lease(self) -> bool:
        return self.has_lease

    def is_leader(self) -> bool:
        return self.leads

    def leader_known(self) -> bool:
        return False

    def last_contact_ns(self) -> int:
        return self.age_ns

    async def confirm_leadership(self) -> None:
        self.confirmed += 1
        if not self.leads:
            raise NoLeaderError


class State:
    """Nothing is read from it: the queries of these tests answer by themselves."""

    def read(self) -> ReadTransaction:
        return ReadTransaction(cast(View, None), None)


@dataclass
class Facts:
    datacenter: str = "dc1"
    default_query_time_s: float = 300.0
    max_query_time_s: float = 600.0


@dataclass
class Place:
    """What a blocking query needs of a Context."""

    watchers: Watchers = field(default_factory=Watchers)
    log: Log = field(default_factory=Log)
    facts: Facts = field(default_factory=Facts)
    state: State = field(default_factory=State)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        self.room = WaitingRoom(self.watchers)
        self.world = World(self.room)

    @property
    def context(self) -> Context:
        return cast(Context, self)


@dataclass
class Row:
    """One row that a query reads."""

    index: int = 5
    reads: int = 0

    def query(self, state: Any, watch: WatchSet | None) -> tuple[int, str]:
        self.reads += 1
        if watch is not None:
            watch.exact("rows", b"a")
        return self.index, f"at {self.index}"


def options(
    index: int = 0, wait_s: float = 0, *, consistent: bool = False, stale: bool = False
) -> QueryOptions:
    return QueryOptions(
        min_query_index=index,
        max_query_time=Duration(round(wait_s * SECOND)),
        require_consistent=consistent,
        allow_stale=stale,
    )


async def test_without_an_index_it_answers_at_once() -> None:
    place, row = Place(), Row()
    answer = await blocking_query(place.context, options(), row.query)
    assert (answer.index, answer.value, answer.known_leader) == (5, "at 5", True)


async def test_an_index_of_0_goes_out_as_1() -> None:
    answer = await blocking_query(Place().context, options(), Row(index=0).query)
    assert answer.index == 1


async def test_it_waits_until_what_it_read_has_changed() -> None:
    place, row = Place(), Row()
    waiting = asyncio.create_task(blocking_query(place.context, options(5), row.query))
    await asyncio.sleep(0)
    assert place.telemetry.blocking_queries == 1
    place.watchers.fire({("rows", b"b")})
    await asyncio.sleep(0)
    assert not waiting.done()
    row.index = 9
    place.watchers.fire({("rows", b"a")})
    assert (await waiting).index == 9
    assert place.telemetry.blocking_queries == 0


async def test_a_change_that_does_not_pass_the_index_lets_it_wait_on() -> None:
    place, row = Place(), Row()
    waiting = asyncio.create_task(blocking_query(place.context, options(7, 60), row.query))
    await asyncio.sleep(0)
    place.watchers.fire({("rows", b"a")})
    await asyncio.sleep(1)
    assert not waiting.done()
    assert row.reads == 2
    assert (await waiting).index == 5


async def test_time_over_is_an_answer_and_no_error() -> None:
    place, row = Place(), Row()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    answer = await blocking_query(place.context, options(5, 10), row.query)
    assert answer.value == "at 5"
    assert loop.time() - began_s == pytest.approx(10)


async def test_the_wait_is_bounded_and_has_a_jitter_of_a_sixteenth() -> None:
    place, row = Place(), Row()
    place.world.shown = 1 << 20  # the most that the die can show
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await blocking_query(place.context, options(5, 3600), row.query)
    assert loop.time() - began_s == pytest.approx(600 * 17 / 16, rel=1e-3)
    began_s = loop.time()
    await blocking_query(place.context, options(5), row.query)
    assert loop.time() - began_s == pytest.approx(300 * 17 / 16, rel=1e-3)


async def test_a_replaced_state_ends_the_wait_with_what_there_was() -> None:
    place, row = Place(), Row()
    waiting = asyncio.create_task(blocking_query(place.context, options(5), row.query))
    await asyncio.sleep(0)
    place.room.state_replaced()
    place.watchers.abandon()
    assert (await waiting).value == "at 5"
    assert row.reads == 1


async def test_a_client_that_goes_away_is_forgotten_at_once() -> None:
    place, row = Place(), Row()
    waiting = asyncio.create_task(blocking_query(place.context, options(5), row.query))
    await asyncio.sleep(0)
    assert len(place.room) == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(place.room) == 0
    assert place.telemetry.blocking_queries == 0


async def test_a_consistent_read_confirms_the_leadership_each_round() -> None:
    place, row = Place(), Row()
    asked = options(5, 10, consistent=True)
    waiting = asyncio.create_task(blocking_query(place.context, asked, row.query))
    await asyncio.sleep(0)
    assert place.log.confirmed == 1
    place.log.leads = False
    place.watchers.fire({("rows", b"a")})
    with pytest.raises(NoLeaderError):
        await waiting


async def test_a_read_in_the_default_mode_rests_on_a_lease_or_asks_the_others() -> None:
    place, row = Place(), Row()
    await blocking_query(place.context, options(), row.query)
    assert place.log.confirmed == 0
    place.log.has_lease = False
    await blocking_query(place.context, options(), row.query)
    assert place.log.confirmed == 1
    place.log.leads = False
    with pytest.raises(NoLeaderError):
        await blocking_query(place.context, options(), row.query)


async def test_a_stale_read_asks_nobody() -> None:
    place, row = Place(), Row()
    place.log.has_lease = False
    await blocking_query(place.context, options(stale=True), row.query)
    assert place.log.confirmed == 0


async def test_a_lease_is_looked_at_before_each_answer_of_a_long_wait() -> None:
    place, row = Place(), Row()
    waiting = asyncio.create_task(blocking_query(place.context, options(5, 10), row.query))
    await asyncio.sleep(0)
    place.log.leads = place.log.has_lease = False
    with pytest.raises(NoLeaderError):  # its time is over, and nothing has changed here
        await waiting


async def test_a_follower_says_how_old_its_answer_may_be() -> None:
    place, row = Place(), Row()
    place.log.leads, place.log.age_ns = False, 7
    answer = await blocking_query(place.context, options(), row.query)
    assert (answer.last_contact, answer.known_leader) == (7, False)


def test_another_datacenter_has_no_path() -> None:
    with pytest.raises(RpcError, match="No path to datacenter"):
        check_datacenter(Place().context, "dc2")
