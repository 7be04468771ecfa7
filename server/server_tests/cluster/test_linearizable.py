"""Real clusters under faults, judged; `make lin-test` runs for longer."""

import os
import re
import subprocess
import sys

import pytest

from server_tests.cluster.network import NoNetworkError, isolated
from server_tests.process import die_with_the_tests

PATIENCE_S = 400

try:
    isolated()
    reason = ""
except NoNetworkError as failure:
    reason = f"no network namespaces: {failure}"

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.skipif(bool(reason), reason=reason),
    pytest.mark.timeout(PATIENCE_S),
]


def command(module: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    """One of this package's commands, to its end."""
    return subprocess.run(
        [sys.executable, "-m", f"server_tests.cluster.{module}", *flags],
        env={**os.environ, "LIN_CHECK": ""},  # our own clients and our own judge
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=die_with_the_tests,
    )


def judged(*flags: str) -> tuple[str, int, int, dict[str, int]]:
    """(verdict, operations, lost writes, how often each fault fired) of a run."""
    run = command("lin_run", *flags)
    last = re.search(r"linearizable: (\w+), ops (\d+), acknowledged writes lost (\d+)", run.stdout)
    assert last is not None, run.stdout + run.stderr
    assert run.returncode == (0 if last[1] == "yes" and last[3] == "0" else 1)
    faults = re.findall(r"([a-z ]+) (\d+)", run.stdout.partition("faults:")[2].splitlines()[0])
    return last[1], int(last[2]), int(last[3]), {what.strip(): int(n) for what, n in faults}


def test_three_servers_lose_nothing_and_contradict_themselves_never() -> None:
    faults = "leader killed,leader frozen,leader cut off,anybody restarted"
    verdict, operations, lost, counts = judged(f"--faults={faults}", "--rounds=1")
    assert (verdict, lost) == ("yes", 0)
    assert operations > 200
    assert counts == dict.fromkeys(faults.split(","), 1)


def test_a_leader_that_wakes_from_a_freeze_answers_with_what_others_took_meanwhile() -> None:
    assert woken() == {"consistent": "new", "default": "new"}


@pytest.mark.slow
def test_the_same_goes_wrong_without_the_quorum_round() -> None:
    launcher = "--launcher=server_tests.cluster.without_quorum_round"
    # Whether its sockets are read before it hears of the other leader is up to the system.
    assert any("old" in woken(launcher).values() for _ in range(5))


def woken(*flags: str) -> dict[str, str]:
    """By mode, what a leader answered that was asked while it was frozen."""
    run = command("frozen_leader", *flags)
    assert run.returncode == 0, run.stdout + run.stderr
    return dict(line.split(": ", 1) for line in run.stdout.splitlines())


# What shows each mistake, as long as it takes for another to lead and write under load.
FROZEN = ("--faults=leader frozen", "--rounds=6", "--lasting=4", "--epoch=8")
CUT_OFF = ("--faults=leader cut off", "--rounds=2", "--lasting=3", "--epoch=6")
RUNS_MAX = 3


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("launcher", "verdict", "flags"),
    [
        ("proconsul", "yes", FROZEN),
        ("server_tests.cluster.without_quorum_round", "no", FROZEN),
        ("proconsul", "yes", CUT_OFF),
        ("server_tests.cluster.without_stepping_down", "no", CUT_OFF),
    ],
)
def test_a_server_that_skips_the_quorum_round_is_found_out_and_no_other(
    launcher: str, verdict: str, flags: tuple[str, ...]
) -> None:
    # Whether a mistake shows in a run is up to the system: see above. Without one nothing may.
    found = ""
    for _ in range(RUNS_MAX if verdict == "no" else 1):
        found, operations, lost, _ = judged(f"--launcher={launcher}", *flags)
        assert lost == 0
        assert operations > 200
        if found == "no":
            break
    assert found == verdict
