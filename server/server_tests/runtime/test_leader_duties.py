"""The leader's duties on a virtual clock: sessions end, graves are reaped, coordinates are kept."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from proconsul.endpoints import kv as kv_endpoint
from proconsul.endpoints import session as session_endpoint
from proconsul.endpoints.context import Context, Facts, Woken
from proconsul.endpoints.coordinate_batch import BATCH_LENGTH_MAX, BATCHES_MAX, CoordinateBatch
from proconsul.endpoints.lock_delays import LockDelays
from proconsul.endpoints.session_timers import SessionTimers
from proconsul.endpoints.user_events import UserEvents
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.leader.pool import ServerMember
from proconsul.model.catalog import RegisterRequest
from proconsul.model.coordinate import Coordinate, NetworkCoordinate
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.model.operator import AutopilotConfig
from proconsul.model.session import Session, SessionRequest, SessionSpecificRequest
from proconsul.runtime import raft_driver
from proconsul.runtime.leader_duties import LeaderDuties
from proconsul.runtime.replicated_log import ReplicatedLog
from proconsul.store import autopilot, checks, coordinates, sessions, tombstones
from proconsul.store.watch import WatchSet
from proconsul.telemetry import Telemetry
from proconsul.wire.golang import SECOND, Duration, time_from_unix_ns
from server_tests.runtime.driver_world import ME, Life, World, begin, until_written
from server_tests.sim.disk import SimDisk

MEMBER = ServerMember(
    node="s1",
    node_id=ME.id,
    datacenter="dc1",
    address="127.0.0.1",
    rpc_port=8300,
    version="1.8.7",
    raft_version=3,
    serf_protocol=(1, 5, 2),
    non_voter=False,
)


@pytest.fixture(autouse=True)
def _raft_ticks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single voter needs no ticks, and each takes real time."""
    monkeypatch.setattr(raft_driver, "TICK_S", 600.0)


class LoopWorld:
    """The test's loop for a clock."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._random = random.Random(1)

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def unix_ns(self) -> int:
        return round(self.now_s() * SECOND)

    def die(self, sides: int) -> int:
        return self._random.randrange(sides)

    def new_uuid(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    async def wait(self, watch: WatchSet, until_s: float) -> Woken:
        return await self._life.replicated.waiting.wait(watch, until_s - self.now_s())


@dataclass
class Leader:
    """A server that leads, with its duties."""

    life: Life
    context: Context
    duties: LeaderDuties
    failures: list[BaseException] = field(default_factory=list)

    async def session(self, ttl: str, lock_delay_s: float = 0.0) -> str:
        session = Session(
            node="s1",
            ttl=ttl,
            checks=["serfHealth"],
            lock_delay=Duration(round(lock_delay_s * SECOND)),
        )
        request = SessionRequest(datacenter="dc1", op="create", session=session)
        return await session_endpoint.apply(self.context, request)

    async def renew(self, session_id: str) -> bool:
        request = SessionSpecificRequest(datacenter="dc1", session_id=session_id)
        return bool((await session_endpoint.renew(self.context, request)).sessions)

    async def kv(self, op: str, key: str, session: str = "") -> bool:
        entry = DirEntry(key=key, session=session)
        return await kv_endpoint.apply(
            self.context, KVSRequest(datacenter="dc1", op=op, dir_ent=entry)
        )

    def sessions(self) -> list[str]:
        return [one.id for one in sessions.list_all(self.life.replicated.state.read(), None)[1]]

    def grave(self, prefix: str) -> int:
        return tombstones.max_index_under(self.life.replicated.state.read(), prefix)


@asynccontextmanager
async def leader(world: World | None = None) -> AsyncIterator[Leader]:
    """A leader that has taken over; stopped in order afterwards."""
    life = await begin(world or World(SimDisk(random.Random(1).randrange)))
    ready = asyncio.Event()
    context = Context(
        facts=Facts(
            datacenter="dc1",
            primary_datacenter="dc1",
            node_name="s1",
            node_id=ME.id,
            default_query_time_s=300.0,
            max_query_time_s=600.0,
            session_ttl_min_ns=10 * SECOND,
            kv_value_bytes_max=512 * 1024,
            txn_bytes_max=512 * 1024,
            acl_enabled=False,
            connect_enabled=False,
            coordinates_enabled=True,
            rpc_hold_timeout_s=7.0,
        ),
        world=LoopWorld(life),
        state=life.replicated.state,
        log=ReplicatedLog(
            life.driver,
            ready,
            7.0,
            names=lambda: {ME.id: "s1"},
            stable_since=lambda: time_from_unix_ns(0),
            version="1.8.7",
            telemetry=Telemetry(),
        ),
        telemetry=Telemetry(),
        lock_delays=LockDelays(),
        session_timers=SessionTimers(),
        coordinates=CoordinateBatch(),
        user_events=UserEvents(),
    )
    failures: list[BaseException] = []
    duties = LeaderDuties(
        context, life.driver, MEMBER, AutopilotConfig(max_trailing_logs=250), ready, failures.append
    )
    life.hear = duties.store_events
    duties.leadership(True)
    await ready.wait()
    yield Leader(life, context, duties, failures)
    await duties.stop()
    await life.stop()
    assert not failures


async def test_a_new_leader_registers_itself_and_writes_the_first_autopilot_configuration() -> None:
    async with leader() as one:
        state = one.life.replicated.state.read()
        _, check = checks.node_check(state, None, "s1", "serfHealth")
        assert check is not None
        assert check.status == "passing"
        _, config = autopilot.autopilot_config(state, None)
        assert config is not None
        assert config.max_trailing_logs == 250


# ---------------------------------------------------------------- sessions


async def test_a_session_ends_at_twice_its_ttl_and_not_before() -> None:
    async with leader() as one:
        made = await one.session("10s")
        await asyncio.sleep(19)
        assert one.sessions() == [made]
        await asyncio.sleep(2)
        assert one.sessions() == []


async def test_a_renewed_session_lives_on() -> None:
    async with leader() as one:
        made = await one.session("10s")
        for _ in range(10):
            await asyncio.sleep(15)
            assert await one.renew(made)
        assert one.sessions() == [made]
        await asyncio.sleep(21)
        assert not await one.renew(made)


async def test_a_session_without_a_ttl_never_ends() -> None:
    async with leader() as one:
        made = await one.session("")
        await asyncio.sleep(600)
        assert one.sessions() == [made]


async def test_many_sessions_that_end_at_once_end_together() -> None:
    async with leader() as one:
        await asyncio.gather(*(one.session("10s") for _ in range(600)))
        assert len(one.sessions()) == 600
        await asyncio.sleep(22)
        assert one.sessions() == []


async def test_the_end_of_a_session_that_cannot_be_written_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with leader() as one:
        made = await one.session("10s")
        disk = one.life.world.disk
        disk.capacity_bytes = 0
        disk.copies_on_write = True
        await asyncio.sleep(25)
        assert one.sessions() == [made]
        assert f"invalidation of session {made} failed, will retry" in caplog.text
        disk.capacity_bytes = None
        await until_written(one.life, "there is", b"room")
        await asyncio.sleep(15)
        assert one.sessions() == []


async def test_a_new_leader_gives_every_session_its_whole_time_again() -> None:
    async with leader() as one:
        made = await one.session("10s")
        await asyncio.sleep(19)
        one.duties.leadership(False)
        assert len(one.context.session_timers) == 0
        await asyncio.sleep(60)
        assert one.sessions() == [made]  # nobody leads, nobody ends it
        one.duties.leadership(True)
        await one.duties.ready.wait()
        await asyncio.sleep(19)
        assert one.sessions() == [made]
        await asyncio.sleep(2)
        assert one.sessions() == []


async def test_after_a_restart_sessions_have_their_time_again() -> None:
    world = World(SimDisk(random.Random(1).randrange))
    async with leader(world) as one:
        made = await one.session("10s")
    async with leader(world) as one:
        await asyncio.sleep(19)
        assert one.sessions() == [made]
        await asyncio.sleep(2)
        assert one.sessions() == []


async def test_a_session_whose_ttl_makes_no_sense_does_not_keep_a_leader_from_leading() -> None:
    async with leader() as one:
        session = Session(id=ME.id, node="s1", ttl="a while")
        await one.life.driver.propose(
            encode_command(
                MessageType.SESSION, SessionRequest(datacenter="dc1", op="create", session=session)
            )
        )
        one.duties.restored()
        await one.duties.ready.wait()
        assert one.sessions() == [ME.id]


# ---------------------------------------------------------------- lock-delay


async def test_a_key_cannot_be_locked_within_the_lock_delay_of_an_ended_session() -> None:
    async with leader() as one:
        first = await one.session("10s", lock_delay_s=15)
        second = await one.session("")
        assert await one.kv("lock", "door", first)
        await asyncio.sleep(20.5)  # the first one ends
        assert not await one.kv("lock", "door", second)
        await asyncio.sleep(14)
        assert not await one.kv("lock", "door", second)
        await asyncio.sleep(1)
        assert await one.kv("lock", "door", second)


async def test_an_unlocked_key_can_be_locked_at_once() -> None:
    async with leader() as one:
        first, second = await one.session("", lock_delay_s=15), await one.session("")
        assert await one.kv("lock", "door", first)
        assert await one.kv("unlock", "door", first)
        assert await one.kv("lock", "door", second)


# ---------------------------------------------------------------- tombstones, coordinates


async def test_graves_are_reaped_after_a_quarter_of_an_hour() -> None:
    async with leader() as one:
        await one.kv("set", "old")
        await one.kv("delete", "old")
        buried = one.grave("old")
        assert buried
        await asyncio.sleep(15 * 60 - 1)
        assert one.grave("old") == buried
        await asyncio.sleep(35)
        assert one.grave("old") == 0


async def test_coordinates_go_into_the_log_in_batches_and_too_many_are_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with leader() as one:
        many = BATCH_LENGTH_MAX * BATCHES_MAX + 5
        for number in range(many):
            node = RegisterRequest(datacenter="dc1", node=f"n{number}", address="10.0.0.1")
            await one.life.driver.propose(encode_command(MessageType.REGISTER, node))
        before = one.life.driver.node.last_index
        point = NetworkCoordinate(vec=[0.0] * 8, error=1.5, height=1e-5)
        for number in range(many):
            one.context.coordinates.add(Coordinate(node=f"n{number}", coord=point))
        await asyncio.sleep(6)
        _, known = coordinates.coordinates(one.life.replicated.state.read(), None)
        assert len(known) == many - 5
        assert one.life.driver.node.last_index == before + BATCHES_MAX
        assert "discarding coordinate updates: number_discarded=5" in caplog.text


# ---------------------------------------------------------------- what goes wrong


async def test_taking_over_is_tried_again_until_there_is_room() -> None:
    async with leader() as one:
        disk = one.life.world.disk
        disk.capacity_bytes = 0
        disk.copies_on_write = True
        one.duties.leadership(False)
        one.duties.leadership(True)
        await asyncio.sleep(5)
        assert not one.duties.ready.is_set()
        disk.capacity_bytes = None
        await one.duties.ready.wait()


async def test_an_error_in_a_duty_ends_the_server_and_not_only_the_duty(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with leader() as one:

        def breaks(_: object) -> None:
            raise KeyError("no such thing")

        monkeypatch.setattr(one.context.session_timers, "due", breaks)
        await asyncio.sleep(3)
        assert len(one.failures) == 1
        assert "the duties of the leader failed" in caplog.text
        await one.duties.stop()  # what failed once does not fail the end, too
        one.failures.clear()
