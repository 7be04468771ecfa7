"""Writes that wait for a group: what goes with what, and what becomes of those that wait."""

import asyncio
import random

import pytest

from proconsul.errors import DiskFullError, NoLeaderError
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.raft.effects import Persist
from proconsul.raft.messages import (
    AppendEntries,
    EntryKind,
    Peer,
    ServerAddress,
    ServerId,
    Term,
    Token,
)
from proconsul.runtime import proposals
from proconsul.runtime.clock import lasting_s
from proconsul.runtime.gathering import GROUP_MIN, GROUP_TIME_MAX_S
from proconsul.runtime.raft_driver import TICK_S, RaftDriver
from server_tests.runtime.driver_world import Life, Silence, World, begin
from server_tests.sim.disk import SimDisk

FIRST, SECOND = 2 * GROUP_MIN, 3


class SlowDisk:
    """Counts the commands of each write to the log, and begins none of them until `go_on`."""

    def __init__(self, driver: RaftDriver) -> None:
        self.groups: list[int] = []
        self.some = asyncio.Event()
        self._write = driver.writer.write
        self._waiting: list[Persist] | None = []
        driver.writer.write = self._take  # type: ignore[method-assign]

    def _take(self, persist: Persist) -> None:
        size = sum(entry.kind is EntryKind.COMMAND for entry in persist.entries)
        if size:
            self.groups.append(size)
            self.some.set()
        if self._waiting is None:
            self._write(persist)
        else:
            self._waiting.append(persist)

    def go_on(self) -> None:
        """Write what waits, and what comes."""
        waiting, self._waiting = self._waiting, None
        for persist in waiting or ():
            self._write(persist)


async def leader() -> Life:
    return await begin(World(SimDisk(random.Random(1).randrange)))


def puts(life: Life, prefix: str, count: int) -> list[asyncio.Task[None]]:
    return [asyncio.ensure_future(life.put(f"{prefix}{n}", b"v")) for n in range(count)]


async def with_some_on_their_way(
    count: int = FIRST,
) -> tuple[Life, SlowDisk, list[asyncio.Task[None]]]:
    """A leader whose log is being written."""
    life = await leader()
    disk = SlowDisk(life.driver)
    first = puts(life, "first", count)
    await disk.some.wait()
    return life, disk, first


async def and_some_more(life: Life, count: int = SECOND) -> list[asyncio.Task[None]]:
    """Writes that come meanwhile, and have had their turn."""
    more = puts(life, "second", count)
    for _ in range(3):
        await asyncio.sleep(0)
    return more


def heartbeat(life: Life) -> AppendEntries:
    """Another server leads now."""
    other = Peer(ServerId("other"), ServerAddress("127.0.0.2:8300"))
    term = Term(life.driver.node.term + 1)
    return AppendEntries(token=Token(1), term=term, leader=other)


async def test_what_comes_meanwhile_goes_with_what_the_answers_bring() -> None:
    life, disk, first = await with_some_on_their_way()
    second = await and_some_more(life)
    again = [asyncio.ensure_future(ask_again(life, one)) for one in first]
    disk.go_on()
    await asyncio.gather(*second, *again)
    assert disk.groups == [FIRST, SECOND + FIRST]
    assert life.get("second0") == b"v"
    await life.stop()


async def ask_again(life: Life, write: asyncio.Task[None]) -> None:
    """As a client that waits for its answer does."""
    await write
    await life.put(write.get_name(), b"v")


async def test_a_few_are_not_waited_for() -> None:
    life, disk, first = await with_some_on_their_way(GROUP_MIN - 2)
    second = await and_some_more(life, 1)
    assert disk.groups == [GROUP_MIN - 2, 1]
    disk.go_on()
    await asyncio.gather(*first, *second)
    await life.stop()


async def test_a_group_that_takes_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    life, disk, first = await with_some_on_their_way()
    second = await and_some_more(life)
    assert disk.groups == [FIRST]
    now_s = lasting_s() + 2 * GROUP_TIME_MAX_S
    monkeypatch.setattr(proposals, "lasting_s", lambda: now_s)
    await asyncio.sleep(2 * TICK_S)
    assert disk.groups == [FIRST, SECOND]
    third = puts(life, "third", 2)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert disk.groups == [FIRST, SECOND, 2], "nor the next one"
    disk.go_on()
    await asyncio.gather(*first, *second, *third)
    await life.stop()


async def test_what_waits_is_written_when_the_server_ends_in_order() -> None:
    life, disk, first = await with_some_on_their_way()
    second = await and_some_more(life)
    disk.go_on()
    await life.stop()
    await asyncio.gather(*first, *second)
    life = await begin(life.world)
    assert life.get("second2") == b"v"
    await life.stop()


async def test_what_waits_is_not_taken_when_the_server_breaks() -> None:
    life, disk, first = await with_some_on_their_way()
    second = await and_some_more(life)
    life.driver.fail(RuntimeError("simulated"))
    outcomes = await asyncio.gather(*second, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {NoLeaderError}
    assert disk.groups == [FIRST]
    await asyncio.gather(*first, return_exceptions=True)
    await life.kill()


async def test_what_waits_is_refused_when_another_server_leads() -> None:
    life, disk, first = await with_some_on_their_way()
    second = await and_some_more(life)
    life.driver.connect(Silence(), Silence())
    life.driver.deliver(heartbeat(life))
    outcomes = await asyncio.gather(*second, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {NoLeaderError}
    assert disk.groups == [FIRST]
    await asyncio.gather(*first, return_exceptions=True)
    await life.kill()


async def test_what_waits_is_refused_by_a_disk_that_became_full() -> None:
    life, disk, first = await with_some_on_their_way()
    second = await and_some_more(life)
    life.driver._disk_full(True)
    disk.go_on()
    outcomes = await asyncio.gather(*second, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {DiskFullError}
    await asyncio.gather(*first, return_exceptions=True)
    life.driver._disk_full(False)
    await life.stop()


async def test_a_users_snapshot_comes_behind_what_waited_for_a_group() -> None:
    life, disk, first = await with_some_on_their_way()
    second = await and_some_more(life)
    disk.go_on()
    await life.driver.begin_restore(life.driver.node.last_index, patience_s=60.0)
    assert all(write.done() for write in second)
    assert life.get("second2") == b"v"
    life.driver.abort_restore()
    await asyncio.gather(*first)
    await life.stop()


async def test_a_large_value_waits_for_nobody() -> None:
    life, disk, first = await with_some_on_their_way()
    value = bytes(range(256)) * 4000
    large = asyncio.ensure_future(life.put("large", value))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(disk.groups) == 2
    disk.go_on()
    await asyncio.gather(large, *first)
    assert life.get("large") == value
    await life.stop()


@pytest.mark.parametrize("count", [1, 500])
async def test_all_that_wait_are_answered(count: int) -> None:
    life, disk, first = await with_some_on_their_way()
    second = await and_some_more(life, count)
    disk.go_on()
    await asyncio.gather(*first, *second)
    assert life.get(f"second{count - 1}") == b"v"
    await life.stop()


async def test_a_single_server_applies_while_its_disk_is_at_work_and_nobody_sees_it() -> None:
    life, disk, first = await with_some_on_their_way()
    assert life.replicated._foreseen is not None
    assert life.get("first0") is None
    assert life.replicated.applied_index == life.driver.node.commit_index
    disk.go_on()
    await asyncio.gather(*first)
    assert life.get("first0") == b"v"
    await life.stop()


async def test_what_was_foreseen_is_forgotten_when_another_server_leads() -> None:
    life, _, first = await with_some_on_their_way()
    life.driver.connect(Silence(), Silence())
    life.driver.deliver(heartbeat(life))
    await asyncio.gather(*first, return_exceptions=True)
    assert life.replicated._foreseen is None
    assert life.get("first0") is None
    await life.kill()


async def test_what_was_foreseen_is_undone_by_the_loop_when_the_server_ends() -> None:
    life, _, first = await with_some_on_their_way()
    assert life.replicated._foreseen is not None
    life.driver.fail(RuntimeError("simulated"))
    assert life.replicated._foreseen is None
    await asyncio.gather(*first, return_exceptions=True)
    await life.kill()


class Listener:
    """Waits for a write without a future."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.is_gone = False

    def done(self) -> bool:
        return self.is_gone

    def set_result(self, value: object, /) -> None:
        self.heard.append(value)

    def set_exception(self, failure: Exception, /) -> None:
        self.heard.append(type(failure))


def command(key: str, value: bytes) -> bytes:
    return encode_command(
        MessageType.KVS,
        KVSRequest(datacenter="dc1", op="set", dir_ent=DirEntry(key=key, value=value)),
    )


async def test_who_waits_without_a_future_hears_of_its_write_too() -> None:
    life, disk, first = await with_some_on_their_way()
    waiting, gone = Listener(), Listener()
    assert life.driver.offer(command("offered", b"v"), waiting)
    assert life.driver.offer(command("gone", b"v"), gone)
    gone.is_gone = True
    await asyncio.sleep(0)
    assert disk.groups == [FIRST], "they wait with the others"
    disk.go_on()
    await asyncio.gather(*first, *await and_some_more(life))
    assert len(waiting.heard) == 1
    assert not gone.heard
    assert life.get("offered") == life.get("gone") == b"v"
    await life.stop()


async def test_what_is_offered_is_refused_as_what_is_proposed() -> None:
    life, disk, first = await with_some_on_their_way()
    waiting = Listener()
    assert life.driver.offer(command("offered", b"v"), waiting)
    life.driver.fail(RuntimeError("simulated"))
    assert waiting.heard == [NoLeaderError]
    with pytest.raises(NoLeaderError):
        life.driver.offer(command("late", b"v"), waiting)
    assert disk.groups == [FIRST]
    await asyncio.gather(*first, return_exceptions=True)
    await life.kill()


async def test_large_values_and_writes_beside_a_restore_cannot_be_offered() -> None:
    life = await leader()
    waiting = Listener()
    assert not life.driver.offer(command("large", bytes(1 << 20)), waiting)
    await life.driver.begin_restore(life.driver.node.last_index, patience_s=60.0)
    assert not life.driver.offer(command("meanwhile", b"v"), waiting)
    life.driver.abort_restore()
    assert life.driver.offer(command("after", b"v"), waiting)
    await life.put("last", b"v")
    assert len(waiting.heard) == 1
    await life.stop()
