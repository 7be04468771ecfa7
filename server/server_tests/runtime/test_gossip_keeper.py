"""The files of a pool, written beside it."""

import asyncio
import random
import threading
from collections.abc import Iterable, Sequence

from proconsul.gossip.effects import Level
from proconsul.runtime.gossip_files import GossipFiles
from proconsul.runtime.gossip_keeper import FLUSH_S, KEYS_WAIT_S, LINES_MAX, RETRY_S, Keeper
from server_tests.sim.disk import SimDisk

FOLDER = "/data/serf"
KEYS = ("AAAAAAAAAAAAAAAAAAAAAA==", "AQEBAQEBAQEBAQEBAQEBAQ==")


class Desk:
    """A keeper on a simulated disk, and a ledger that says one thing."""

    def __init__(self) -> None:
        self.disk = SimDisk(random.Random(1).randrange)
        self.files = GossipFiles(FOLDER, self.disk)
        self.whole = ["clock: 99"]
        self.bytes_max = 1 << 20
        self.complaints: list[tuple[Level, str]] = []
        self.keeper = Keeper(self.files, self, lambda *said: self.complaints.append(said))

    def snapshot_lines(self) -> Iterable[str]:
        return self.whole

    @property
    def snapshot_bytes_max(self) -> int:
        return self.bytes_max

    @property
    def snapshot(self) -> list[str]:
        if "local.snapshot" not in (self.disk.names(FOLDER) if self._is_made else []):
            return []
        return self.disk.read(self.files.snapshot).decode().splitlines()

    @property
    def _is_made(self) -> bool:
        return "data" in self.disk.names("/")

    @property
    def keys(self) -> int:
        ring = self.files.load_keyring()
        return 0 if ring is None else len(ring.keys())


async def test_lines_are_written_together_and_soon() -> None:
    desk = Desk()
    desk.keeper.remember("clock: 1")
    await asyncio.sleep(FLUSH_S * 0.9)
    desk.keeper.remember("clock: 2")
    assert desk.snapshot == []
    await asyncio.sleep(FLUSH_S * 0.2)
    assert desk.snapshot == ["clock: 1", "clock: 2"]
    desk.keeper.remember("clock: 3")
    await asyncio.sleep(FLUSH_S * 1.1)
    assert desk.snapshot == ["clock: 1", "clock: 2", "clock: 3"]
    await desk.keeper.stop()


async def test_the_end_writes_what_waits() -> None:
    desk = Desk()
    desk.keeper.remember("leave")
    desk.keeper.keep_keys(KEYS, lambda: None)
    await desk.keeper.stop()
    assert desk.snapshot == ["leave"]
    assert desk.keys == 2
    assert desk.disk.open_files == 0


async def test_a_file_that_is_too_large_is_written_anew() -> None:
    desk = Desk()
    desk.bytes_max = 95
    for number in range(10):
        desk.keeper.remember(f"clock: {number}")
    await asyncio.sleep(FLUSH_S * 1.1)
    assert len(desk.snapshot) == 10
    desk.keeper.remember("clock: 10")
    await asyncio.sleep(FLUSH_S * 1.1)
    assert desk.snapshot == ["clock: 99"]
    desk.keeper.remember("clock: 100")
    await asyncio.sleep(FLUSH_S * 1.1)
    assert desk.snapshot == ["clock: 99", "clock: 100"]
    await desk.keeper.stop()


async def test_a_full_disk_is_told_once_and_all_is_there_when_it_has_room() -> None:
    desk = Desk()
    desk.disk.capacity_bytes = 0
    for number in range(3):
        desk.keeper.remember(f"clock: {number}")
        await asyncio.sleep(RETRY_S)
    assert desk.complaints == [
        (
            Level.ERROR,
            f"serf: Failed to update snapshot {FOLDER}/local.snapshot: no space left on device",
        )
    ]
    desk.disk.capacity_bytes = None
    await asyncio.sleep(RETRY_S + FLUSH_S)
    assert desk.snapshot[-1] == "clock: 99"
    desk.keeper.remember("clock: 100")
    await asyncio.sleep(FLUSH_S * 1.1)
    assert desk.snapshot[-1] == "clock: 100"
    await desk.keeper.stop()


async def test_lines_that_wait_for_the_disk_have_a_limit() -> None:
    desk = Desk()
    for number in range(LINES_MAX):
        desk.keeper.remember(f"clock: {number}")
    desk.keeper.remember("clock: beyond")
    await asyncio.sleep(FLUSH_S * 1.1)
    assert desk.snapshot == ["clock: 99"]  # says the same, and more
    await desk.keeper.stop()


class SlowFiles(GossipFiles):
    """Their disk takes its time with keys."""

    def __init__(self, disk: SimDisk, goes_on: threading.Event) -> None:
        super().__init__(FOLDER, disk)
        self._goes_on = goes_on

    def keep_keyring(self, keys: Sequence[str]) -> None:
        self._goes_on.wait(60)
        super().keep_keyring(keys)


async def test_who_waits_for_keys_is_told_when_they_are_on_the_disk() -> None:
    desk = Desk()
    found: list[int] = []
    desk.keeper.keep_keys(KEYS, lambda: found.append(desk.keys))
    async with asyncio.timeout(KEYS_WAIT_S / 2):
        while not found:  # noqa: ASYNC110 - the keeper tells no loop
            await asyncio.sleep(0.001)
    assert found == [2]
    await desk.keeper.stop()


async def test_who_waits_for_keys_does_not_wait_for_a_slow_disk() -> None:
    desk = Desk()
    goes_on = threading.Event()
    keeper = Keeper(SlowFiles(desk.disk, goes_on), desk, lambda *said: None)
    told: list[int] = []
    keeper.keep_keys(KEYS, lambda: told.append(desk.keys))
    async with asyncio.timeout(60):
        while not told:  # noqa: ASYNC110 - the keeper tells no loop
            await asyncio.sleep(0.01)
    assert told[0] == 0
    goes_on.set()
    await keeper.stop()
    assert desk.keys == 2
    await desk.keeper.stop()


async def test_keys_are_tried_until_they_are_written_and_older_ones_given_up() -> None:
    desk = Desk()
    desk.disk.capacity_bytes = 0
    told: list[str] = []
    desk.keeper.keep_keys(KEYS[:1], lambda: told.append("old"))
    await asyncio.sleep(RETRY_S / 2)
    assert "old" in told  # it does not help to wait
    assert desk.complaints[0][0] is Level.ERROR
    assert f"cannot be written to {FOLDER}/local.keyring: no space" in desk.complaints[0][1]
    desk.keeper.keep_keys(KEYS, lambda: told.append("new"))
    await asyncio.sleep(RETRY_S * 2)
    assert "new" in told
    desk.disk.capacity_bytes = None
    await asyncio.sleep(RETRY_S * 2)
    assert desk.keys == 2
    await desk.keeper.stop()
