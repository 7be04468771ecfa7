"""The README of a chart, of its own values.yaml: `make manifests`, which a test compares.

A value's text is the comment right above it. A comment that is indented behind its `#` is an
example and is left out; a block whose values have no comments is one row, with its content.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from operator_tests.charts.helm import OPERATOR, SERVERS

INTRODUCTIONS: Final = {
    SERVERS: """\
A cluster of Proconsul servers, and if wanted an agent on every node. Mode `standalone` needs
nothing else; mode `operator` makes a ProconsulCluster for the operator of `proconsul-operator`.

    helm install consul helm/proconsul --namespace consul --create-namespace --wait
    helm test consul --namespace consul

The notes after an installation say how to reach it; docs/alerts.md what the alerts mean.
""",
    OPERATOR: """\
The operator, its kinds, and what it may do. Clusters are made by the chart `proconsul` with
`mode: operator`, or by hand.

    helm install proconsul-operator helm/proconsul-operator \\
      --namespace proconsul-system --create-namespace --wait

It refuses to be uninstalled while there are objects of its kinds (`uninstall`); the kinds stay
(`crds.keep`).
""",
}

_KEY: Final = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]+):(?P<rest>.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A value; `default` is JSON, empty for a block whose values have rows of their own."""

    path: str
    default: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    path: tuple[str, ...]
    text: str  # of the comment above


def rows(text: str) -> list[Row]:
    """Of a values.yaml, in its order."""
    values = yaml.safe_load(text)
    lines = list(_lines(text))
    made: list[Row] = []
    for line in lines:
        depth = len(line.path)
        inside = [each for each in lines if each.path[:depth] == line.path and each is not line]
        if _is_within_a_row(line, made):
            continue
        opens = any(each.text for each in inside)
        default = "" if opens else _json(_at(values, line.path))
        if line.text or not opens:
            made.append(Row(path=".".join(line.path), default=default, text=line.text))
    return made


def _is_within_a_row(line: _Line, made: Sequence[Row]) -> bool:
    path = ".".join(line.path)
    return any(row.default and path.startswith(f"{row.path}.") for row in made)


def _lines(text: str) -> Iterator[_Line]:
    above: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        match = _KEY.match(line)
        if bare.startswith("#"):
            if not bare.startswith("#  "):
                comment.append(bare.removeprefix("#").strip())
            continue
        if match:
            depth = len(match["indent"])
            above = [each for each in above if each[0] < depth]
            above.append((depth, match["key"]))
            yield _Line(path=tuple(key for _, key in above), text=" ".join(comment))
        comment = []


def _at(values: Any, path: Sequence[str]) -> Any:
    for key in path:
        values = values[key]
    return values


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def readme(chart: Path) -> str:
    """The whole file."""
    name = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))["name"]
    found = rows((chart / "values.yaml").read_text(encoding="utf-8"))
    table = "".join(
        f"| `{row.path}` | {_cell(row.default)} | {row.text.replace('|', chr(92) + '|')} |\n"
        for row in found
    )
    return (
        "<!-- Made by `make manifests` from values.yaml. -->\n"
        f"# The chart {name}\n\n{INTRODUCTIONS[chart]}\n## Values\n\n"
        f"| Value | Default | What |\n|---|---|---|\n{table}"
    )


def _cell(default: str) -> str:
    return f"`{default.replace('|', chr(92) + '|')}`" if default else ""


def path_of(chart: Path) -> Path:
    """Where it is."""
    return chart / "README.md"
