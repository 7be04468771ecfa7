"""`proconsul validate`: files are right or wrong, and the exit code says which."""

from pathlib import Path

import pytest

from proconsul.cli.main import main

GOOD = 'data_dir = "/var/lib/x" server = true bind_addr = "127.0.0.1"'


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_valid_files_are_told_and_with_quiet_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.hcl"
    file.write_text(GOOD)
    assert main(["validate", str(file)]) == 0
    assert told(capsys) == ("Configuration is valid!\n", "")
    assert main(["validate", "-quiet", str(tmp_path)]) == 0
    assert told(capsys) == ("", "")


def test_the_format_can_be_named_for_any_file_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.conf"
    file.write_text(GOOD)
    assert main(["validate", str(file)]) == 1  # skipped, so that nothing is set
    assert "data_dir cannot be empty" in told(capsys)[1]
    for words in (["-config-format=hcl"], ["-config-format", "hcl"]):
        assert main(["validate", *words, str(file)]) == 0
    assert main(["validate", "-config-format=json", str(file)]) == 1


def test_what_is_wrong_is_told_even_when_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.hcl"
    file.write_text(f"{GOOD}\nnode_nam = 1")
    assert main(["validate", "-quiet", str(file)]) == 1
    out, err = told(capsys)
    assert out == ""
    assert err.startswith(f"Config validation failed: failed to parse {file}")
    assert "invalid config key node_nam (line 2)" in err


def test_a_key_that_does_nothing_yet_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.hcl"
    file.write_text(f'{GOOD} alt_domain = "example."')
    assert main(["validate", str(file)]) == 0
    assert 'config key "alt_domain" does nothing yet' in told(capsys)[0]


def test_words_that_are_no_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate"]) == 1
    assert "Must specify at least one config file or directory" in told(capsys)[1]
    assert main(["validate", "-data-dir=/x", "a.hcl"]) == 1
    assert "flag provided but not defined: -data-dir" in told(capsys)[1]
    assert main(["validate", "-help"]) == 0
    assert "-config-format" in told(capsys)[0]
