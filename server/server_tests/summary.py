"""A pytest plugin: the run ends with passed, failed, and skipped by reason; a peer that was
named must be used.

With CONSUL_REAL (or another of PEERS) set, a test that skips for want of it fails the run: such
a test would prove nothing where it could have.
"""

import os
from collections import Counter

import pytest

PEERS = ("CONSUL_REAL", "SERF_REAL", "SERF_REAL_NEW", "SERF_REAL_NEWEST", "RAFT_PEER")


def skip_reason(report: pytest.TestReport) -> str:
    """Why a test was skipped."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the numbers, and name the skips that a present peer forbids."""
    stats = terminalreporter.stats
    reasons = Counter(skip_reason(report) for report in stats.get("skipped", ()))
    terminalreporter.write_sep("=", "result")
    terminalreporter.write_line(f"passed: {len(stats.get('passed', ()))}")
    failed = len(stats.get("failed", ())) + len(stats.get("error", ()))
    terminalreporter.write_line(f"failed: {failed}")
    terminalreporter.write_line(f"skipped: {sum(reasons.values())}")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"  {count} x {reason}")
    for peer in _forbidden(reasons):
        terminalreporter.write_line(f"{peer} is set, and yet tests skipped for want of it")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run when a test skipped for want of a peer that is there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    reasons = Counter(skip_reason(report) for report in reporter.stats.get("skipped", ()))
    if exitstatus == pytest.ExitCode.OK and _forbidden(reasons):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _forbidden(reasons: Counter[str]) -> list[str]:
    return [
        peer for peer in PEERS if os.environ.get(peer) and any(peer in reason for reason in reasons)
    ]
