"""Running promtool: the one that PROMTOOL names, or the one that `make promtool` built.

Series go in as they were recorded, under the time at which they were; what comes out is which
alerts fire at which moment.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from operator_tests.charts.recording import INTERVAL_S, Recording

Firing = frozenset[tuple[str, str]]
"""Alerts by name, and by the cluster that each is about; "" for none."""


def find_promtool() -> str:
    """Its path; skips the test where there is none."""
    found = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not found:
        pytest.skip("PROMTOOL names no promtool, and there is none on the PATH: make promtool")
    return found


def check(promtool: str, folder: Path, groups: Sequence[Mapping[str, Any]]) -> str:
    """What `promtool check rules` says of them; it must be content."""
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": list(groups)}), encoding="utf-8")
    return _run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(file))


def judge(
    promtool: str,
    folder: Path,
    groups: Sequence[Mapping[str, Any]],
    recording: Recording,
    expected: Mapping[int, Firing],
    by: Sequence[str] = ("alertname", "cluster"),
) -> str:
    """`promtool test rules`: at each moment (seconds from the start) fires what is expected.

    Returns what it said; raises AssertionError with its words otherwise.
    """
    check(promtool, folder, groups)
    asked = f'count by ({", ".join(by)}) (ALERTS{{alertstate="firing"}} == 1) >= bool 1'
    test = {
        "interval": f"{INTERVAL_S}s",
        "start_timestamp": recording.start_unix_s,
        "input_series": [
            {"series": name, "values": " ".join(values)}
            for name, values in recording.series.items()
        ],
        "promql_expr_test": [
            {"expr": asked, "eval_time": f"{at_s}s", "exp_samples": list(_samples(firing, by))}
            for at_s, firing in expected.items()
        ],
    }
    story = {"rule_files": ["rules.yaml"], "evaluation_interval": f"{INTERVAL_S}s", "tests": [test]}
    file = folder / "story.yaml"
    file.write_text(yaml.safe_dump(story, width=10**6), encoding="utf-8")
    return _run(promtool, "test", "rules", str(file))


def _samples(firing: Firing, by: Sequence[str]) -> Iterable[dict[str, Any]]:
    for values in sorted(firing):
        pairs = zip(by, values, strict=True)
        labels = ",".join(f'{name}="{value}"' for name, value in pairs if value)
        yield {"labels": f"{{{labels}}}", "value": 1}


def _run(promtool: str, *words: str) -> str:
    done = subprocess.run(
        [promtool, *words], capture_output=True, text=True, check=False, timeout=100
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
