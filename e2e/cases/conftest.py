"""How cases are chosen (SHARD, -k, --short), prepared, and how what came of them is kept."""

import os
import shutil
import time
from collections.abc import Generator, Iterator

import pytest

from e2e import evidence, results, shards
from e2e.cases.story import Story, make_namespace, remove_namespace
from e2e.images import revision
from e2e.kubectl import Kubectl, Proxy

FAILURE = pytest.StashKey[dict[str, pytest.TestReport]]()


def _name(item: pytest.Item) -> str:
    """Of a case: its file's, and its parameter's where it has some."""
    parameters = getattr(item, "callspec", None)
    stem = item.path.stem.removeprefix("test_")
    return f"{stem}-{parameters.id}" if parameters else stem


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `make e2e-short` asks for."""
    group = parser.getgroup("cases")
    group.addoption("--short", action="store_true", help="only cases with short=True")
    group.addoption("--no-skip", action="store_true", help="a case that is skipped has failed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave those of this shard, or of the short choice."""
    minutes = {}
    for item in items:
        marker = item.get_closest_marker("case")
        if marker is None:
            raise pytest.UsageError(f"{item.nodeid} has no @pytest.mark.case(minutes=...)")
        if _name(item) in minutes:
            raise pytest.UsageError(f"{item.nodeid}: {_name(item)} is another case's name, too")
        if marker.kwargs.get("short") or not config.getoption("short"):
            minutes[_name(item)] = marker.kwargs["minutes"]
    try:
        chosen = shards.of(minutes, os.environ.get("SHARD", ""))
    except ValueError as failure:
        raise pytest.UsageError(f"{failure}") from failure
    others = [item for item in items if _name(item) not in chosen]
    items[:] = [item for item in items if _name(item) in chosen]
    config.hook.pytest_deselected(items=others)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what came of each phase, for the fixture below."""
    report = yield
    if report.skipped and item.config.getoption("no_skip"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"no case may be skipped here: {reason}"
    item.stash.setdefault(FAILURE, {})[report.when] = report
    return report


@pytest.fixture(scope="session")
def proxy() -> Iterator[Proxy]:
    """One for all cases."""
    with Proxy() as opened:
        yield opened


@pytest.fixture
def story(request: pytest.FixtureRequest, proxy: Proxy) -> Iterator[Story]:
    """A namespace of its own; a result file, and evidence if it fails."""
    name = _name(request.node)
    namespace = f"e2e-{name.replace('_', '-').lower()}"[:50].rstrip("-")
    short = bool(request.config.getoption("short"))
    # What a short run shows is less than what its cases promise: it counts for itself alone.
    kept = results.FOLDER / "short" if short else results.FOLDER
    folder = kept / name
    seed = int(os.environ.get("SEED") or time.time())
    shutil.rmtree(folder, ignore_errors=True)  # what another run has left behind
    began, began_s, commit = results.now(), time.time(), revision()
    make_namespace(namespace)
    made = Story(
        name=name, kubectl=Kubectl(proxy, namespace), seed=seed, folder=folder, short=short
    )
    yield made
    reports = request.node.stash.get(FAILURE, {})
    report = reports.get("call")
    verdict, reason = _verdict(report)
    if verdict == "failed":
        evidence.gather(made.kubectl, made.servers, folder)
    made.write_timeline()
    results.write(
        results.Result(
            case=name,
            # A tree that changed meanwhile is nobody's.
            commit=commit
            if commit == revision()
            else f"{commit.removesuffix(results.DIRTY)}{results.DIRTY}",
            began=began,
            took_s=round(time.time() - began_s, 1),
            verdict=verdict,
            reason=reason,
            figures=made.figures,
        ),
        kept,
    )
    if not os.environ.get("E2E_KEEP"):
        remove_namespace(namespace)


def _verdict(report: pytest.TestReport | None) -> tuple[str, str]:
    """(verdict, reason in one line)."""
    if report is None:
        return "failed", "it did not come to its end"
    if report.passed:
        return "passed", ""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return ("skipped" if report.skipped else "failed"), text.splitlines()[0][:300]
