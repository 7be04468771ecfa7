"""What came of a case: one file each, so that runs of single shards and cases add up.

A file of another commit, or of a tree with changes, counts as not run, and is printed as such,
unless the two commits differ in documents (*.md) and other tests (*_tests/) alone: what cases
test is the same then. A case that is run once for each failpoint (its RUNS) has a file for each.
`python -m e2e.results` prints them all, and ends with 1 unless every case has passed at this
commit.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from e2e.images import ROOT, revision

FOLDER = ROOT / "build" / "e2e"
DIRTY = "-dirty"  # the end of what `revision` says of a changed tree
BESIDES = ("*.md", "*_tests/*")  # what no case runs
VERDICTS = ("passed", "failed", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Of one run of one case."""

    case: str
    commit: str
    began: str  # UTC
    took_s: float
    verdict: str
    reason: str = ""  # of a failure or a skip, one line
    figures: Mapping[str, Any] = field(default_factory=dict)

    def counts(self, commits: Container[str]) -> bool:
        """Whether it says anything of these commits: a changed tree is nobody's."""
        return self.commit in commits and not self.commit.endswith(DIRTY)

    def line(self, commits: Container[str]) -> str:
        """For people who are at one of these commits."""
        told = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        verdict = self.verdict if self.counts(commits) else "not run"
        return f"{self.case:32} {verdict:8} {self.took_s:6.0f} s  {self.reason or told}"


def now() -> str:
    """UTC, as a result says when it began."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def write(result: Result, folder: Path) -> None:
    """In place of what was there of this case."""
    assert result.verdict in VERDICTS, result.verdict
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{result.case}.json"
    place.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> list[Result]:
    """All that are there, by the case's name."""
    paths = sorted(folder.glob("*.json"))
    return [Result(**json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def alike(commits: Iterable[str], commit: str, root: Path) -> frozenset[str]:
    """Those of the commits, and `commit`, between which only `BESIDES` differ."""
    words = ("git", "-C", str(root), "diff", "--quiet")
    same = {commit}
    for each in set(commits):
        # It ends with 1 for a difference, and with more for a commit that is not there.
        command = (*words, each, commit, "--", ".", *(f":(exclude){path}" for path in BESIDES))
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            same.add(each)
    return frozenset(same)


def missing(results: Iterable[Result], cases: Iterable[str], commits: Container[str]) -> list[str]:
    """What stands between these results and "all cases passed at (one of) these commits"."""
    found = {result.case: result for result in results}
    told = []
    for case in cases:
        result = found.get(case)
        if result is None:
            told.append(f"{case}: not run")
        elif not result.counts(commits):
            told.append(f"{case}: run at {_short(result.commit)}, which is another tree")
        elif result.verdict != "passed":
            told.append(f"{case}: {result.verdict}: {result.reason}")
    return told


def _short(commit: str) -> str:
    tail = DIRTY if commit.endswith(DIRTY) else ""
    return commit.removesuffix(DIRTY)[:12] + tail


def case_names() -> list[str]:
    """Those of all files in e2e/cases, and of all runs of each, without running anything."""
    names = []
    for path in (ROOT / "e2e" / "cases").glob("test_*.py"):
        runs = getattr(importlib.import_module(f"e2e.cases.{path.stem}"), "RUNS", None)
        name = path.stem.removeprefix("test_")
        names += [name] if runs is None else [f"{name}-{run}" for run in runs]
    return sorted(names)


def main(folder: Path) -> int:
    """Print all; 0 if all have passed."""
    results = read(folder)
    commits = alike((result.commit for result in results), revision(), ROOT)
    lines = [result.line(commits) for result in results]
    open_ends = missing(results, case_names(), commits)
    sys.stdout.write("\n".join([*lines, *(f"missing: {one}" for one in open_ends)]) + "\n")
    return 1 if open_ends else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    sys.exit(main(parser.parse_args().folder))
