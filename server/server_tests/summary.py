"""A pytest plugin: the run ends with passed, failed, and skipped by reason; a peer that was
named must be used.

With CONSUL_REAL (or another of PEERS) set, a test that skips for want of it fails the run: such
a test would prove nothing where it could have. With TEST_RESULTS set, the numbers are added to
that file, and `python -m server_tests.summary FILE` prints the sum of several runs.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PEERS = (
    *("CONSUL_REAL", "SERF_REAL", "SERF_REAL_NEW", "SERF_REAL_NEWEST", "RAFT_PEER", "AGENT_JOIN"),
    *("KUBE_REAL", "KUBE_REAL_BARE", "S3_REAL", "HELM", "KUBECTL", "PROMTOOL"),
)


@dataclass(frozen=True, slots=True)
class Results:
    """What came of a run."""

    passed: int
    failed: int
    skipped: Counter[str]  # by reason

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"passed: {self.passed}"
        yield f"failed: {self.failed}"
        yield f"skipped: {self.skipped.total()}"
        for reason, count in sorted(self.skipped.items()):
            yield f"  {count} x {reason}"
        for peer in self.unused_peers():
            yield f"{peer} is set, and yet tests skipped for want of it: that is a failure"

    def unused_peers(self) -> list[str]:
        """Peers that are named and were not used."""
        return [
            peer
            for peer in PEERS
            if os.environ.get(peer)
            and any(peer in reason.replace(",", " ").split() for reason in self.skipped)
        ]


def results_of(stats: dict[str, list[pytest.TestReport]]) -> Results:
    """From what pytest's reporter has gathered."""
    return Results(
        passed=len(stats.get("passed", ())),
        failed=len(stats.get("failed", ())) + len(stats.get("error", ())),
        skipped=Counter(skip_reason(report) for report in stats.get("skipped", ())),
    )


def skip_reason(report: pytest.TestReport) -> str:
    """Why a test was skipped."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the numbers, and name the skips that a present peer forbids."""
    if _is_worker(terminalreporter.config):
        return
    results = results_of(terminalreporter.stats)
    terminalreporter.write_sep("=", "result")
    for line in results.lines():
        terminalreporter.write_line(line)
    if path := os.environ.get("TEST_RESULTS"):
        with Path(path).open("a", encoding="utf-8") as file:
            row = {"passed": results.passed, "failed": results.failed, "skipped": results.skipped}
            file.write(json.dumps(row) + "\n")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run when a test skipped for want of a peer that is there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or _is_worker(session.config):
        return
    if exitstatus == pytest.ExitCode.OK and results_of(reporter.stats).unused_peers():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _is_worker(config: pytest.Config) -> bool:
    """One of pytest-xdist's, whose tests the controller counts."""
    return hasattr(config, "workerinput")


def total(rows: Iterable[str]) -> Results:
    """The sum of the runs that a file of TEST_RESULTS tells of."""
    passed, failed, skipped = 0, 0, Counter[str]()
    for row in rows:
        run = json.loads(row)
        passed += run["passed"]
        failed += run["failed"]
        skipped.update(run["skipped"])
    return Results(passed, failed, skipped)


def main(path: Path) -> None:
    """Print the sum of all runs; no file is no run."""
    rows = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    told = [f"==== all {len(rows)} test runs ====", *total(rows).lines()]
    sys.stdout.write("\n".join(told) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
