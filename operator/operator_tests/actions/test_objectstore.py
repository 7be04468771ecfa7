"""The three stores keep the same promises; the folder, S3 and HTTP are real ones."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from operator_tests.actions.gateway import KEYS, S3_REAL, gateway
from operator_tests.charts.test_scripts import serving
from proconsul_operator.actions.archive import sha256_of
from proconsul_operator.actions.objectstore import (
    AbsentError,
    DeniedError,
    FolderStore,
    ObjectStore,
    StoreError,
)
from proconsul_operator.actions.stores import (
    Places,
    location_of,
    open_destination,
    open_location,
)
from proconsul_operator.api.places import Destination, Http, Pvc, S3Destination

needs_s3 = pytest.mark.skipif(not S3_REAL, reason="S3_REAL names no S3 gateway")


class Shelf(BaseHTTPRequestHandler):
    """A server that takes PUT."""

    held: dict[str, bytes]

    def do_PUT(self) -> None:
        if self.headers["Authorization"] != "Bearer us":
            self.answer(403, b"")
            return
        self.held[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201, b"")

    def do_GET(self) -> None:
        found = self.held.get(self.path)
        self.answer(404 if found is None else 200, found or b"")

    def do_DELETE(self) -> None:
        self.answer(404 if self.held.pop(self.path, None) is None else 204, b"")

    def answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A destination that works, and what its Job's pod has."""

    destination: Destination
    places: Places

    @property
    def store(self) -> ObjectStore:
        """Opened."""
        return open_destination(self.destination, self.places)


@pytest.fixture(params=["pvc", "http", pytest.param("s3", marks=needs_s3)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    work, volume = tmp_path / "work", tmp_path / "volume"
    work.mkdir()
    volume.mkdir()
    places = Places(volume=volume, ca_file=tmp_path / "none", work=work, authorization="Bearer us")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as environment:
        if request.param == "pvc":
            yield Place(Destination(pvc=Pvc(claim_name="backups", path="/a/b")), places)
        elif request.param == "http":
            port = stack.enter_context(serving(type("OfATest", (Shelf,), {"held": {}})))
            url = f"http://127.0.0.1:{port}/shelf"
            yield Place(Destination(http=Http(url=url)), places)
        else:
            for name, value in KEYS.items():
                environment.setenv(name, value)
            endpoint = stack.enter_context(gateway(tmp_path, 241))
            s3 = S3Destination(endpoint=endpoint, bucket="backups", prefix="a/b")
            yield Place(Destination(s3=s3), places)


def put(store: ObjectStore, name: str, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    store.put(name, file, sha256=sha256_of(file))


def content_of(store: ObjectStore, name: str) -> bytes:
    return b"".join(store.get(name))


def test_what_is_put_is_got_and_its_url_leads_back(place: Place, tmp_path: Path) -> None:
    store, content = place.store, os.urandom(3 * 2**20 + 1)
    put(store, "c/one.snap", tmp_path / "file", content)
    assert content_of(store, "c/one.snap") == content
    url = store.url("c/one.snap")
    other, name = open_location(location_of(place.destination, url), place.places)
    assert content_of(other, name) == content
    assert other.url(name) == url


def test_a_second_put_replaces_the_first(place: Place, tmp_path: Path) -> None:
    store = place.store
    put(store, "c/one", tmp_path / "file", b"first")
    put(store, "c/one", tmp_path / "file", b"second")
    assert content_of(store, "c/one") == b"second"


def test_what_is_deleted_is_absent_and_twice_is_as_good_as_once(
    place: Place, tmp_path: Path
) -> None:
    store = place.store
    put(store, "c/one", tmp_path / "file", b"x")
    store.delete("c/one")
    store.delete("c/one")
    with pytest.raises(AbsentError):
        content_of(store, "c/one")


def test_a_list_has_what_begins_so_and_nothing_else(place: Place, tmp_path: Path) -> None:
    store = place.store
    if place.destination.http is not None:
        with pytest.raises(StoreError, match="cannot be listed"):
            list(store.list("c/"))
        return
    for name in ("c/one", "c/two", "d/one"):
        put(store, name, tmp_path / "file", name.encode())
    found = {entry.name: entry for entry in store.list("c/")}
    assert found.keys() == {"c/one", "c/two"}
    assert found["c/one"].size_bytes == 5
    assert abs(found["c/one"].modified_s - (tmp_path / "file").stat().st_mtime) < 60
    assert list(store.list("nobody/")) == []


@needs_s3
def test_a_list_goes_on_after_the_first_thousand(tmp_path: Path) -> None:
    with gateway(tmp_path, 242) as endpoint, pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        bucket = tmp_path / "s3" / "backups" / "c"
        bucket.mkdir()
        for number in range(1005):
            (bucket / f"{number:04}").touch()
        s3 = S3Destination(endpoint=endpoint, bucket="backups")
        store = open_destination(Destination(s3=s3), Places(ca_file=tmp_path / "none"))
        assert sum(1 for _ in store.list("c/")) == 1005


@needs_s3
def test_a_wrong_secret_is_told_from_a_store_that_fails(tmp_path: Path) -> None:
    with gateway(tmp_path, 243) as endpoint, pytest.MonkeyPatch.context() as environment:
        for name, value in {**KEYS, "AWS_SECRET_ACCESS_KEY": "wrong"}.items():
            environment.setenv(name, value)
        s3 = S3Destination(endpoint=endpoint, bucket="backups")
        store = open_destination(Destination(s3=s3), Places(ca_file=tmp_path / "none"))
        with pytest.raises(DeniedError, match="SignatureDoesNotMatch"):
            content_of(store, "c/one")


def test_a_server_that_refuses_is_told_from_one_that_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with serving(type("OfATest", (Shelf,), {"held": {}})) as port:
        destination = Destination(http=Http(url=f"http://127.0.0.1:{port}/shelf"))
        store = open_destination(destination, Places(ca_file=tmp_path / "none"))
        with pytest.raises(DeniedError, match="403"):
            store.put("c/one", tmp_path / "file", sha256="")
    with pytest.raises(StoreError) as caught:
        store.put("c/one", tmp_path / "file", sha256="")
    assert type(caught.value) is StoreError


def test_no_path_leads_out_of_the_volume(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    with pytest.raises(StoreError, match="leads out"):
        FolderStore(tmp_path / "volume", "claim", "../")
    store = FolderStore(tmp_path / "volume", "claim")
    with pytest.raises(StoreError, match="leads out"):
        content_of(store, "../../etc/passwd")


def test_half_a_file_is_not_listed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, "claim")
    put(store, "c/one", tmp_path / "file", b"x")
    (tmp_path / "c" / ".two.part").write_bytes(b"half")
    assert [entry.name for entry in store.list("c/")] == ["c/one"]


def test_a_url_of_another_place_is_refused() -> None:
    destination = Destination(pvc=Pvc(claim_name="ours"))
    with pytest.raises(StoreError, match="does not lie in"):
        location_of(destination, "pvc://theirs/a.snap")
