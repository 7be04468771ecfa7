"""A snapshot exists whole or not at all, and one that rotted is told and not used."""

import hashlib
import json
import random
from pathlib import Path

import pytest

from proconsul.raft.messages import (
    Configuration,
    Index,
    Server,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Suffrage,
    Term,
)
from proconsul.runtime.disk import Disk, RealDisk
from proconsul.runtime.snapshot_files import (
    SnapshotDamagedError,
    SnapshotFiles,
    StoredSnapshot,
)
from server_tests.sim.disk import Lands, PowerLostError, SimDisk

DIRECTORY = "/data/raft/snapshots"


@pytest.fixture
def disk() -> SimDisk:
    return SimDisk(random.Random(1).randrange)


def meta_at(index: int, term: int = 2) -> SnapshotMeta:
    servers = (
        Server(ServerId("id-1"), ServerAddress("127.0.0.1:8300")),
        Server(ServerId("id-2"), ServerAddress("127.0.0.2:8300"), Suffrage.NONVOTER),
    )
    return SnapshotMeta(
        index=Index(index),
        term=Term(term),
        configuration=Configuration(servers),
        configuration_index=Index(1),
    )


def state_of(index: int) -> bytes:
    return random.Random(index).randbytes(3000)


def store(files: SnapshotFiles, index: int, term: int = 2) -> StoredSnapshot:
    writer = files.create(meta_at(index, term), now_ms=1000 + index)
    state = state_of(index)
    writer.write(state[:1000])
    writer.write(state[1000:])
    return writer.finish()


def names_of(disk: Disk) -> list[str]:
    survey = SnapshotFiles(DIRECTORY, disk).survey(check_contents=True)
    assert not survey.damaged
    return [snapshot.name for snapshot in survey.usable]


def content_of(files: SnapshotFiles, snapshot: StoredSnapshot, piece_bytes: int = 700) -> bytes:
    with files.open(snapshot) as reader:
        return b"".join(iter(lambda: reader.read(piece_bytes), b""))


def test_what_was_written_is_read_with_its_members(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    stored = store(files, 50)
    assert (stored.name, stored.size_bytes) == ("2-50-1050", 3000)
    (found,) = SnapshotFiles(DIRECTORY, disk).survey(check_contents=True).usable
    assert found == stored
    assert found.meta == meta_at(50)
    assert content_of(files, found) == state_of(50)


def test_an_empty_state_is_a_state(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    stored = files.create(meta_at(1), now_ms=1).finish()
    assert content_of(files, stored) == b""
    assert names_of(disk) == ["2-1-1"]


def test_the_newest_two_are_kept_newest_first(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    for index, term in ((9, 2), (100, 2), (20, 3)):
        store(files, index, term)
    assert names_of(disk) == ["3-20-1020", "2-100-1100"]


def test_two_of_one_moment_get_names_of_their_own(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    store(files, 9)
    store(files, 9)
    assert names_of(disk) == ["2-9-1010", "2-9-1009"]


def test_a_finished_snapshot_outlives_a_power_loss(disk: SimDisk) -> None:
    stored = store(SnapshotFiles(DIRECTORY, disk), 50)
    disk.crash(Lands.NONE)
    files = SnapshotFiles(DIRECTORY, disk)
    assert files.survey(check_contents=True).usable == (stored,)
    assert content_of(files, stored) == state_of(50)


def test_a_power_loss_at_any_call_leaves_the_last_snapshot_and_nothing_half_done() -> None:
    for calls in range(40):
        disk = SimDisk(random.Random(calls).randrange)
        for index in (10, 20):
            store(SnapshotFiles(DIRECTORY, disk), index)
        disk.calls_left = calls
        try:
            store(SnapshotFiles(DIRECTORY, disk), 30)
            is_done = True
        except PowerLostError:
            is_done = False
        disk.crash(Lands.SOME)
        names = names_of(disk)
        assert "2-20-1020" in names
        assert not is_done or names == ["2-30-1030", "2-20-1020"]
        assert disk.names(DIRECTORY) == sorted(names)


def test_without_syncs_it_would_be_lost(disk: SimDisk) -> None:
    disk.ignores_syncs = True
    store(SnapshotFiles(DIRECTORY, disk), 50)
    disk.crash(Lands.NONE)
    assert names_of(disk) == []


@pytest.mark.parametrize("part", ["state.bin", "meta.json", "SHA256SUMS"])
def test_a_rotten_snapshot_is_named_and_the_older_one_is_used(disk: SimDisk, part: str) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    older, newer = store(files, 10), store(files, 20)
    disk.flip_bit(f"{DIRECTORY}/{newer.name}/{part}", 20, 1)
    survey = files.survey(check_contents=True)
    assert survey.usable == (older,)
    ((name, why),) = survey.damaged
    assert name == newer.name
    assert f"{DIRECTORY}/{newer.name} is damaged: " in why


def test_a_state_that_is_cut_off_is_seen_without_reading_it(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    stored = store(files, 10)
    path = f"{DIRECTORY}/{stored.name}/state.bin"
    disk.remove(path)
    disk.create(path).pwrite(state_of(10)[:2000], 0)
    survey = files.survey(check_contents=False)
    assert "state.bin has 2000 bytes of 3000" in survey.damaged[0].why


def test_a_missing_file_is_damage(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    disk.remove(f"{DIRECTORY}/{store(files, 10).name}/meta.json")
    assert "cannot be read" in files.survey(check_contents=False).damaged[0].why


def test_a_copy_under_another_name_is_refused(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    disk.rename(f"{DIRECTORY}/{store(files, 10).name}", f"{DIRECTORY}/2-99-5000")
    assert "belongs to 2-10-1010" in files.survey(check_contents=False).damaged[0].why


def test_rot_that_comes_later_is_seen_by_the_reader_before_the_end(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    stored = store(files, 10)
    disk.flip_bit(f"{DIRECTORY}/{stored.name}/state.bin", 0, 0)
    with files.open(stored) as reader:
        reader.read(2999)
        with pytest.raises(SnapshotDamagedError, match=r"state\.bin does not match SHA256SUMS"):
            reader.read(1)


def test_a_damaged_snapshot_does_not_push_a_good_one_out(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    store(files, 10)
    bad = store(files, 20)
    disk.flip_bit(f"{DIRECTORY}/{bad.name}/state.bin", 20, 1)
    files.survey(check_contents=True)
    store(files, 30)
    usable = files.survey(check_contents=True).usable
    assert [snapshot.name for snapshot in usable] == ["2-30-1030", "2-10-1010"]


def test_an_aborted_snapshot_leaves_nothing(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    writer = files.create(meta_at(10), now_ms=1)
    writer.write(b"some")
    writer.abort()
    assert disk.names(DIRECTORY) == []


def test_a_full_disk_fails_the_writer_and_abort_makes_room_again(disk: SimDisk) -> None:
    files = SnapshotFiles(DIRECTORY, disk)
    stored = store(files, 10)
    disk.capacity_bytes = disk.used_bytes() + 1000
    writer = files.create(meta_at(20), now_ms=1)
    writer.write(state_of(20))
    with pytest.raises(OSError, match="no space"):
        writer.finish()
    writer.abort()
    assert names_of(disk) == [stored.name]


def test_remains_of_a_killed_writer_are_removed_at_the_start(disk: SimDisk) -> None:
    writer = SnapshotFiles(DIRECTORY, disk).create(meta_at(10), now_ms=1)
    writer.write(b"some")
    disk.kill_process()
    assert names_of(disk) == []
    assert disk.names(DIRECTORY) == []


def test_a_large_state_passes_in_pieces_through_real_files(tmp_path: Path) -> None:
    files = SnapshotFiles(str(tmp_path / "raft" / "snapshots"), RealDisk())
    writer = files.create(meta_at(7), now_ms=1)
    state = random.Random(7).randbytes(10_000_000)
    for at in range(0, len(state), 70_001):
        writer.write(state[at : at + 70_001])
    assert writer.size_bytes == len(state)
    stored = writer.finish()
    folder = tmp_path / "raft" / "snapshots" / "2-7-1"
    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS",
        "meta.json",
        "state.bin",
    ]
    assert (folder / "state.bin").read_bytes() == state
    assert stored.sha256 == hashlib.sha256(state).hexdigest()
    assert content_of(files, stored, 1 << 20) == state


def test_meta_json_is_hashicorps(tmp_path: Path) -> None:
    stored = store(SnapshotFiles(str(tmp_path), RealDisk()), 118)
    assert json.loads((tmp_path / stored.name / "meta.json").read_text()) == {
        "Version": 1,
        "ID": "2-118-1118",
        "Index": 118,
        "Term": 2,
        "Configuration": {
            "Servers": [
                {"Suffrage": 0, "ID": "id-1", "Address": "127.0.0.1:8300"},
                {"Suffrage": 1, "ID": "id-2", "Address": "127.0.0.2:8300"},
            ]
        },
        "ConfigurationIndex": 1,
        "Size": 3000,
    }
