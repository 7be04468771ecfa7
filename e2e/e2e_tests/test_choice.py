"""How pytest is told which cases to run, and that none may be skipped."""

import os
import subprocess
import sys
from pathlib import Path

CASES = """
import pytest

@pytest.mark.case(minutes=3, short=True)
@pytest.mark.parametrize("run", ["quick"])
def test_short(run): pass

@pytest.mark.case(minutes=8)
@pytest.mark.parametrize("run", ["long"])
def test_long(run): pass

@pytest.mark.case(minutes=1)
@pytest.mark.parametrize("run", ["elsewhere"])
def test_needs_nodes(run): pytest.skip("nodes are out of reach")
"""


def run(folder: Path, *flags: str) -> tuple[int, str]:
    """(exit code, output) of pytest over those cases."""
    (folder / "test_99_cases.py").write_text(CASES)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    case(minutes)\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    words = [sys.executable, "-m", "pytest", "-v", "-p", "e2e.cases.conftest", "-p", "no:xdist"]
    ended = subprocess.run(
        [*words, f"--rootdir={folder}", *flags, str(folder)],
        capture_output=True,
        text=True,
        env={**clean, "SHARD": ""},
        check=False,
        timeout=60,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_all_are_run_and_one_may_be_skipped(tmp_path: Path) -> None:
    code, output = run(tmp_path)
    assert code == 0
    assert "2 passed, 1 skipped" in output


def test_the_short_choice_is_what_is_marked(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--short")
    assert code == 0
    assert "1 passed, 2 deselected" in output
    assert "test_short" in output


def test_a_skipped_case_fails_a_run_that_allows_none(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--no-skip")
    assert code == 1
    assert "1 failed, 2 passed" in output
    assert "no case may be skipped here: Skipped: nodes are out of reach" in output


def test_a_choice_without_a_case_is_no_success(tmp_path: Path) -> None:
    code, _ = run(tmp_path, "--short", "-k", "long")
    assert code != 0
