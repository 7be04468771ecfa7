"""How a test run ends: with numbers, and red where a named peer was not used."""

import os
import subprocess
import sys
from pathlib import Path

STORIES = """
import os
import pytest

def test_passes(): pass
def test_fails(): assert not os.environ.get("FAIL")

@pytest.mark.skipif(True, reason="CONSUL_REAL names no Consul 1.8.7")
def test_needs_a_peer(): pass

def test_is_not_for_this_machine():
    pytest.skip("needs two disks")
"""


def run(folder: Path, *flags: str, **environment: str) -> tuple[int, str]:
    """(exit code, output) of pytest over the stories."""
    (folder / "test_stories.py").write_text(STORIES)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    for name in ("CONSUL_REAL", "TEST_RESULTS"):
        clean.pop(name, None)
    words = [sys.executable, "-m", "pytest", "-p", "server_tests.summary", "-c", os.devnull]
    ended = subprocess.run(
        [*words, f"--rootdir={folder}", *flags, str(folder)],
        capture_output=True,
        text=True,
        env={**clean, **environment},
        check=False,
        timeout=60,
    )
    return ended.returncode, ended.stdout


def test_a_run_ends_with_passed_failed_and_skipped_by_reason(tmp_path: Path) -> None:
    results = str(tmp_path / "results")
    code, output = run(tmp_path, "-n", "2", TEST_RESULTS=results, SERF_REAL="/opt/serf")
    assert code == 0
    tail = output.partition("= result =")[2]
    assert "passed: 2\nfailed: 0\nskipped: 2\n" in tail
    assert "  1 x CONSUL_REAL names no Consul 1.8.7\n  1 x needs two disks\n" in tail

    code, output = run(tmp_path, FAIL="1", TEST_RESULTS=results)
    assert code == 1
    assert "passed: 1\nfailed: 1\nskipped: 2\n" in output

    told = subprocess.run(
        [sys.executable, "-m", "server_tests.summary", results],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert told.startswith("==== all 2 test runs ====\npassed: 3\nfailed: 1\nskipped: 4\n")
    assert "  2 x needs two disks\n" in told


def test_a_skip_for_want_of_a_named_peer_fails_the_run(tmp_path: Path) -> None:
    code, output = run(tmp_path, CONSUL_REAL="/opt/consul")
    assert code == 1
    assert "CONSUL_REAL is set, and yet tests skipped for want of it" in output
