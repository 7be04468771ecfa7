"""Files and directories of configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from proconsul.config.failure import ConfigError
from proconsul.config.flags import parse_agent_flags
from proconsul.config.schema import LoadedConfig
from proconsul.runtime.config_files import FILE_BYTES_MAX, load


def start(tmp_path: Path, *argv: str) -> LoadedConfig:
    given = ["-bind=127.0.0.1", f"-data-dir={tmp_path}/data", *argv]
    return load(parse_agent_flags(given))


def test_a_directory_is_read_in_order_and_what_is_no_configuration_is_left_out(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "conf"
    (directory / "sub.hcl").mkdir(parents=True)
    (directory / "b.json").write_text('{"node_name": "b", "retry_join": ["b"]}')
    (directory / "a.hcl").write_text('node_name = "a"\nretry_join = ["a"]\n')
    (directory / "README").write_text("not a setting")
    (directory / "empty.hcl").write_text("")
    loaded = start(tmp_path, f"-config-dir={directory}")
    assert loaded.config.node_name == "b"
    assert loaded.config.joining.retry_join == ("a", "b")
    assert loaded.warnings[0] == (
        f"skipping file {directory}/README, extension must be .hcl or .json, "
        "or config format must be set"
    )


def test_files_and_directories_are_read_in_the_order_of_the_command_line(tmp_path: Path) -> None:
    directory = tmp_path / "conf"
    directory.mkdir()
    (directory / "a.hcl").write_text('node_name = "directory"')
    file = tmp_path / "z.hcl"
    file.write_text('node_name = "file"')
    in_order = (f"-config-file={file}", f"-config-dir={directory}")
    assert start(tmp_path, *in_order).config.node_name == "directory"
    assert start(tmp_path, *reversed(in_order)).config.node_name == "file"


def test_links_in_a_directory_are_followed_as_kubernetes_mounts_them(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.json").write_text('{"node_name": "linked"}')
    directory = tmp_path / "conf"
    directory.mkdir()
    (directory / "a.json").symlink_to(tmp_path / "..data" / "a.json")
    (directory / "dir.json").symlink_to(tmp_path / "..data")
    assert start(tmp_path, f"-config-dir={directory}").config.node_name == "linked"


def test_a_forced_format_reads_every_file_as_that(tmp_path: Path) -> None:
    file = tmp_path / "settings.conf"
    file.write_text('{"node_name": "x"}')
    assert start(tmp_path, f"-config-file={file}", "-config-format=json").config.node_name == "x"
    skipped = start(tmp_path, f"-config-file={file}")
    assert skipped.config.node_name != "x"
    assert skipped.warnings[0].startswith(f"skipping file {file}")


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    missing = tmp_path / "missing.hcl"
    with pytest.raises(ConfigError) as error:
        start(tmp_path, f"-config-file={missing}")
    assert str(error.value) == (
        f"config: Open failed on {missing}. open {missing}: no such file or directory"
    )
    file = tmp_path / "latin.hcl"
    file.write_bytes(b'node_name = "a"\ndomain = "\xe9"\n')
    with pytest.raises(ConfigError, match=r"latin\.hcl: line 2: it is not UTF-8 text"):
        start(tmp_path, f"-config-file={file}")


def test_a_file_of_absurd_size_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "big.hcl"
    with file.open("wb") as handle:
        handle.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(ConfigError, match=f"over {FILE_BYTES_MAX} bytes"):
        start(tmp_path, f"-config-file={file}")


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError) as error:
        start(tmp_path)
    assert str(error.value) == f'data_dir "{tmp_path}/data" is not a directory'
    with pytest.raises(ConfigError) as error:
        start(tmp_path, f"-data-dir={tmp_path}/data/below")
    assert str(error.value) == (
        f"Error getting info on data_dir: stat {tmp_path}/data/below: not a directory"
    )


def test_loading_again_with_the_same_flags_sees_what_changed(tmp_path: Path) -> None:
    file = tmp_path / "web.hcl"
    flags = parse_agent_flags(["-dev", f"-config-file={file}"])
    file.write_text('service { name = "web" }')
    assert [service.name for service in load(flags).services] == ["web"]
    file.write_text('services { name = "web" }\nservices { name = "db" }')
    assert [service.name for service in load(flags).services] == ["web", "db"]
