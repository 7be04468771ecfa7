"""Files count as changed when what a path leads to is another."""

import os
from pathlib import Path

from proconsul.runtime.config_watch import ConfigWatch


def test_files_that_stay_have_not_changed(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text("{}")
    watch = ConfigWatch([str(tmp_path)])
    assert not watch.has_changed()
    assert not watch.has_changed()


def test_a_written_file_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "server.json"
    file.write_text("{}")
    watch = ConfigWatch([str(file)])
    file.write_text('{"log_level": "DEBUG"}')
    assert watch.has_changed()
    assert not watch.has_changed()


def test_a_kubelet_moves_a_link_to_new_files_of_the_same_size(tmp_path: Path) -> None:
    for name in ("..first", "..second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "server.json").write_text("{}")
        os.utime(tmp_path / name / "server.json", (1, 1))
    (tmp_path / "..data").symlink_to("..first")
    (tmp_path / "server.json").symlink_to("..data/server.json")
    watch = ConfigWatch([str(tmp_path / "server.json")])
    (tmp_path / "..new").symlink_to("..second")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert watch.has_changed()


def test_a_file_more_in_a_folder_and_one_that_went_are_changes(tmp_path: Path) -> None:
    watch = ConfigWatch([str(tmp_path)])
    (tmp_path / "more.hcl").write_text("")
    assert watch.has_changed()
    (tmp_path / "more.hcl").unlink()
    assert watch.has_changed()


def test_a_folder_that_is_away_is_no_error(tmp_path: Path) -> None:
    watch = ConfigWatch([str(tmp_path / "nowhere")])
    assert not watch.has_changed()
