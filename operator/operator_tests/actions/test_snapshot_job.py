"""Snapshot and restore Jobs against real servers, with real stores."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operator_tests.actions.archives import keys, members, state, write
from operator_tests.actions.gateway import KEYS, S3_REAL, gateway
from proconsul_operator.actions.job_orders import JobError, RestoreOrder, SnapshotOrder
from proconsul_operator.actions.job_server import JobServer
from proconsul_operator.actions.objectstore import FolderStore, ObjectStore, StoreError
from proconsul_operator.actions.restore_job import RestoreTools, carry_out
from proconsul_operator.actions.snapshot_job import Tools, side, take
from proconsul_operator.actions.snapshot_names import parsed
from proconsul_operator.actions.stores import Places, open_destination
from proconsul_operator.api.places import Destination, Location, Pvc, S3Destination
from proconsul_operator.api.schedule import Retention
from server_tests.loopback import address
from server_tests.process import ServerProcess

PVC = Destination(pvc=Pvc(claim_name="backups"))
HOUR_S = 3600.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A cluster of one, with 25 keys."""
    with ServerProcess(address(244), tmp_path_factory.mktemp("server") / "data") as process:
        for number in range(25):
            assert process.request("PUT", f"/v1/kv/k{number}", b"v")[0] == 200
        yield process


@pytest.fixture(scope="module")
def throw_away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server beside the Job."""
    with ServerProcess(address(245), tmp_path_factory.mktemp("other") / "data") as process:
        yield process


def url(process: ServerProcess) -> str:
    return f"http://{process.address}:8500"


def order(**more: Any) -> SnapshotOrder:
    given = {
        "cluster": "c", "namespace": "n", "url": "", "destination": PVC, "record": "first", **more
    }  # fmt: skip
    return SnapshotOrder(**given)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_764_151_200.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


class Bench:
    """A Job's pod: its folder, its store, the servers that it knows."""

    def __init__(self, folder: Path, at: str, beside: str = "http://127.0.0.1:9") -> None:
        self.clock = Clock()
        self.work = folder / "work"
        self.volume = folder / "volume"
        self.work.mkdir()
        self.volume.mkdir()
        self.store: ObjectStore = FolderStore(self.volume, "backups")
        self._server, self._beside = JobServer(url=at), JobServer(url=beside)

    @property
    def tools(self) -> Tools:
        """For one run."""
        return Tools(
            server=self._server,
            store=self.store,
            throw_away=self._beside,
            work=self.work,
            clock=self.clock,
            pause=lambda _: None,
        )

    def names(self) -> list[str]:
        """What lies in the store."""
        return sorted(entry.name for entry in self.store.list("c/"))


def test_a_snapshot_is_taken_checked_and_told(server: ServerProcess, tmp_path: Path) -> None:
    bench = Bench(tmp_path, url(server))
    told = take(order(), "uid-1", bench.tools)
    archive, beside = bench.names()[1], bench.names()[0]
    assert told["location"] == f"pvc://backups/{archive}"
    content = (bench.volume / archive).read_bytes()
    assert told["sizeBytes"] == len(content)
    assert told["sha256"] == hashlib.sha256(content).hexdigest()
    assert told["keysChecked"] == 25
    assert told["verified"]
    assert told["index"] > 25
    assert told["version"]
    known = parsed("c", archive)
    assert known is not None
    assert (known.index, known.side) == (told["index"], beside)
    said = side(bench.store, archive)
    assert said is not None
    assert said.items() >= told.items()
    assert (said["record"], said["namespace"]) == ("first", "n")


def test_a_second_pod_of_the_same_job_finds_what_the_first_did(
    server: ServerProcess, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, url(server))
    told = take(order(), "uid-1", bench.tools)
    bench.clock.now_s += HOUR_S
    assert take(order(), "uid-1", bench.tools) == told
    assert len(bench.names()) == 2
    take(order(), "uid-2", bench.tools)
    assert len(bench.names()) == 4


def test_what_an_earlier_pod_left_half_done_goes(server: ServerProcess, tmp_path: Path) -> None:
    bench = Bench(tmp_path, url(server))
    told = take(order(), "uid-1", bench.tools)
    before = bench.names()
    bench.store.delete(before[0])  # the side file, which comes last
    bench.clock.now_s += HOUR_S
    again = take(order(), "uid-1", bench.tools)
    assert again["location"] != told["location"]
    assert len(bench.names()) == 2
    assert before[1] not in bench.names()


def test_restore_is_tried_out_in_a_server_beside_it(
    server: ServerProcess, throw_away: ServerProcess, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, url(server), url(throw_away))
    told = take(order(verify="Restore"), "uid-1", bench.tools)
    assert (told["verified"], told["keysChecked"]) == (True, 25)
    assert throw_away.request("GET", "/v1/kv/k7?raw")[1] == b"v"


class Shrunk(JobServer):
    """A server that loses a key while it restores."""

    def keys(self) -> int:
        """One less."""
        return super().keys() - 1


def test_a_restore_that_gives_other_counts_is_no_good_snapshot(
    server: ServerProcess, throw_away: ServerProcess, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, url(server))
    bench._beside = Shrunk(url=url(throw_away))
    with pytest.raises(JobError, match="restored there are 24") as caught:
        take(order(verify="Restore"), "uid-1", bench.tools)
    assert caught.value.reason == "RestoreDiffers"
    assert not [name for name in bench.names() if name.endswith(".json")]


class Forgetful(FolderStore):
    """A store that says yes and keeps half."""

    def put(self, name: str, source: Path, *, sha256: str) -> None:
        """Half of it."""
        half = source.with_suffix(".half")
        half.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
        super().put(name, half, sha256=sha256)


def test_a_store_that_keeps_half_is_found_out(server: ServerProcess, tmp_path: Path) -> None:
    bench = Bench(tmp_path, url(server))
    bench.store = Forgetful(bench.volume, "backups")
    with pytest.raises(JobError) as caught:
        take(order(), "uid-1", bench.tools)
    assert caught.value.reason == "ReadBackDiffers"
    assert bench.names() == []


def test_nobody_there_is_told_in_one_word(tmp_path: Path) -> None:
    bench = Bench(tmp_path, f"http://{address(246)}:8500")
    with pytest.raises(JobError) as caught:
        take(order(), "uid-1", bench.tools)
    assert caught.value.reason == "ServerUnreachable"


def test_old_archives_go_and_strangers_stay(server: ServerProcess, tmp_path: Path) -> None:
    bench = Bench(tmp_path, url(server))
    (bench.volume / "c").mkdir()
    (bench.volume / "c" / "mine.snap").write_bytes(b"")
    for number in range(4):
        bench.clock.now_s += HOUR_S
        take(order(retention=Retention(keep_last=2)), f"uid-{number}", bench.tools)
    names = bench.names()
    assert len(names) == 2 * 2 + 1
    assert "c/mine.snap" in names


def test_the_newest_verified_one_outlives_newer_ones(server: ServerProcess, tmp_path: Path) -> None:
    bench = Bench(tmp_path, url(server))
    good = take(order(), "uid-good", bench.tools)
    for number in range(3):
        bench.clock.now_s += HOUR_S
        take(order(verify="None", retention=Retention(keep_last=1)), f"uid-{number}", bench.tools)
    archives = [name for name in bench.names() if name.endswith(".snap")]
    assert len(archives) == 2
    assert good["location"] == f"pvc://backups/{archives[0]}"


@pytest.mark.parametrize("gone", [False, True])
def test_one_that_went_bad_since_is_not_the_newest_verified_one(
    server: ServerProcess, tmp_path: Path, gone: bool
) -> None:
    bench = Bench(tmp_path, url(server))
    good = take(order(), "uid-good", bench.tools)
    bench.clock.now_s += HOUR_S
    bad = take(order(), "uid-bad", bench.tools)["location"].removeprefix("pvc://backups/")
    if gone:
        bench.store.delete(bad)  # the file beside it stays, and says that it is verified
    else:
        spoiled = bytearray((bench.volume / bad).read_bytes())
        spoiled[64] ^= 0xFF
        (bench.volume / bad).write_bytes(spoiled)
    for number in range(2):
        bench.clock.now_s += HOUR_S
        take(order(verify="None", retention=Retention(keep_last=1)), f"uid-{number}", bench.tools)
    archives = [name for name in bench.names() if name.endswith(".snap")]
    assert len(archives) == 2
    assert good["location"] == f"pvc://backups/{archives[0]}"


class Silent(FolderStore):
    """A store that can be listed, and gives no archive back."""

    def get(self, name: str) -> Iterator[bytes]:
        """Files beside archives only."""
        if name.endswith(".snap"):
            raise StoreError("away")
        yield from super().get(name)


def test_while_nobody_knows_which_is_good_none_is_taken_away(
    server: ServerProcess, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, url(server))
    for number in range(3):
        take(order(), f"uid-{number}", bench.tools)
        bench.clock.now_s += HOUR_S
    told = take(order(verify="None"), "uid-new", bench.tools)
    bench.store = Silent(bench.volume, "backups")
    asked = order(verify="None", retention=Retention(keep_last=1))
    assert take(asked, "uid-new", bench.tools) == told
    assert sum(name.endswith(".snap") for name in bench.names()) == 4


class Locked(FolderStore):
    """A store that takes and never lets go."""

    def delete(self, name: str) -> None:
        """No."""
        raise StoreError("object lock")


def test_old_archives_that_cannot_go_fail_nothing(server: ServerProcess, tmp_path: Path) -> None:
    bench = Bench(tmp_path, url(server))
    bench.store = Locked(bench.volume, "backups")
    for number in range(2):
        bench.clock.now_s += HOUR_S
        assert take(order(retention=Retention(keep_last=1)), f"uid-{number}", bench.tools)
    assert len(bench.names()) == 4


def restoring(bench: Bench, at: str, name: str) -> RestoreTools:
    return RestoreTools(server=JobServer(url=at), store=bench.store, name=name, work=bench.work)


def restore_order(act: Any, uid: str = "") -> RestoreOrder:
    return RestoreOrder(act=act, location=Location(pvc=Pvc(claim_name="backups")), restore_uid=uid)


def test_an_archive_comes_back_once_under_its_uid(
    server: ServerProcess, throw_away: ServerProcess, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, url(server))
    told = take(order(), "uid-1", bench.tools)
    name = told["location"].removeprefix("pvc://backups/")
    tools = restoring(bench, url(throw_away), name)
    checked = carry_out(restore_order("Validate"), tools)
    assert (checked["index"], checked["sha256"]) == (told["index"], told["sha256"])
    first = carry_out(restore_order("Restore", "restore-1"), tools)
    assert throw_away.request("PUT", "/v1/kv/after", b"x")[0] == 200
    second = carry_out(restore_order("Restore", "restore-1"), tools)
    assert (first["alreadyApplied"], second["alreadyApplied"]) == (False, True)
    assert throw_away.request("GET", "/v1/kv/after?raw")[1] == b"x"
    carry_out(restore_order("Restore", "restore-2"), tools)
    assert throw_away.request("GET", "/v1/kv/after?raw")[0] == 404


def test_delete_takes_the_archive_and_what_lies_beside_it(
    server: ServerProcess, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, url(server))
    told = take(order(), "uid-1", bench.tools)
    name = told["location"].removeprefix("pvc://backups/")
    for _ in range(2):
        carry_out(restore_order("Delete"), restoring(bench, "", name))
        assert bench.names() == []


def test_a_broken_archive_is_put_nowhere(throw_away: ServerProcess, tmp_path: Path) -> None:
    bench = Bench(tmp_path, url(throw_away))
    assert throw_away.request("PUT", "/v1/kv/there", b"x")[0] == 200
    broken = write(tmp_path / "b.snap", members(state(*keys(3)))).read_bytes()[:-20]
    (bench.volume / "b.snap").write_bytes(broken)
    with pytest.raises(JobError) as caught:
        carry_out(restore_order("Restore", "r"), restoring(bench, url(throw_away), "b.snap"))
    assert caught.value.reason == "ArchiveBroken"
    assert throw_away.request("GET", "/v1/kv/there?raw")[1] == b"x"


def test_another_file_under_the_name_is_found_out(server: ServerProcess, tmp_path: Path) -> None:
    bench = Bench(tmp_path, url(server))
    told = take(order(), "uid-1", bench.tools)
    name = told["location"].removeprefix("pvc://backups/")
    write(bench.volume / name, members(state(*keys(3))))
    with pytest.raises(JobError, match="not the file"):
        carry_out(restore_order("Validate"), restoring(bench, "", name))


def test_an_archive_that_is_not_there_is_told_in_one_word(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "")
    with pytest.raises(JobError) as caught:
        carry_out(restore_order("Validate"), restoring(bench, "", "c/none.snap"))
    assert caught.value.reason == "ObjectAbsent"


@pytest.mark.skipif(not S3_REAL, reason="S3_REAL names no S3 gateway")
def test_all_of_it_goes_by_s3(
    server: ServerProcess, throw_away: ServerProcess, tmp_path: Path
) -> None:
    with gateway(tmp_path, 247) as endpoint, pytest.MonkeyPatch.context() as environment:
        for key, value in KEYS.items():
            environment.setenv(key, value)
        bench = Bench(tmp_path, url(server), url(throw_away))
        s3 = Destination(s3=S3Destination(endpoint=endpoint, bucket="backups", prefix="p"))
        bench.store = open_destination(s3, Places(ca_file=tmp_path / "none"))
        asked = order(destination=s3, verify="Restore", retention=Retention(keep_last=1))
        take(asked, "uid-0", bench.tools)
        bench.clock.now_s += HOUR_S
        told = take(asked, "uid-1", bench.tools)
        assert take(asked, "uid-1", bench.tools) == told
        assert len(bench.names()) == 2
        name = told["location"].removeprefix("s3://backups/p/")
        tools = restoring(bench, url(throw_away), name)
        assert not carry_out(restore_order("Restore", "by-s3"), tools)["alreadyApplied"]
        carry_out(restore_order("Delete"), tools)
        assert bench.names() == []
