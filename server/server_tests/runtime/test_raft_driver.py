"""The driver: what it answers when, and what it does when the disk or the state will not."""

import asyncio
import random
from itertools import pairwise

import pytest

from proconsul.errors import DiskFullError, NoLeaderError, ProconsulError, RpcError
from proconsul.fsm.commands import CommandError, UnknownCommandError
from proconsul.raft.effects import Install, Send
from proconsul.raft.membership import AddVoter
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    Reply,
    ServerAddress,
    ServerId,
    TimeoutNow,
    Token,
)
from proconsul.runtime.applying import SLICE_LENGTH_MAX, StateWaitsError
from proconsul.runtime.pending import LeadershipLostError, WriteWaitsError
from server_tests.runtime.driver_world import (
    SEGMENT_BYTES,
    Life,
    World,
    begin,
    set_command,
    until_written,
)
from server_tests.sim.disk import SimDisk


def world() -> World:
    return World(SimDisk(random.Random(1).randrange))


async def test_what_was_acknowledged_is_there_in_the_next_life() -> None:
    here = world()
    life = await begin(here)
    await life.put("colour", b"red")
    await life.stop()
    life = await begin(here)
    assert life.get("colour") == b"red"
    await life.stop()


async def test_a_restart_applies_nothing_again_that_a_trusted_state_holds() -> None:
    here = world()
    life = await begin(here)
    for number in range(20):
        await life.put("number", b"%d" % number)
    await life.kill()
    applied_before = here.engine.tables["meta"].copy()
    life = Life(here)
    assert life.driver.node.applied_index == life.replicated.applied_index >= 20
    assert here.engine.tables["meta"] == applied_before
    life.begin()
    await life.until_it_leads()
    assert life.get("number") == b"19"
    await life.stop()


async def test_a_long_log_is_applied_in_slices_between_which_others_have_their_turn() -> None:
    here = world()
    life = await begin(here)
    entries = 3 * SLICE_LENGTH_MAX
    await asyncio.gather(*(life.put(f"key{number}", b"v") for number in range(entries)))
    await life.kill()
    here.rebooted = True
    life = Life(here)
    seen: list[int] = []

    async def look() -> None:
        while life.replicated.applied_index < entries:
            seen.append(life.replicated.applied_index)
            await asyncio.sleep(0)

    life.begin()
    await look()
    steps = [after - before for before, after in pairwise(seen)]
    assert max(steps) <= SLICE_LENGTH_MAX
    assert len([step for step in steps if step]) >= 2
    await life.stop()


async def test_a_value_beyond_one_entry_is_whole_or_not_there() -> None:
    here = world()
    life = await begin(here)
    value = bytes(range(256)) * 4000  # a megabyte: two pieces
    await life.put("large", value)
    assert life.get("large") == value
    await life.stop()
    life = await begin(here)
    assert life.get("large") == value
    await life.stop()


# ---------------------------------------------------------------- no room for the log


async def until_refused(life: Life) -> None:
    """Fill the disk."""
    disk = life.world.disk
    disk.capacity_bytes = disk.used_bytes()
    with pytest.raises(WriteWaitsError):
        await fill(life)


async def fill(life: Life) -> None:
    """Until there is an error."""
    while True:
        await life.put("filling", bytes(SEGMENT_BYTES // 8))


async def test_on_a_full_disk_writes_are_refused_reads_go_on_and_room_heals_it() -> None:
    here = world()
    life = await begin(here)
    await life.put("colour", b"red")
    await until_refused(life)
    with pytest.raises(DiskFullError, match="no space left for the log"):
        await life.put("colour", b"blue")
    await life.driver.confirm_leadership()
    assert life.get("colour") == b"red"
    assert any(line.startswith("ERROR no space left") for line in here.lines)

    here.disk.capacity_bytes = None
    await until_written(life, "colour", b"green")
    assert life.get("colour") == b"green"
    await life.stop()
    life = await begin(here)
    assert life.get("colour") == b"green"
    await life.stop()


async def test_a_snapshot_makes_room_in_a_log_whose_disk_is_full() -> None:
    here = world()
    life = await begin(here)
    for _ in range(20):  # three segments
        await life.put("large", bytes(SEGMENT_BYTES // 8))
    await until_refused(life)
    # The snapshot lands elsewhere in time: its room is given for it alone, the log gets none.
    here.disk.capacity_bytes = None
    await life.snapshots.take()
    here.disk.capacity_bytes = here.disk.used_bytes()
    await until_written(life, "small", b"fits")
    assert life.get("small") == b"fits"
    await life.stop()


async def test_a_server_ends_in_order_while_its_disk_is_full() -> None:
    life = await begin(world())
    await life.put("colour", b"red")
    await until_refused(life)
    await life.stop()
    assert life.failure is None
    life.world.disk.capacity_bytes = None
    life = await begin(life.world)
    assert life.get("colour") == b"red"
    await life.stop()


# ---------------------------------------------------------------- no room for the state


class Obedience:
    """A network with one follower, which has room, and takes everything."""

    def __init__(self, life: Life) -> None:
        self.is_to_lead = asyncio.Event()
        self._driver = life.driver

    def send(self, send: Send) -> None:
        request = send.request
        if isinstance(request, TimeoutNow):
            self.is_to_lead.set()
        if isinstance(request, AppendEntries):
            taken = AppendReply(token=request.token, term=request.term, accepted=True)
            asyncio.get_running_loop().call_soon(self._driver.deliver, taken)

    def reply(self, reply: Reply) -> None:
        pass

    def install(self, install: Install) -> None:
        pass

    def drop(self, token: Token) -> None:
        pass


@pytest.mark.parametrize("what", ["log", "state"])
async def test_a_leader_without_room_has_another_server_lead(what: str) -> None:
    life = await begin(world())
    network = Obedience(life)
    life.driver.connect(network, network)
    await life.driver.change(AddVoter(ServerId("other"), ServerAddress("127.0.0.2:8300")))
    await life.put("colour", b"red")
    assert not network.is_to_lead.is_set()
    if what == "log":
        await until_refused(life)
    else:
        life.world.engine.is_full = True
        with pytest.raises(StateWaitsError):
            await life.put("colour", b"blue")
    await network.is_to_lead.wait()
    await life.stop()


async def test_what_finds_no_room_in_the_state_is_applied_when_there_is_some() -> None:
    here = world()
    life = await begin(here)
    here.engine.is_full = True
    with pytest.raises(StateWaitsError, match="in the log and will be applied"):
        await life.put("colour", b"red")
    with pytest.raises(StateWaitsError, match="write refused"):
        await life.put("colour", b"blue")
    assert life.get("colour") is None

    here.engine.is_full = False
    async with asyncio.timeout(60):
        while life.get("colour") is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    assert life.get("colour") == b"red"
    await life.put("colour", b"green")
    await life.stop()


async def test_a_consistent_read_waits_until_what_is_committed_is_applied() -> None:
    here = world()
    life = await begin(here)
    await life.put("colour", b"red")
    here.engine.is_full = True
    with pytest.raises(StateWaitsError):
        await life.put("colour", b"blue")  # committed: a later leader would show it
    read = life.driver.confirm_leadership()
    await asyncio.sleep(1)
    assert not read.done()
    here.engine.is_full = False
    await read
    assert life.get("colour") == b"blue"
    await life.stop()


# ---------------------------------------------------------------- what a server does not survive


async def test_a_broken_disk_ends_the_server_and_its_clients_hear_of_it() -> None:
    here = world()
    life = await begin(here)
    here.disk.fails_syncs = True
    with pytest.raises(LeadershipLostError):
        await life.put("colour", b"red")
    assert isinstance(life.failure, ProconsulError)
    assert "fdatasync failed" in str(life.failure)
    with pytest.raises(NoLeaderError):
        await life.put("colour", b"blue")
    with pytest.raises(NoLeaderError):
        await life.driver.confirm_leadership()
    await asyncio.to_thread(life.driver.stop)


def cause_of(failure: BaseException) -> BaseException:
    """What it was raised from; compiled modules note only what was being handled."""
    cause = failure.__cause__ or failure.__context__
    assert cause is not None
    return cause


@pytest.mark.parametrize("command", [b"\x1f\x80", b"\x02\xc1"])
async def test_a_command_that_nobody_can_read_ends_the_server_and_says_where_it_is(
    command: bytes,
) -> None:
    life = await begin(world())
    with pytest.raises(LeadershipLostError):
        await life.driver.propose(command)
    assert isinstance(life.failure, CommandError)
    assert f"entry {life.driver.node.commit_index} of the log" in str(life.failure)
    assert str(cause_of(life.failure)) in str(life.failure)
    await life.stop()


async def test_it_is_found_again_at_the_next_start_and_ends_the_server_then_too() -> None:
    here = world()
    life = await begin(here)
    with pytest.raises(LeadershipLostError):
        await life.driver.propose(b"\x1f\x80")
    await life.stop()
    life = Life(here)
    life.begin()
    await life.failed.wait()
    assert isinstance(life.failure, CommandError)
    assert isinstance(cause_of(life.failure), UnknownCommandError)
    await life.stop()


async def test_what_became_durable_while_it_ended_is_still_answered() -> None:
    life = await begin(world())
    writes = [asyncio.ensure_future(life.put(f"key{number}", b"v")) for number in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await life.stop()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert all(outcome is None for outcome in outcomes)


async def test_a_command_that_the_state_refuses_is_refused_in_its_words() -> None:
    life = await begin(world())
    bad = set_command("key", b"v").replace(b"\xa3set", b"\xa3sot")
    with pytest.raises(RpcError, match="Invalid KVS operation 'sot'"):
        await life.driver.propose(bad)
    assert life.failure is None
    await life.stop()


async def test_a_write_whose_client_has_gone_is_applied_all_the_same() -> None:
    life = await begin(world())
    write = asyncio.ensure_future(life.put("colour", b"red"))
    await asyncio.sleep(0)
    write.cancel()
    await life.driver.barrier()
    assert life.get("colour") == b"red"
    await life.stop()
