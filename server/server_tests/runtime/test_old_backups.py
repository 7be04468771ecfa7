"""Old copies of the data: gone when nobody can need them, whole as long as they have their name."""

import asyncio
import copy
import os
import random
from pathlib import Path

from proconsul.runtime.old_backups import LOOK_S, RETRY_S, OldBackups, born_ns
from server_tests.runtime.driver_world import DATA
from server_tests.runtime.test_peers_recovery import contents, put_file
from server_tests.sim.disk import Lands, PowerLostError, SimDisk

IDS = [f"{number}1111111-2222-3333-4444-555555555555" for number in range(4)]
EPOCHS = ["raft.epoch-2.bak", "raft.epoch-9.bak", "raft.epoch-10.bak", "raft.epoch-10.bak.2"]
LEFT = [f"raft.left-{id_}.bak" for id_ in reversed(IDS)]  # by age, which no name tells
OTHERS = ["raft", "state", "raft.bak", "raft.epoch-x.bak", "raft.epoch-1.bak.old", "mine.bak"]
UNFINISHED = "raft.epoch-11.bak.tmp"
KEPT = {*EPOCHS[2:], *LEFT[2:], *OTHERS}


def disk_with(*names: str) -> SimDisk:
    disk = SimDisk(random.Random(1).randrange)
    for name in names:
        disk.make_dirs(f"{DATA.root}/{name}/log")
        put_file(disk, f"{DATA.root}/{name}/log/1.wal", name.encode())
        put_file(disk, f"{DATA.root}/{name}/peers.info", b"x")
    return disk


def backups_on(disk: SimDisk) -> OldBackups:
    return OldBackups(DATA, disk, lambda path: LEFT.index(path.removeprefix(f"{DATA.root}/")))


def test_the_two_youngest_of_each_kind_stay_and_so_does_what_is_none() -> None:
    disk = disk_with(*EPOCHS, *LEFT, *OTHERS, UNFINISHED)
    backups = backups_on(disk)
    due = backups.due()
    assert set(due) == {*EPOCHS[:2], *LEFT[:2], UNFINISHED}
    backups.remove(due)
    assert set(disk.names(DATA.root)) == KEPT
    assert backups.due() == []


def test_two_and_fewer_are_let_be() -> None:
    assert backups_on(disk_with(*EPOCHS[:2], *LEFT[:1], *OTHERS)).due() == []


def test_wherever_a_crash_comes_a_copy_that_has_its_name_is_whole() -> None:
    before = disk_with(*EPOCHS, *LEFT, *OTHERS, UNFINISHED)
    for calls in range(1000):
        for lands in Lands:
            disk = copy.deepcopy(before)
            disk.calls_left = calls
            backups = backups_on(disk)
            try:
                backups.remove(backups.due())
            except PowerLostError:
                disk.crash(lands)
            else:
                assert calls > 30
                return
            for name in set(disk.names(DATA.root)) & {*EPOCHS, *LEFT}:
                path = f"{DATA.root}/{name}"
                assert contents(disk, path) == contents(before, path)
            again = backups_on(disk)
            again.remove(again.due())
            assert set(disk.names(DATA.root)) == KEPT
    raise AssertionError("it never ended")


class Slow(SimDisk):
    """A disk that refuses once to tell what it has."""

    refuses = True

    def names(self, path: str) -> list[str]:
        if self.refuses:
            self.refuses = False
            raise OSError(5, "Input/output error")
        return super().names(path)


async def test_nothing_goes_before_the_server_has_recovered_and_then_all_that_is_due() -> None:
    disk = Slow(random.Random(1).randrange)
    for name in EPOCHS:
        disk.make_dirs(f"{DATA.root}/{name}")
    recovered = False
    waiting = asyncio.ensure_future(backups_on(disk).run(lambda: recovered))
    await asyncio.sleep(100 * LOOK_S)
    assert disk.refuses, "nobody has looked"
    recovered = True
    await asyncio.sleep(LOOK_S + 1)
    assert disk.names(DATA.root) == sorted(EPOCHS)
    await asyncio.sleep(RETRY_S)
    await waiting
    assert disk.names(DATA.root) == sorted(EPOCHS[2:])


def test_the_system_says_when_a_folder_got_its_name(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    first.mkdir()
    os.utime(second, ns=(1, 1))  # what was in it may be of any age
    assert born_ns(str(second)) > 1
    before_ns = born_ns(str(first))
    first.rename(tmp_path / "third")
    assert born_ns(str(tmp_path / "third")) >= before_ns
