"""The log's writer: what it groups, in which order it writes, what it does without room."""

import asyncio
import random
import threading
from collections.abc import Callable
from typing import cast

import pytest

from proconsul.raft.effects import Persist, WriteNumber
from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    Configuration,
    EntryKind,
    HardState,
    Index,
    Peer,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Term,
)
from proconsul.runtime.log_entries import entry_of, raft_hard_state, record_of
from proconsul.runtime.log_thread import GROUP_BYTES_MAX, Compaction, Hearers
from proconsul.runtime.log_writer import LOOP_BYTES_MAX, LogWriter
from proconsul.runtime.wal_files import WalFiles
from server_tests.sim.disk import SimDisk, SimSync

DIRECTORY = "/wal"
SEGMENT_BYTES = 16 * 1024
VOTE = HardState(Term(3), Peer(ServerId("s1"), ServerAddress("127.0.0.1:8300")))


class Bench:
    """A writer on a simulated disk, and what it told."""

    def __init__(self, disk: SimDisk) -> None:
        self.disk = disk
        self.wal = WalFiles.open(DIRECTORY, disk, SEGMENT_BYTES)
        self.persisted: list[int] = []
        self.full: list[bool] = []
        self.broken: list[BaseException] = []
        self._told = asyncio.Event()
        self.writer = LogWriter(
            self.wal,
            asyncio.get_running_loop(),
            Hearers(self._persisted, self._full, self._broken),
            lambda: True,
        )
        self._number = 0

    def _persisted(self, number: WriteNumber) -> None:
        self.persisted.append(number)
        self._told.set()

    def _full(self, full: bool) -> None:
        self.full.append(full)
        self._told.set()

    def _broken(self, failure: BaseException) -> None:
        self.broken.append(failure)
        self._told.set()

    def write(
        self,
        count: int = 0,
        size_bytes: int = 10,
        hard_state: HardState | None = None,
        truncate_from: int | None = None,
        reset_to: SnapshotMeta | None = None,
        first: int | None = None,
    ) -> None:
        self._number += 1
        at = first or self._next
        self._next = at + count
        self.writer.write(
            Persist(
                number=WriteNumber(self._number),
                hard_state=hard_state,
                reset_to=reset_to,
                truncate_from=None if truncate_from is None else Index(truncate_from),
                entries=tuple(entry(at + number, size_bytes) for number in range(count)),
            )
        )

    _next = 1

    async def until_persisted(self, number: int) -> None:
        while not self.persisted or self.persisted[-1] < number:
            await self.told()

    async def told(self) -> None:
        await self._told.wait()
        self._told.clear()

    async def stop(self) -> None:
        await asyncio.to_thread(self.writer.stop)
        await asyncio.sleep(0)

    def held(self) -> list[int]:
        """The indexes that a new process finds in the log."""
        self.wal.close()
        self.wal = WalFiles.open(DIRECTORY, self.disk, SEGMENT_BYTES)
        found = self.wal.read(self.wal.first_index, self.wal.last_index, 1 << 30)
        return [record.index for record in found]


def entry(index: int, size_bytes: int) -> Entry:
    return Entry(Index(index), Term(1), EntryKind.COMMAND, bytes(size_bytes), b"")


Benches = Callable[[], Bench]


@pytest.fixture(params=[True, False], ids=["the kernel syncs", "the thread syncs"])
def bench(request: pytest.FixtureRequest) -> Benches:
    def make() -> Bench:
        disk = SimDisk(random.Random(1).randrange)
        disk.syncs_in_background = request.param
        return Bench(disk)

    return make


async def test_what_waited_is_one_group_and_told_once(bench: Benches) -> None:
    one = bench()
    for _ in range(5):
        one.write(2)
    one.writer.start()
    await one.until_persisted(5)
    assert one.persisted == [5]
    await one.stop()
    assert one.held() == list(range(1, 11))


async def test_a_large_heap_of_writes_is_told_in_parts(bench: Benches) -> None:
    one = bench()
    for _ in range(6):
        one.write(1, GROUP_BYTES_MAX // 2)
    one.writer.start()
    await one.until_persisted(6)
    assert one.persisted == [2, 4, 6]
    await one.stop()


async def test_one_write_beyond_the_limit_is_whole_before_it_is_told(bench: Benches) -> None:
    one = bench()
    one.write(5, GROUP_BYTES_MAX // 2)
    one.writer.start()
    await one.until_persisted(1)
    assert one.held() == [1, 2, 3, 4, 5]
    await one.stop()


async def test_term_and_vote_land_with_the_first_entries_or_not_at_all(bench: Benches) -> None:
    """A first start that had its term without its entry could never found its cluster."""
    for calls in range(4):
        one = bench()
        one.write(1, hard_state=VOTE)
        one.disk.calls_left = calls
        one.writer.start()
        await one.told()
        await one.stop()
        one.disk.kill_process()
        wal = WalFiles.open(DIRECTORY, one.disk, SEGMENT_BYTES)
        assert (wal.hard_state.term, wal.last_index) in ((0, 0), (3, 1))
        wal.close()


async def test_vote_and_entries_come_back_as_they_were(bench: Benches) -> None:
    one = bench()
    given = Entry(Index(1), Term(3), EntryKind.COMMAND, b"data", b"extensions")
    one.writer.write(Persist(number=WriteNumber(1), hard_state=VOTE, entries=(given,)))
    one.writer.start()
    await one.until_persisted(1)
    await one.stop()
    one.held()
    assert raft_hard_state(one.wal.hard_state) == VOTE
    assert [entry_of(record) for record in one.wal.read(1, 1, 1000)] == [given]
    assert entry_of(record_of(given)) == given


async def test_truncations_and_resets_stand_between_what_came_before_and_after(
    bench: Benches,
) -> None:
    one = bench()
    one.write(5)
    one.write(2, truncate_from=4, first=4)
    meta = SnapshotMeta(
        index=Index(20), term=Term(1), configuration=Configuration(), configuration_index=Index(1)
    )
    one.write(1)
    one.write(2, reset_to=meta, first=21)
    one.writer.start()
    await one.until_persisted(4)
    await one.stop()
    assert one.held() == [21, 22]


async def test_without_room_everything_waits_in_order_and_nothing_is_dropped(
    bench: Benches,
) -> None:
    one = bench()
    one.writer.start()
    one.write(1)
    await one.until_persisted(1)
    one.disk.capacity_bytes = one.disk.used_bytes()
    for _ in range(40):
        one.write(1, 1000)
    while True not in one.full:
        await one.told()
    assert one.persisted[-1] < 41
    one.disk.capacity_bytes = None
    await one.until_persisted(41)
    assert one.full == [True, False]
    await one.stop()
    assert one.held() == list(range(1, 42))
    assert not one.broken


async def test_a_compaction_makes_room_for_what_waits(bench: Benches) -> None:
    one = bench()
    one.writer.start()
    for number in range(1, 40):
        one.write(1, 1000)
        await one.until_persisted(number)
    one.disk.capacity_bytes = one.disk.used_bytes()
    number = 39
    while True not in one.full:
        number += 1
        one.write(1, 1000)
        await one.told()
    one.writer.compact(Compaction(39, 39, 1))
    await one.until_persisted(number)
    await one.stop()
    assert one.held()[-1] == number
    assert one.held()[0] > 1


async def test_a_compaction_that_a_reset_overtook_is_let_go(bench: Benches) -> None:
    one = bench()
    one.write(10)
    meta = SnapshotMeta(
        index=Index(20), term=Term(1), configuration=Configuration(), configuration_index=Index(1)
    )
    one.write(2, reset_to=meta, first=21)
    one.writer.compact(Compaction(5, 5, 1))
    one.writer.start()
    await one.until_persisted(2)
    one.write(1)
    await one.until_persisted(3)
    await one.stop()
    assert one.held() == [21, 22, 23]
    assert one.wal.snapshot_index == 20


async def test_a_compaction_behind_a_reset_that_waits_for_room_waits_for_it(bench: Benches) -> None:
    one = bench()
    one.write(10)
    meta = SnapshotMeta(
        index=Index(20), term=Term(1), configuration=Configuration(), configuration_index=Index(1)
    )
    one.writer.compact(Compaction(20, 20, 1))
    one.write(2, reset_to=meta, first=21)
    one.writer.start()
    await one.until_persisted(2)
    await one.stop()
    assert one.held() == [21, 22]


async def test_it_ends_in_order_while_there_is_no_room(bench: Benches) -> None:
    one = bench()
    one.writer.start()
    one.disk.capacity_bytes = one.disk.used_bytes()
    one.write(40, 1000)
    while True not in one.full:
        await one.told()
    await one.stop()
    assert not one.broken
    assert not one.persisted


async def test_a_failed_sync_is_told_and_nothing_is_written_any_more(bench: Benches) -> None:
    one = bench()
    one.writer.start()
    one.write(1)
    await one.until_persisted(1)
    one.disk.fails_syncs = True
    one.write(1)
    await one.told()
    one.disk.fails_syncs = False
    one.write(1)
    await one.stop()
    assert "fdatasync failed" in str(one.broken[0])
    assert one.persisted == [1]


async def test_a_writer_that_never_began_can_be_stopped(bench: Benches) -> None:
    one = bench()
    await one.stop()
    assert not one.broken


class StuckWal:
    """A log on a disk that does not answer until it is let go."""

    wants_spare = False

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()

    def append(self, records: object, hard_state: object) -> None:
        self.asked.set()
        self.answer.wait()

    def prepare_spare(self) -> bool:
        return False

    def background_sync(self) -> None:
        return None


@pytest.mark.interpreted  # the log is a stand-in
async def test_it_says_for_how_long_the_disk_has_not_answered() -> None:
    wal = StuckWal()
    done = asyncio.Event()
    writer = LogWriter(
        cast("WalFiles", wal),
        asyncio.get_running_loop(),
        Hearers(lambda _: done.set(), lambda _: None, lambda _: None),
        lambda: True,
    )
    writer.start()
    assert writer.busy_s == 0
    writer.write(Persist(number=WriteNumber(1), entries=(entry(1, 10),)))
    await asyncio.to_thread(wal.asked.wait)
    first = writer.busy_s
    assert writer.busy_s > first > 0
    wal.answer.set()
    await done.wait()
    assert writer.busy_s == 0
    await asyncio.to_thread(writer.stop)


class Told(Bench):
    """A writer whose kernel syncs when the test says so."""

    def __init__(self) -> None:
        super().__init__(SimDisk(random.Random(1).randrange))
        self.writer.start()

    @property
    def is_syncing(self) -> bool:
        return self.writer.busy_s > 0


async def test_what_comes_during_a_sync_is_the_next_group() -> None:
    one = Told()
    for _ in range(5):
        one.write(1)
    assert one.is_syncing
    await one.until_persisted(5)
    assert one.persisted == [1, 5]
    assert not one.is_syncing
    assert len(one.writer.appends_s()) == 2
    await one.stop()
    assert one.held() == [1, 2, 3, 4, 5]


async def test_the_thread_and_the_kernel_take_turns_and_the_order_stays() -> None:
    """New segments, big groups and compactions in between go to the thread."""
    one = Told()
    die = random.Random(2).randrange
    for number in range(1, 301):
        one.write(1 + die(3), LOOP_BYTES_MAX if die(40) == 0 else die(900))
        if die(3):
            await asyncio.sleep(0)
        if die(20) == 0 and one.wal.last_index > 5:
            index = one.wal.last_index
            one.writer.compact(Compaction(index - 5, index, 1))
        if number % 60 == 0:
            await one.until_persisted(number)
    assert one.persisted == sorted(one.persisted)
    assert one.wal.snapshot_index > 0
    await one.stop()
    held = one.held()
    assert held == list(range(held[0], one._next))


async def test_a_compaction_is_not_put_off_by_writes_that_never_end() -> None:
    one = Told()
    one.write(10)
    await one.until_persisted(1)
    one.write(1)
    assert one.is_syncing
    one.writer.compact(Compaction(5, 10, 1))
    number = 2
    while not one.wal.snapshot_index:
        number += 1
        one.write(1)
        await one.told()
    await one.until_persisted(number)
    await one.stop()
    held = one.held()
    assert held == list(range(held[0], one._next))


async def test_what_waits_for_a_sync_at_the_end_is_written_too() -> None:
    one = Told()
    for _ in range(3):
        one.write(1)
    assert one.is_syncing
    await one.stop()
    assert one.persisted == [1, 3]
    assert one.held() == [1, 2, 3]


async def test_what_waits_for_the_thread_at_the_end_is_written_too() -> None:
    one = Told()
    one.write(1, LOOP_BYTES_MAX + 1)
    one.write(1)
    assert not one.persisted
    await one.stop()
    assert one.persisted[-1] == 2
    assert one.held() == [1, 2]


async def test_a_file_system_that_cannot_leaves_all_to_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Told()
    monkeypatch.setattr(SimSync, "begin", lambda *_: False)
    for number in range(1, 4):
        one.write(2)
        await one.until_persisted(number)
    await one.stop()
    assert one.persisted == [1, 2, 3]
    assert one.held() == [1, 2, 3, 4, 5, 6]


async def test_a_group_that_finds_no_room_on_the_disk_waits_in_the_thread() -> None:
    one = Told()
    one.disk.copies_on_write = True
    one.write(1)
    await one.until_persisted(1)
    one.disk.capacity_bytes = one.disk.used_bytes()
    one.write(1)
    one.write(1)
    while True not in one.full:
        await one.told()
    assert one.persisted == [1]
    one.disk.capacity_bytes = None
    await one.until_persisted(3)
    assert one.full == [True, False]
    await one.stop()
    assert one.held() == [1, 2, 3]
