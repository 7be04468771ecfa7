"""Driver, writer and log on a disk that forgets what was not synced: nothing acknowledged is lost.

kill -9 keeps the page cache, so `test_kill.py` cannot see a missing fdatasync; this can.
"""

import asyncio
import contextlib
import random

import pytest

from proconsul.errors import ProconsulError
from proconsul.wal.recovery import WalDamagedError
from server_tests.runtime.driver_world import Life, World, begin
from server_tests.sim.disk import Lands, PowerLostError, SimDisk

LIVES = 5
WRITERS = 4
CALLS_MAX = 120  # to the disk, in one life


class LostError(AssertionError):
    """An acknowledged write is gone, or one that was never sent is there."""


class Ledger:
    """What was sent and what was acknowledged: each key gets rising numbers."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}
        self.acknowledged: dict[str, int] = {}

    async def write(self, life: Life, key: str) -> None:
        """Until the life ends."""
        while not life.failed.is_set():
            number = self.sent[key] = self.sent.get(key, 0) + 1
            try:
                await life.put(key, b"%d" % number)
            except ProconsulError:
                return
            self.acknowledged[key] = number

    def check(self, life: Life) -> None:
        """Raise LostError."""
        for key, sent in self.sent.items():
            found = int(life.get(key) or b"0")
            if not self.acknowledged.get(key, 0) <= found <= sent:
                raise LostError(f"{key}: {found} of {self.acknowledged.get(key)} to {sent}")


async def live(world: World, ledger: Ledger, die: random.Random) -> None:
    """One life under load, which ends in the middle of some call to the disk."""
    with contextlib.suppress(PowerLostError):
        world.disk.calls_left = die.choice((None, die.randrange(1, 12)))
        life = Life(world)
        life.begin()
        try:
            await life.until_it_leads()
        except ProconsulError:
            assert life.failed.is_set()
        else:
            ledger.check(life)
            await load(life, ledger, die)
        await life.crash(die.choice(tuple(Lands)))
        return
    world.disk.crash(die.choice(tuple(Lands)))


async def load(life: Life, ledger: Ledger, die: random.Random) -> None:
    """Writers and a snapshot now and then, until the power goes."""
    life.world.disk.calls_left = die.randrange(5, CALLS_MAX)
    async with asyncio.TaskGroup() as tasks:
        for number in range(WRITERS):
            tasks.create_task(ledger.write(life, f"key{number}"))
        tasks.create_task(snapshots(life, die))


async def snapshots(life: Life, die: random.Random) -> None:
    """Cut the log from time to time."""
    with contextlib.suppress(PowerLostError, ProconsulError):
        while not life.failed.is_set():
            await asyncio.sleep(die.random() / 10)
            await life.snapshots.take()


async def play(disk: SimDisk, die: random.Random) -> int:
    """Several lives; how many writes were acknowledged."""
    world, ledger = World(disk), Ledger()
    for _ in range(LIVES):
        await live(world, ledger, die)
        world.rebooted = die.randrange(3) > 0
    disk.calls_left = None
    life = await begin(world)
    ledger.check(life)
    await life.stop()
    return sum(ledger.acknowledged.values())


async def play_all(seeds: range) -> int:
    """How many writes were acknowledged."""
    acknowledged = 0
    for seed in seeds:
        die = random.Random(seed)
        acknowledged += await play(SimDisk(die.randrange), die)
    return acknowledged


@pytest.mark.parametrize("part", range(4))
async def test_whatever_was_acknowledged_is_there_after_a_power_loss_at_any_point(
    part: int,
) -> None:
    assert await play_all(range(part * 4, part * 4 + 4)) > 100, "there was hardly any load"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
async def test_the_same_many_more_times(part: int) -> None:
    assert await play_all(range(100 + part * 50, 150 + part * 50)) > 1000


async def test_a_disk_that_only_says_that_it_syncs_is_found_out() -> None:
    found = 0
    for seed in range(10):
        die = random.Random(seed)
        disk = SimDisk(die.randrange)
        disk.ignores_syncs = True
        try:
            await play(disk, die)
        except (LostError, WalDamagedError, ProconsulError):
            found += 1
    assert found > 5
