"""Files change under a running agent: they are taken, or refused once and nothing is changed."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from proconsul.config.schema import Tls
from proconsul.runtime.auto_reload import LOOK_S, AutoReload, CertificateFiles, ConfigFiles, Take
from proconsul.runtime.tls import https_context
from proconsul.runtime.tls_files import TlsFiles, tls_files
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
        self.files = CertificateFiles(self.read, self.prepare)
        self.files.loaded = self.read()

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
    assert not await site.files.look()
    written(site.tls.cert_file)
    assert not await site.files.look()
    assert site.taken == []


async def test_a_new_certificate_and_more_authorities_are_taken_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    second = Authority(tmp_path, "second")
    written(site.tls.ca_file, end="words between\n" + written(second.ca_file).decode())
    site.authority.pair("server")
    assert await site.files.look()
    assert not await site.files.look()
    (loaded,) = site.taken
    assert loaded == site.files.loaded
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
    assert await site.files.look()
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").rename(link)
    assert await site.files.look()
    assert site.taken[0].certificate != site.taken[1].certificate


async def test_a_certificate_without_its_key_changes_nothing_until_the_key_comes(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    held, old_key = site.files.loaded, written(site.tls.key_file)
    site.authority.pair("server")
    new_key = written(site.tls.key_file, whole=old_key)
    for _ in range(2):
        assert not await site.files.look()
    assert (site.taken, site.files.loaded) == ([], held)
    written(site.tls.key_file, whole=new_key)
    assert await site.files.look()
    assert len(site.taken) == 1


async def test_files_that_change_while_they_are_read_are_looked_at_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.authority.pair("server")
    site.meanwhile = lambda: site.authority.pair("server")
    assert not await site.files.look()
    assert site.taken == []
    assert await site.files.look()
    assert [each.certificate for each in site.taken] == fingerprints(site.tls.cert_file)


async def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    held = site.files.loaded
    site.tls = msgspec.structs.replace(site.tls, cert_file=str(tmp_path / "gone.crt"))
    assert not await site.files.look()
    assert site.files.loaded == held


# ---------------------------------------------------------------- the configuration


def test_a_configuration_that_stays_has_not_changed(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text("{}")
    files = ConfigFiles([str(tmp_path)])
    assert not files.have_changed()
    assert not files.have_changed()


def test_a_written_file_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "server.json"
    file.write_text("{}")
    files = ConfigFiles([str(file)])
    file.write_text('{"log_level": "DEBUG"}')
    assert files.have_changed()
    assert not files.have_changed()


def test_a_kubelet_moves_a_link_to_new_files_of_the_same_size(tmp_path: Path) -> None:
    for name in ("..first", "..second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "server.json").write_text("{}")
        os.utime(tmp_path / name / "server.json", (1, 1))
    (tmp_path / "..data").symlink_to("..first")
    (tmp_path / "server.json").symlink_to("..data/server.json")
    files = ConfigFiles([str(tmp_path / "server.json")])
    (tmp_path / "..new").symlink_to("..second")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert files.have_changed()


def test_a_file_more_in_a_folder_and_one_that_went_are_changes(tmp_path: Path) -> None:
    files = ConfigFiles([str(tmp_path)])
    (tmp_path / "more.hcl").write_text("")
    assert files.have_changed()
    (tmp_path / "more.hcl").unlink()
    assert files.have_changed()


def test_a_folder_that_is_away_is_no_error(tmp_path: Path) -> None:
    files = ConfigFiles([str(tmp_path / "nowhere")])
    assert not files.have_changed()


# ---------------------------------------------------------------- the loop


class Told:
    """An agent with a configuration, which counts what it is told; `answers` are of its reloads."""

    def __init__(self, folder: Path, *answers: bool) -> None:
        self.site = Site(folder)
        self.file = folder / "server.hcl"
        self.file.write_text("")
        self.answers = list(answers)
        self.reloads = 0
        self.auto = AutoReload(ConfigFiles([str(self.file)]), self.reload, self.site.files.look)

    async def reload(self) -> bool:
        self.reloads += 1
        answer = self.answers.pop(0)
        if answer:
            self.site.files.loaded = self.site.read()
        return answer


async def test_a_reload_takes_certificates_that_changed_with_the_configuration(
    tmp_path: Path,
) -> None:
    told = Told(tmp_path, True)
    told.file.write_text("# changed")
    told.site.authority.pair("server")
    await told.auto.look()
    assert (told.reloads, told.site.taken) == (1, [])


async def test_a_configuration_that_is_refused_keeps_no_certificate_from_being_taken(
    tmp_path: Path,
) -> None:
    told = Told(tmp_path, False, False)
    told.file.write_text("servise {}")
    await told.auto.look()
    await told.auto.look()
    assert told.reloads == 1, "it is told once"
    told.site.authority.pair("server")
    await told.auto.look()
    assert len(told.site.taken) == 1


async def test_a_configuration_that_came_before_its_certificates_is_tried_again(
    tmp_path: Path,
) -> None:
    told = Told(tmp_path, False, True)
    told.file.write_text("# changed")
    await told.auto.look()
    told.site.authority.pair("server")
    await told.auto.look()
    assert told.reloads == 2
    told.site.authority.pair("server")
    await told.auto.look()
    assert told.reloads == 2, "nothing is left to be tried"


async def test_looks_go_on_after_one_that_failed(tmp_path: Path) -> None:
    told = Told(tmp_path, True)

    def broken() -> None:
        raise OSError(5, "Input/output error")

    told.site.meanwhile = broken
    running = asyncio.ensure_future(told.auto.run())
    told.site.authority.pair("server")
    await asyncio.sleep(LOOK_S + 1)
    assert told.site.taken == []
    told.site.meanwhile = lambda: None
    await asyncio.sleep(LOOK_S)
    assert len(told.site.taken) == 1
    running.cancel()
