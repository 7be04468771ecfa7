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
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt", ".ci/run", ".ci/kubernetes"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(clone: Path, *words: str, **environment: str) -> tuple[int, str]:
    """(exit code, what it says on standard error)."""
    foreign = ("MAKE", "KUBE_", "PEERS_SETUP")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
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
    assert code == 0
    assert "make ci with /opt/consul\n" in error
    assert "neither KUBE_LAB nor KUBE_SETUP is set: no case is run on Kubernetes" in error


def test_ci_fails_when_the_peers_cannot_be_had(clone: Path) -> None:
    code, error = run(clone, ".ci/run", PEERS_SETUP="false")
    assert code == 1
    assert ".ci/run: false failed: without real peers nothing can be compared" in error


LAB = {
    "env.sh": "K8S_DIR=/k8s",
    "install": 'echo "install $*" >>"$(dirname "$0")/told"',
    "image": "",
    "kind.sh": 'echo "kind $*" >>"$(dirname "$0")/told"; [ "$1" != run ]',
}


def lab(folder: Path, **changed: str) -> Path:
    """What `KUBE_SETUP` names: programs that note how they were called."""
    (folder / "lab").mkdir()
    for name, text in {**LAB, **changed}.items():
        script(folder / "lab", name, text)
    return folder / "lab"


def told(folder: Path) -> list[str]:
    """How the lab's programs were called, in order."""
    return (folder / "told").read_text().splitlines()


def test_ci_builds_a_cluster_beside_the_tests_and_names_what_will_be_there(clone: Path) -> None:
    script(
        clone,
        "make",
        'echo "$KUBE_LAB; $KIND_IMAGE; $HELM; $S3_REAL; $KUBE_PROGRAMS" >&2; exec $KUBE_READY',
    )
    setup = lab(clone)
    path = f"{clone}:{os.environ['PATH']}"
    code, error = run(clone, ".ci/run", PATH=path, KUBE_SETUP="lab", PEERS_SETUP="true")
    assert code == 0, error
    names = "kindest/node:v1.37.2; /k8s/bin/helm; /k8s/image-bin/versitygw; /k8s/bin"
    assert f"{setup}/kind.sh run; {names}" in error
    assert told(setup) == [
        "install host helm",
        "kind run docker info",
        "install ",
        "kind up",
        "kind down",
    ]


def test_ci_leaves_an_engine_that_ran_before(clone: Path) -> None:
    script(clone, "make", "exec $KUBE_READY")
    setup = lab(clone, **{"kind.sh": 'echo "kind $*" >>"$(dirname "$0")/told"'})
    path = f"{clone}:{os.environ['PATH']}"
    code, error = run(clone, ".ci/run", PATH=path, KUBE_SETUP="lab", PEERS_SETUP="true")
    assert code == 0, error
    assert "kind down" not in told(setup)


def test_ci_fails_when_the_cluster_cannot_be_had(clone: Path) -> None:
    script(clone, "make", "exec $KUBE_READY")
    lab(clone, **{"kind.sh": '[ "$1" != up ] || { echo "no engine"; exit 3; }'})
    path = f"{clone}:{os.environ['PATH']}"
    code, error = run(clone, ".ci/run", PATH=path, KUBE_SETUP="lab", PEERS_SETUP="true")
    assert code == 1
    assert "no engine\n.ci/kubernetes: no cluster could be made" in error


def test_ci_runs_the_short_choice_of_cases_where_a_cluster_is_named(clone: Path) -> None:
    def steps(*words: str, **environment: str) -> str:
        done = subprocess.run(
            ("make", "-n", *words, "ci"),
            cwd=clone, env={"PATH": os.environ["PATH"], **environment},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    bare = "CC=no-such-compiler"
    assert "for step in check test test-slow ; do" in " ".join(steps(bare).split())
    assert "check test kube-ready test-slow e2e-short; do" in " ".join(
        steps(bare, KUBE_LAB="lab run").split()
    )
    assert "check test test-compiled test-slow" in " ".join(steps("CC=sh").split())
