"""Certificates change under a running agent: taken together, or not at all."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from proconsul.config.schema import Tls
from proconsul.runtime.tls import https_context
from proconsul.runtime.tls_watch import Take, TlsFiles, TlsWatch, tls_files
from server_tests.runtime.certificates import Authority, tls_keys


def fingerprints(path: str) -> list[str]:
    """Of all certificates in a file."""
    found = x509.load_pem_x509_certificates(Path(path).read_bytes())
    return [hashlib.sha256(each.public_bytes(Encoding.DER)).hexdigest() for each in found]


def written(path: str, *, end: str = "", whole: bytes = b"") -> bytes:
    """What a file held, before `end` was put behind it, or `whole` in its place."""
    file = Path(path)
    before = file.read_bytes()
    file.write_bytes(whole or before + end.encode())
    return before


class Site:
    """A folder with certificates, and an agent that watches it."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder, "first")
        self.tls: Tls = tls_keys(self.authority.pair("server"), self.authority.ca_file)
        self.taken: list[TlsFiles] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.watch = TlsWatch(self.read, self.prepare)
        self.watch.loaded = self.read()

    def read(self) -> TlsFiles:
        return tls_files(self.tls)

    def prepare(self) -> Take:
        https_context(self.tls)
        self.meanwhile()
        self.meanwhile = lambda: None
        made_of = self.read()

        async def take() -> None:
            self.taken.append(made_of)

        return take


async def test_nothing_is_done_while_the_files_stay(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert not await site.watch.look()
    written(site.tls.cert_file)
    assert not await site.watch.look()
    assert site.taken == []


async def test_a_new_certificate_and_more_authorities_are_taken_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    second = Authority(tmp_path, "second")
    written(site.tls.ca_file, end="words between\n" + written(second.ca_file).decode())
    site.authority.pair("server")
    assert await site.watch.look()
    assert not await site.watch.look()
    (loaded,) = site.taken
    assert loaded == site.watch.loaded
    assert [loaded.certificate] == fingerprints(site.tls.cert_file)
    assert list(loaded.authorities) == fingerprints(site.tls.ca_file)
    assert len(loaded.authorities) == 2


async def test_a_mounted_secret_that_is_swapped_by_its_link_is_another(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        site.authority.folder = tmp_path / name
        site.authority.pair("server")
    link = tmp_path / "..data"
    link.symlink_to("old")
    site.tls = msgspec.structs.replace(
        site.tls, cert_file=f"{link}/server.crt", key_file=f"{link}/server.key"
    )
    assert await site.watch.look()
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").rename(link)
    assert await site.watch.look()
    assert site.taken[0].certificate != site.taken[1].certificate


async def test_a_certificate_without_its_key_changes_nothing_until_the_key_comes(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    held, old_key = site.watch.loaded, written(site.tls.key_file)
    site.authority.pair("server")
    new_key = written(site.tls.key_file, whole=old_key)
    for _ in range(2):
        assert not await site.watch.look()
    assert (site.taken, site.watch.loaded) == ([], held)
    written(site.tls.key_file, whole=new_key)
    assert await site.watch.look()
    assert len(site.taken) == 1


async def test_files_that_change_while_they_are_read_are_looked_at_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.authority.pair("server")
    site.meanwhile = lambda: site.authority.pair("server")
    assert not await site.watch.look()
    assert site.taken == []
    assert await site.watch.look()
    assert [each.certificate for each in site.taken] == fingerprints(site.tls.cert_file)


async def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    held = site.watch.loaded
    site.tls = msgspec.structs.replace(site.tls, cert_file=str(tmp_path / "gone.crt"))
    assert not await site.watch.look()
    assert site.watch.loaded == held


def test_without_files_there_is_nothing_to_tell() -> None:
    told = tls_files(tls_keys())
    assert (told.certificate, told.authorities) == ("", ())
