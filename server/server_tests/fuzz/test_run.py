"""A short run from end to end, as `make fuzz` makes long ones."""

import json
from pathlib import Path

import pytest

from server_tests.fuzz.run import main
from server_tests.fuzz.worker import Notes


@pytest.mark.slow
def test_a_run_leaves_a_corpus_and_a_report_and_the_next_one_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--seconds", "1", "--out", str(tmp_path), "gossip_streams"]
    assert main(options) == 0
    report = json.loads((tmp_path / "gossip_streams" / "report.json").read_text())
    first = len(list((tmp_path / "gossip_streams" / "corpus").iterdir()))
    assert first == report["corpus"] > 10
    assert report["findings"] == []
    assert "findings 0" in capsys.readouterr().out
    assert main([*options, "--seed", "2"]) == 0
    assert len(list((tmp_path / "gossip_streams" / "corpus").iterdir())) >= first


def test_the_input_that_runs_is_in_a_file_for_whoever_survives(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")
    assert notes.read() == (0, b"")
    notes.begin(b"first")
    notes.begin(b"2nd")
    assert Notes(tmp_path / "notes").read() == (2, b"2nd")


def test_who_names_a_decoder_that_is_not_fuzzed_is_told_which_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["telnet"])
    assert "no target: telnet; there are" in capsys.readouterr().err
