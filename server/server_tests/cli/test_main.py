"""The command line: which command, which answer, which exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proconsul import CONSUL_VERSION, __version__
from proconsul.cli.main import main
from server_tests.lifecycle.server import command


@pytest.mark.parametrize("word", ["version", "-v", "-version", "--version"])
def test_version_names_ours_and_the_one_we_behave_as(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word]) == 0
    told = capsys.readouterr().out
    assert told == f"Proconsul v{__version__}\nBehaves as Consul v{CONSUL_VERSION}\n"


def test_help_lists_the_commands_and_an_unknown_one_is_code_127(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["-help"]) == 0
    usage = capsys.readouterr().out
    assert "agent" in usage
    assert "validate" in usage
    assert main(["frobnicate"]) == 127
    assert "unknown command 'frobnicate'" in capsys.readouterr().err
    assert main([]) == 127


def test_the_agents_help_lists_its_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "-help"]) == 0
    told = capsys.readouterr().out
    for flag in ("-bootstrap-expect", "-data-dir", "-config-dir", "-dev", "-http-port"):
        assert f"  {flag}" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-frob"], "error parsing flags: flag provided but not defined: -frob"),
        (["-http-port=x"], 'invalid value "x" for flag -http-port'),
        (["-server", "word"], "Unexpected extra arguments: [word]"),
        (["-server"], "data_dir cannot be empty"),
        (["-server", "-data-dir=/dev/null"], 'data_dir "/dev/null" is not a directory'),
        (["-server", "-dev", "-node-id=xyz"], "specified NodeID is invalid"),
        (["-server", "-dev", "-log-level=loud"], "Invalid log level: loud"),
        (["-server", "-dev", "-config-file=/no/such.hcl"], "Open failed on /no/such.hcl"),
        (["-server", "-dev", "-bind=nowhere"], "invalid ip address: nowhere"),
    ],
)
def test_what_the_agent_cannot_do_is_told_with_code_1(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agent", *words]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("==> ")
    assert told in captured.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.hcl", 'node_name = "x"\n\nnode_nam = "y"\n'),
        ("a.json", '{"node_name": "x",\n\n"node_nam": "y"}'),
    ],
)
def test_an_unknown_key_is_told_with_file_key_and_line(
    name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert main(["agent", "-dev", f"-config-file={file}"]) == 1
    told = capsys.readouterr().err
    assert f"failed to parse {file}" in told
    assert "invalid config key node_nam (line 3)" in told


def test_without_assertions_no_server_runs() -> None:
    words = [sys.executable, "-O", *command("agent", "-dev")[1:]]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 1
    assert "start it without -O" in ended.stderr


def test_sigterm_ends_a_server_that_has_not_begun_yet(tmp_path: Path) -> None:
    """As process 1 of a container it would live on until it is killed, if it did not hear it."""
    pipe = tmp_path / "slow.hcl"
    os.mkfifo(pipe)
    words = ["agent", "-server", f"-data-dir={tmp_path}", f"-config-file={pipe}"]
    server = subprocess.Popen(command(*words), stderr=subprocess.PIPE)
    with server, pipe.open("w"):  # it has begun to read, and waits for the end
        server.terminate()
        told = server.communicate(timeout=60)[1]
    assert (server.returncode, told) == (0, b"")
