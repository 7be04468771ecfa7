"""The leader's duties on a virtual clock: sessions end, graves are reaped, coordinates are kept."""

import asyncio
import logging
import random
import uuid

import pytest

from proconsul.endpoints.coordinate_batch import BATCH_LENGTH_MAX, BATCHES_MAX
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.model.catalog import RegisterRequest
from proconsul.model.coordinate import Coordinate, NetworkCoordinate
from proconsul.model.health import HealthCheck
from proconsul.model.session import Session, SessionRequest
from proconsul.runtime import raft_driver
from proconsul.store import autopilot, catalog, coordinates
from proconsul.store.cluster_marks import CLUSTER, marks
from server_tests.runtime.driver_world import ME, World, begin, until_written
from server_tests.runtime.leader_world import OTHER, leader
from server_tests.sim.disk import SimDisk


@pytest.fixture(autouse=True)
def _raft_ticks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single voter needs no ticks, and each takes real time."""
    monkeypatch.setattr(raft_driver, "TICK_S", 600.0)


async def test_a_new_leader_registers_itself_and_writes_the_first_autopilot_configuration() -> None:
    async with leader() as one:
        assert one.serf_health("s1") == "passing"
        state = one.life.replicated.state.read()
        _, config = autopilot.autopilot_config(state, None)
        assert config is not None
        assert config.max_trailing_logs == 250


async def test_the_first_leader_gives_the_cluster_an_id_that_later_ones_keep() -> None:
    world = World(SimDisk(random.Random(1).randrange))
    async with leader(world) as first:
        cluster_id = marks(first.context.state.read()).cluster_id
        assert uuid.UUID(cluster_id)
        made_at = first.context.state.read().table_index(CLUSTER + cluster_id)
    async with leader(world) as second:
        second.duties.new_cluster_id = lambda: "another"
        second.duties.leadership(True)
        await second.duties.ready.wait()
        state = second.context.state.read()
        assert marks(state).cluster_id == cluster_id
        assert state.table_index(CLUSTER + cluster_id) == made_at


async def test_a_cluster_gets_the_id_that_was_chosen_for_it() -> None:
    async with leader(new_cluster_id="chosen") as one:
        assert marks(one.context.state.read()).cluster_id == "chosen"


async def test_a_leader_whose_name_another_has_in_the_catalog_leads_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = World(SimDisk(random.Random(1).randrange))
    life = await begin(here)
    for name, node_id in (("s1", OTHER.node_id), ("s0", ME.id)):  # as after a restore
        held = RegisterRequest(
            datacenter="dc1",
            node=name,
            id=node_id,
            address="127.0.0.9",
            check=HealthCheck(node=name, check_id="serfHealth", status="passing"),
        )
        await life.driver.propose(encode_command(MessageType.REGISTER, held))
    await life.stop()
    async with leader(here) as one:
        assert one.serf_health("s1") == "passing"
        made = await one.session("10s")
        await asyncio.sleep(22)
        assert made not in one.sessions()


@pytest.mark.interpreted
async def test_a_leader_that_cannot_register_itself_leads_all_the_same(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise RpcError("failed inserting node")

    monkeypatch.setattr(catalog, "register", refused)
    async with leader() as one:
        assert one.serf_health("s1") is None
        assert "failed to reconcile member: member=s1 error=failed inserting node" in caplog.text


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
