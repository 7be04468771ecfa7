"""A recording: series in promtool's words, and when which phase began.

record.py makes that of servers, record_operator.py that of an operator.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SERVERS: Final = Path(__file__).parent / "recorded" / "servers.json"
OPERATOR: Final = SERVERS.with_name("operator.json")
INTERVAL_S: Final = 15
NAMESPACE: Final = "infra"
JOB: Final = "consul-headless"
LONE_JOB: Final = "lone-headless"
SPACES: Final = ("alerts-a", "alerts-b")  # of the operator's two clusters


@dataclass
class Recording:
    """`series` holds a value for each scrape: a number, `stale`, or `_` for none."""

    start_unix_s: int
    version: str
    phases: dict[str, int] = field(default_factory=dict)  # seconds from the start, in order
    names: set[str] = field(default_factory=set)  # of all metrics that were seen
    series: dict[str, list[str]] = field(default_factory=dict)

    def put(self, series: str, scrape: int, value: str) -> None:
        """What that scrape said."""
        values = self.series.setdefault(series, [])
        values += ["_"] * (scrape - len(values))
        values.append(value)

    def end_s(self, phase: str) -> int:
        """When that phase ends: the last scrape in it, seconds from the start."""
        starts = [*self.phases.values()]
        return starts[[*self.phases].index(phase) + 1] - INTERVAL_S

    def write(self, path: Path) -> None:
        """For `load`."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self.plain(), indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(f"{len(self.series)} series in {path}\n")

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "start_unix_s": self.start_unix_s,
            "interval_s": INTERVAL_S,
            "version": self.version,
            "phases": self.phases,
            "names": sorted(self.names),
            "series": {name: " ".join(values) for name, values in sorted(self.series.items())},
        }


def load(path: Path = SERVERS) -> Recording:
    """One that was written."""
    held = json.loads(path.read_text(encoding="utf-8"))
    assert held["interval_s"] == INTERVAL_S
    return Recording(
        start_unix_s=held["start_unix_s"],
        version=held["version"],
        phases=held["phases"],
        names=set(held["names"]),
        series={name: values.split() for name, values in held["series"].items()},
    )
