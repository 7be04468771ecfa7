"""The snapshot and the keyring on a disk that forgets, fills up and is damaged."""

import json
import random
from pathlib import Path

import pytest

from proconsul.gossip.address import address_of
from proconsul.gossip.key_rotation import in_base64
from proconsul.gossip.snapshot import Kept
from proconsul.runtime.disk import RealDisk
from proconsul.runtime.gossip_files import (
    KEYRING_BYTES_MAX,
    SNAPSHOT_BYTES_MAX,
    GossipFileError,
    GossipFiles,
)
from server_tests.sim.disk import Lands, PowerLostError, SimDisk

FOLDER = "/data/serf"
KEYS = tuple(in_base64(bytes([number]) * 16) for number in range(3))


def disk(seed: int = 1) -> SimDisk:
    return SimDisk(random.Random(seed).randrange)


def kept(files: GossipFiles) -> Kept:
    return files.load_snapshot(rejoin_after_leave=False)


def put(sim: SimDisk, path: str, content: bytes) -> None:
    sim.make_dirs(FOLDER)
    file = sim.create(path)
    file.pwrite(content, 0)
    file.close()


def test_nothing_is_known_before_the_first_start() -> None:
    files = GossipFiles(FOLDER, disk())
    assert kept(files) == Kept()
    assert files.load_keyring() is None


def test_what_was_appended_is_known_to_the_next_process() -> None:
    sim = disk()
    files = GossipFiles(FOLDER, sim)
    files.append(["alive: n1 127.0.41.1:8301", "clock: 3"])
    files.append(["alive: n2 [::1]:8301", "not-alive: n1"])
    sim.kill_process()
    found = kept(GossipFiles(FOLDER, sim))
    assert found.alive == {"n2": address_of("::1", 8301)}
    assert (found.clock, found.damaged) == (3, 0)


def test_the_names_are_consuls(tmp_path: Path) -> None:
    local = GossipFiles(str(tmp_path / "serf"), RealDisk())
    remote = GossipFiles(str(tmp_path / "serf"), RealDisk(), pool="remote")
    for files in (local, remote):
        files.append(["clock: 1"])
        files.keep_keyring(KEYS)
        files.close()
    names = {"local.snapshot", "local.keyring", "remote.snapshot", "remote.keyring"}
    assert {path.name for path in (tmp_path / "serf").iterdir()} == names


def test_only_its_owner_reads_the_keyring(tmp_path: Path) -> None:
    files = GossipFiles(str(tmp_path / "serf"), RealDisk())
    files.keep_keyring(KEYS)
    path = tmp_path / "serf" / "local.keyring"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_bytes()) == list(KEYS)


def test_a_line_that_a_crash_cut_short_spoils_no_other() -> None:
    sim = disk()
    put(sim, f"{FOLDER}/local.snapshot", b"alive: n1 127.0.41.1:8301\nalive: n2 127.0.4")
    files = GossipFiles(FOLDER, sim)
    files.append(["alive: n3 127.0.41.3:8301"])
    found = kept(files)
    assert set(found.alive) == {"n1", "n3"}
    assert found.damaged == 1


def test_appending_goes_on_where_a_full_disk_stopped_it() -> None:
    sim = disk()
    files = GossipFiles(FOLDER, sim)
    files.append(["alive: n1 127.0.41.1:8301"])
    sim.capacity_bytes = sim.used_bytes()
    with pytest.raises(OSError, match="no space left"):
        files.append(["alive: n2 127.0.41.2:8301"])
    sim.capacity_bytes = None
    files.append(["alive: n3 127.0.41.3:8301"])
    assert set(kept(files).alive) == {"n1", "n3"}
    files.close()
    assert sim.open_files == 0


def test_a_rewrite_leaves_the_old_file_or_the_new_one_wherever_the_power_goes() -> None:
    seen = set()
    for calls in range(12):
        for lands in Lands:
            sim = disk(calls)
            files = GossipFiles(FOLDER, sim)
            files.append(["alive: old 127.0.41.1:8301"])
            files.rewrite(["alive: old 127.0.41.1:8301"])
            sim.calls_left = calls
            try:
                files.rewrite(["alive: new 127.0.41.1:8301", "clock: 7"])
                files.append(["alive: more 127.0.41.1:8301"])
            except PowerLostError:
                pass
            sim.crash(lands)
            seen.add(frozenset(kept(GossipFiles(FOLDER, sim)).alive))
    new, more = frozenset({"new"}), frozenset({"new", "more"})
    assert seen == {frozenset({"old"}), new, more}


def test_keys_that_were_written_outlast_the_power() -> None:
    outcomes = set()
    for calls in range(10):
        for lands in Lands:
            sim = disk(calls)
            GossipFiles(FOLDER, sim).keep_keyring(KEYS[:1])
            sim.calls_left = calls
            is_written = True
            try:
                GossipFiles(FOLDER, sim).keep_keyring(KEYS[1:])
            except PowerLostError:
                is_written = False
            sim.crash(lands)
            ring = GossipFiles(FOLDER, sim).load_keyring()
            assert ring is not None
            found = tuple(map(in_base64, ring.keys()))
            assert found == KEYS[1:] if is_written else found in (KEYS[:1], KEYS[1:])
            outcomes.add((is_written, found))
    assert len(outcomes) == 3


def test_keys_that_cannot_be_written_leave_the_old_ones() -> None:
    sim = disk()
    files = GossipFiles(FOLDER, sim)
    files.keep_keyring(KEYS[:1])
    sim.capacity_bytes = sim.used_bytes()
    with pytest.raises(OSError, match="no space left"):
        files.keep_keyring(KEYS)
    sim.capacity_bytes = None
    ring = files.load_keyring()
    assert ring is not None
    assert ring.keys() == (bytes(16),)
    files.keep_keyring(KEYS)  # what was left aside is in nobody's way
    ring = files.load_keyring()
    assert ring is not None
    assert len(ring.keys()) == 3


def test_a_rotated_ring_comes_back_with_the_same_primary_key() -> None:
    files = GossipFiles(FOLDER, disk())
    files.keep_keyring((KEYS[2], KEYS[0], KEYS[1]))
    ring = files.load_keyring()
    assert ring is not None
    assert ring.primary == bytes([2]) * 16
    assert ring.keys() == (bytes([2]) * 16, bytes([0]) * 16, bytes([1]) * 16)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is no JSON"),
        (b"\x00" * 40, "it is no JSON"),
        (b'{"keys": []}', "it holds no list of keys"),
        (b"[]", "it holds no list of keys"),
        (b"[1]", "it holds no list of keys"),
        (b'["not base64!"]', "a key of it is not in base64"),
        (b'["\xc3\xa4"]', "a key of it is not in base64"),
        (b'["AAAA"]', "key size must be 16, 24 or 32 bytes"),
        (b"[" + b" " * KEYRING_BYTES_MAX, "more than such a file can have"),
    ],
)
def test_a_damaged_keyring_is_refused_with_what_to_do(content: bytes, said: str) -> None:
    sim = disk()
    put(sim, f"{FOLDER}/local.keyring", content)
    with pytest.raises(GossipFileError, match=said) as refused:
        GossipFiles(FOLDER, sim).load_keyring()
    assert f"{FOLDER}/local.keyring" in str(refused.value)
    assert "from another server of this datacenter" in str(refused.value)


def test_a_snapshot_of_garbage_costs_only_what_it_said() -> None:
    sim = disk()
    put(sim, f"{FOLDER}/local.snapshot", b"\x00\xff\n: \nalive: n1 127.0.41.1:8301\nalive: n2\n")
    found = kept(GossipFiles(FOLDER, sim))
    assert set(found.alive) == {"n1"}
    assert found.damaged == 3


def test_a_snapshot_that_cannot_be_ours_or_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "local.snapshot").mkdir()
    with pytest.raises(GossipFileError, match=r"cannot be read: is a directory\. It can be rem"):
        kept(GossipFiles(str(tmp_path), RealDisk()))
    huge = tmp_path / "remote.snapshot"
    with huge.open("wb") as file:
        file.truncate(SNAPSHOT_BYTES_MAX + 1)
    with pytest.raises(GossipFileError, match="more than such a file can have"):
        kept(GossipFiles(str(tmp_path), RealDisk(), pool="remote"))
