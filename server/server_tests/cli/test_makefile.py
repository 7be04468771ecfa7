"""`make` and `.ci/run` on machines where something is missing: they say what."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A tree with the files that `make setup` looks at."""
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt", ".ci/run"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(clone: Path, *words: str, **environment: str) -> tuple[int, str]:
    """(exit code, what it says on standard error)."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    ended = subprocess.run(
        words,
        cwd=clone,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.returncode, ended.stderr


def script(folder: Path, name: str, text: str) -> Path:
    """An executable file."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("refuses", "told"),
    [
        ("version_info", "is older than Python 3.11: name a newer one: make PYTHON=python3.12"),
        ("ensurepip", "has no venv module: on Debian and Ubuntu, apt install python3-venv"),
        ("install", "the packages of requirements/dev.txt could not be installed"),
    ],
)
def test_a_python_that_will_not_do_is_told(refuses: str, told: str, clone: Path) -> None:
    # A Python that cannot do one thing, and makes a .venv whose python is itself.
    python = script(
        clone,
        "python",
        f'case "$*" in *{refuses}*) exit 1;; esac\n'
        'if [ "$2" = venv ]; then mkdir -p .venv/bin; cp "$0" .venv/bin/python; fi',
    )
    code, error = run(clone, "make", "setup", f"PYTHON={python}")
    assert code == 2
    assert f"make: {python} {told}" in error or f"make: {told}" in error
    assert not (clone / ".venv" / ".installed").exists()


def test_no_python_at_all_is_told(clone: Path) -> None:
    code, error = run(clone, "make", "setup", "PYTHON=no-such-python")
    assert code == 2
    assert "make: there is no no-such-python: install Python 3.11 or newer" in error


def test_a_venv_that_has_gone_bad_is_told(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / ".installed").touch()
    code, error = run(clone, "make", "setup")
    assert code == 2
    assert "make: .venv does not work any more: make clean, then again" in error


def test_ci_names_the_peers_that_were_set_up(clone: Path) -> None:
    script(clone, "make", 'echo "make $* with $CONSUL_REAL" >&2')
    path = f"{clone}:{os.environ['PATH']}"
    setup = script(clone, "peers", 'echo "export CONSUL_REAL=/opt/$1"')
    code, error = run(clone, ".ci/run", PATH=path, PEERS_SETUP=f"{setup} consul")
    assert (code, error) == (0, "make ci with /opt/consul\n")


def test_ci_fails_when_the_peers_cannot_be_had(clone: Path) -> None:
    code, error = run(clone, ".ci/run", PEERS_SETUP="false")
    assert code == 1
    assert ".ci/run: false failed: without real peers nothing can be compared" in error
