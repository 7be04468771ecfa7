"""A Job that looks at an archive again, with real stores: good, bad, gone, or nothing to be said.

Where it knows the answer it ends well, be the answer good or bad. Where the store does not answer
it fails, and nobody calls the archive damaged.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from operator_tests.actions.archives import keys, members, state, write
from operator_tests.actions.gateway import KEYS, S3_REAL, gateway
from operator_tests.actions.test_objectstore import Shelf
from operator_tests.charts.test_scripts import serving
from proconsul_operator.actions.archive import sha256_of
from proconsul_operator.actions.job_orders import JobError, RestoreOrder, result_of, result_text
from proconsul_operator.actions.job_server import JobServer
from proconsul_operator.actions.objectstore import AbsentError, FolderStore, ObjectStore
from proconsul_operator.actions.restore_job import RestoreTools, carry_out
from proconsul_operator.actions.stores import Places, open_location
from proconsul_operator.api.places import Http, Location, Pvc, S3Location
from proconsul_operator.plans.verification import DAMAGES

needs_s3 = pytest.mark.skipif(not S3_REAL, reason="S3_REAL names no S3 gateway")
NAME = "c/20260101T000000Z-7-0123abcd.snap"


class Look:
    """An archive in a store, and a Job that looks at it."""

    def __init__(self, folder: Path, location: Location) -> None:
        self.folder = folder
        for name in ("work", "volume"):
            (folder / name).mkdir(exist_ok=True)
        self.location = location
        self.places = Places(
            volume=folder / "volume", ca_file=folder / "none", work=folder / "work",
            authorization="Bearer us",
        )  # fmt: skip
        self.store, self.name = open_location(location, self.places)
        self.put(folder / "good.snap", members(state(*keys(5))))
        self.sha256 = sha256_of(folder / "good.snap")
        self.size_bytes = (folder / "good.snap").stat().st_size

    def put(self, file: Path, files: Any) -> None:
        """This archive from here on."""
        write(file, files)
        self.store.put(self.name, file, sha256=sha256_of(file))

    def put_bytes(self, content: bytes) -> None:
        """These bytes, as a disk may give them back."""
        (self.folder / "bytes").write_bytes(content)
        self.store.put(self.name, self.folder / "bytes", sha256=sha256_of(self.folder / "bytes"))

    def content(self) -> bytes:
        """As it was put first."""
        return (self.folder / "good.snap").read_bytes()

    def again(self, store: ObjectStore | None = None, **more: Any) -> dict[str, Any]:
        """The Job's result, as the kubelet passes it on. Raises JobError."""
        given = {"sha256": self.sha256, "size_bytes": self.size_bytes, **more}
        order = RestoreOrder(act="Verify", location=self.location, **given)
        tools = RestoreTools(
            server=JobServer(url=""),
            store=store or self.store,
            name=self.name,
            work=self.folder / "work",
        )
        found = result_of(result_text(carry_out(order, tools)))
        assert found is not None
        return found


@pytest.fixture(params=["pvc", "http", pytest.param("s3", marks=needs_s3)])
def look(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Look]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as environment:
        if request.param == "pvc":
            location = Location(pvc=Pvc(claim_name="backups", path=f"a/{NAME}"))
        elif request.param == "http":
            port = stack.enter_context(serving(type("OfATest", (Shelf,), {"held": {}})))
            location = Location(http=Http(url=f"http://127.0.0.1:{port}/{NAME}"))
        else:
            for name, value in KEYS.items():
                environment.setenv(name, value)
            endpoint = stack.enter_context(gateway(tmp_path, 151))
            s3 = S3Location(endpoint=endpoint, bucket="backups", key=f"a/{NAME}")
            location = Location(s3=s3)
        yield Look(tmp_path, location)


def test_what_is_as_it_was_is_verified(look: Look) -> None:
    told = look.again()
    assert told["verified"] is True
    assert "error" not in told


def test_other_bytes_are_found(look: Look) -> None:
    good = bytearray(look.content())
    good[64] ^= 0xFF
    look.put_bytes(bytes(good))
    told = look.again()
    assert (told["verified"], told["error"]["reason"]) == (False, "ArchiveBroken")


@needs_s3
def test_other_bytes_on_the_disk_of_a_gateway_are_found(tmp_path: Path) -> None:
    with gateway(tmp_path, 154) as endpoint, pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        s3 = S3Location(endpoint=endpoint, bucket="backups", key=NAME)
        look = Look(tmp_path, Location(s3=s3))
        file = tmp_path / "s3" / "backups" / NAME
        with file.open("r+b") as held:
            held.seek(64)
            held.write(bytes(byte ^ 0xFF for byte in look.content()[64:80]))
        told = look.again()
        assert (told["verified"], told["error"]["reason"]) == (False, "ArchiveBroken")
        file.unlink()
        assert look.again()["error"]["reason"] == "ObjectAbsent"


def test_fewer_bytes_are_found(look: Look) -> None:
    look.put_bytes(look.content()[:-100])
    told = look.again()
    assert (told["verified"], told["error"]["reason"]) == (False, "ArchiveBroken")


def test_another_whole_archive_is_not_the_one_that_was_taken(look: Look) -> None:
    look.put(look.folder / "other.snap", members(state(*keys(6))))
    told = look.again()
    assert (told["verified"], told["error"]["reason"]) == (False, "ChecksumDiffers")
    assert look.sha256 in told["error"]["message"]


def test_one_that_is_gone_is_found(look: Look) -> None:
    look.store.delete(look.name)
    told = look.again()
    assert (told["verified"], told["error"]["reason"]) == (False, "ObjectAbsent")


def test_without_a_checksum_the_archives_own_are_what_counts(look: Look) -> None:
    assert look.again(sha256="", size_bytes=0)["verified"] is True
    look.put_bytes(look.content()[:-100])
    assert look.again(sha256="", size_bytes=0)["verified"] is False


def test_every_word_for_damage_is_one_that_the_plan_knows() -> None:
    assert {"ArchiveBroken", "ChecksumDiffers", "ObjectAbsent"} == DAMAGES


@needs_s3
def test_a_store_that_is_down_is_no_damage(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        with gateway(tmp_path, 152) as endpoint:
            s3 = S3Location(endpoint=endpoint, bucket="backups", key=NAME)
            look = Look(tmp_path, Location(s3=s3))
        with pytest.raises(JobError) as caught:
            look.again()
        assert caught.value.reason == "StoreFailed"


@needs_s3
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "StoreDenied"),
        ({"bucket": "no-such-bucket"}, "StoreFailed"),
    ],
)
def test_a_key_or_a_bucket_that_is_not_known_is_no_damage(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    with gateway(tmp_path, 153) as endpoint, pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        s3 = S3Location(endpoint=endpoint, bucket="backups", key=NAME)
        look = Look(tmp_path, Location(s3=s3))
        for name, value in change.items():
            if name.isupper():
                environment.setenv(name, value)
        asked = S3Location(endpoint=endpoint, bucket=change.get("bucket", "backups"), key=NAME)
        store, _ = open_location(Location(s3=asked), look.places)
        with pytest.raises(JobError) as caught:
            look.again(store)
        assert caught.value.reason == reason


class Front(BaseHTTPRequestHandler):
    """A proxy whose store is away: to all it says that there is nothing."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_a_proxy_that_knows_nothing_at_all_is_no_damage(tmp_path: Path) -> None:
    with serving(Front) as port, pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        look = Look(tmp_path, Location(pvc=Pvc(claim_name="backups", path=NAME)))
        look.location = Location(
            s3=S3Location(endpoint=f"http://127.0.0.1:{port}", bucket="backups", key=NAME)
        )
        store, look.name = open_location(look.location, look.places)
        with pytest.raises(JobError, match="nothing can be listed"):
            look.again(store)


class Torn(Shelf):
    """A connection that breaks in the middle."""

    def answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True


def test_an_answer_that_breaks_off_is_no_damage(tmp_path: Path) -> None:
    with serving(type("OfATest", (Torn,), {"held": {}})) as port:
        look = Look(tmp_path, Location(http=Http(url=f"http://127.0.0.1:{port}/{NAME}")))
        with pytest.raises(JobError, match="broke off") as caught:
            look.again()
        assert caught.value.reason == "StoreFailed"


class Once(FolderStore):
    """A store that gives wrong bytes, or says that there are none, the first time."""

    def __init__(self, root: Path, absent: bool) -> None:
        super().__init__(root, "backups")
        self._absent = absent
        self.asked = 0

    def get(self, name: str) -> Iterator[bytes]:
        """Wrong the first time."""
        self.asked += 1
        if self.asked > 1:
            yield from super().get(name)
        elif self._absent:
            raise AbsentError(name)
        else:
            yield b"not this"


@pytest.mark.parametrize("absent", [False, True])
def test_what_a_second_look_does_not_find_is_no_damage(tmp_path: Path, absent: bool) -> None:
    look = Look(tmp_path, Location(pvc=Pvc(claim_name="backups", path=Path(NAME).name)))
    store = Once(tmp_path / "volume", absent)
    if absent:
        with pytest.raises(JobError, match="yet it is listed"):
            look.again(store)
    else:
        assert look.again(store)["verified"] is True
        assert store.asked == 2
