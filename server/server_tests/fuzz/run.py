"""Fuzz decoders: `python -m server_tests.fuzz.run --seconds 60 yamux http`; none named: all.

Each target has a folder of its own under `--out`: `corpus`, where the next run goes on,
`findings`, an input and a traceback each, and `report.json`. The exit code is 1 if anything was
found, or if the inputs reach fewer lines of a decoder than promised.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from server_tests.fuzz import kept
from server_tests.fuzz.engine import Finding
from server_tests.fuzz.targets import DECODERS
from server_tests.fuzz.worker import Notes, write_finding

LINES_PERCENT_MIN = 90.0
SILENCE_S_MAX = 120.0  # without a new input: it hangs outside of Python
POLL_S = 1.0
SOURCES = Path(__file__).parents[2]  # where server_tests and proconsul are
ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(SOURCES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one target."""

    name: str
    report: dict[str, object]
    findings: int
    lines_percent: float
    function_lines_percent: float
    missing: dict[str, list[int]]

    @property
    def is_good(self) -> bool:
        """Nothing was found, and nearly everything was reached."""
        return not self.findings and self.lines_percent >= LINES_PERCENT_MIN


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"server_tests.fuzz.{name}", *arguments]


def _watch(worker: subprocess.Popen[bytes], notes: Notes) -> str:
    """Until it ends; what it died of, or nothing."""
    count, since_s = 0, time.monotonic()
    while True:
        try:
            code = worker.wait(POLL_S)
        except subprocess.TimeoutExpired:
            now, _ = notes.read()
            if now != count:
                count, since_s = now, time.monotonic()
            elif time.monotonic() - since_s > SILENCE_S_MAX:
                worker.kill()
                worker.wait()
                return "hang"
        else:
            return f"exit{code}" if code else ""


def fuzz(name: str, folder: Path, seconds: float, seed: int) -> Result:
    """Fuzz one target in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    report_path = folder / "report.json"
    report_path.unlink(missing_ok=True)
    notes = Notes(folder / "notes")
    options = ["--seconds", str(seconds), "--seed", str(seed)]
    command = _module("worker", name, str(folder), *options)
    died = ""
    with subprocess.Popen(command, env=ENVIRONMENT) as worker:
        died = _watch(worker, notes)
    if died:
        count, data = notes.read()
        write_finding(folder, Finding(died, "", data, f"{died} at input {count}\n"))
    report = json.loads(report_path.read_text()) if report_path.exists() else {}
    return _result(name, folder, report, len(report.get("findings", ())) + bool(died))


def _result(name: str, folder: Path, report: dict[str, object], findings: int) -> Result:
    command = _module("coverage_of", name, "--corpus", str(folder / "corpus"))
    told = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True).stdout
    measured = json.loads(told)
    counts = measured["counts"]
    total, missed, inside = map(sum, zip(*counts.values(), strict=True))
    report["lines_percent"] = {
        module: round(100 * (1 - left / lines), 1) for module, (lines, left, _) in counts.items()
    }
    (folder / "report.json").write_text(json.dumps(report) + "\n", encoding="ascii")
    return Result(
        name=name,
        report=report,
        findings=findings,
        lines_percent=100 * (1 - missed / total),
        function_lines_percent=100 * (1 - missed / inside),
        missing={module: lines for module, lines in measured["missing"].items() if lines},
    )


def _told(result: Result) -> str:
    report = result.report
    return (
        f"{result.name:17} {report.get('executions', '?'):>9} inputs "
        f"{report.get('executions_per_s', '?'):>5}/s  corpus {report.get('corpus', '?'):>5}  "
        f"lines {result.lines_percent:5.1f} % (in functions {result.function_lines_percent:5.1f} %)"
        f"  findings {result.findings}"
    )


def _keep(name: str, folder: Path) -> str:
    """Put the smallest inputs that reach all the lines into the tree."""
    command = _module("smallest", name, str(folder / "corpus"))
    subprocess.run(command, env=ENVIRONMENT, check=True)
    size_bytes = kept.path_of(name).stat().st_size
    return f"{name:17} {len(kept.read(name))} inputs kept, {size_bytes} bytes"


def main(arguments: list[str]) -> int:
    """Fuzz one target after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(DECODERS))
    parser.add_argument("--seconds", type=float, default=60, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(".fuzz"))
    parser.add_argument("--keep", action="store_true", help="the smallest inputs, in the tree")
    asked = parser.parse_args(arguments)
    unknown = set(asked.names) - set(DECODERS)
    if unknown:
        parser.error(f"no target: {', '.join(sorted(unknown))}; there are {', '.join(DECODERS)}")
    good = True
    for name in asked.names or DECODERS:
        result = fuzz(name, asked.out / name, asked.seconds, asked.seed)
        print(_told(result), flush=True)  # noqa: T201
        for module, lines in result.missing.items():
            print(f"    not reached: {module} {lines}", flush=True)  # noqa: T201
        if asked.keep:
            print(_keep(name, asked.out / name), flush=True)  # noqa: T201
        good = good and result.is_good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
