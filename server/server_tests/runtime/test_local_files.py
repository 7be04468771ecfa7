"""The files of services and checks."""

from pathlib import Path

import pytest

from proconsul.local.persistence import Remove, SavedState, Write, save_state
from proconsul.runtime.local_files import LocalFiles


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    LocalFiles(tmp_path).apply([Write(path="services/a", data=b"secret", durable=True)])
    assert (tmp_path / "services" / "a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "services").stat().st_mode & 0o777 == 0o700


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.apply([Write(path="services/a", data=b"old", durable=True)])
    (tmp_path / "services" / "a.tmp").mkdir()
    with pytest.raises(IsADirectoryError):
        files.apply([Write(path="services/a", data=b"new", durable=True)])
    assert (tmp_path / "services" / "a").read_bytes() == b"old"


def test_removing_twice_is_once(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.apply([Write(path="checks/a", data=b"", durable=True), Remove(path="checks/a")])
    files.apply([Remove(path="checks/a"), Remove(path="checks/state/a")])
    assert list((tmp_path / "checks").iterdir()) == []


def test_the_states_do_not_count_as_checks(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    state = SavedState(check_id="c", status="passing", output="", expires_unix_s=9)
    files.apply([save_state(state)])
    saved = files.load()
    assert saved.states == (state,)
    assert saved.checks == ()
    assert saved.unreadable == {}


def test_an_empty_data_directory_has_nothing(tmp_path: Path) -> None:
    saved = LocalFiles(tmp_path / "not there").load()
    assert (saved.services, saved.checks, saved.states) == ((), (), ())
