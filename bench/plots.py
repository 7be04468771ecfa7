"""Drawings of the newest results: one for each thing that grows, one of all ratios and goals."""

import re
from collections.abc import Mapping
from pathlib import Path

from bench import growth, results, svg
from bench.failure import BenchError
from bench.ratios import Line, lines
from bench.results import Growth, Rows
from bench.svg import Bar

DRAWN = (growth.CPU, growth.RSS, growth.LAST)
OF = {
    **{one.name: series.name for series in growth.SERIES for one in series.operations},
    **{series.name: series.name for series in growth.SERIES},
    growth.WATCHERS: "watchers",
}


def write(results_folder: Path, folder: Path) -> list[Path]:
    """The drawings' files. Raises BenchError: there is nothing to draw."""
    made: dict[str, str] = {}
    path = results.newest(results_folder, "growth")
    if path is not None:
        made.update(of_growth(results.load(path, Growth)))
    path = results.newest(results_folder, "rows")
    if path is not None:
        made.update(of_rows(lines(results.load(path, Rows).measured)))
    if not made:
        raise BenchError(f"there are no rows and no growth in {results_folder} yet: measure first")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (folder / name).write_text(text)
    return [folder / name for name in made]


def of_growth(found: Growth) -> Mapping[str, str]:
    """SVG by file name."""
    return {
        f"{_slug(f'{operation} {measure}')}.svg": svg.curves(
            operation, OF.get(operation, "size"), measure, by_side
        )
        for (operation, measure), by_side in growth.curves(found.points).items()
        if measure in DRAWN
    }


def of_rows(found: list[Line]) -> Mapping[str, str]:
    """One drawing for each size of cluster."""
    made = {}
    for servers in sorted({line.servers for line in found}):
        rows = [
            Bar(_label(line), line.ratio, line.goal) for line in found if line.servers == servers
        ]
        title = f"requests a second, ours to Consul's, {servers} server(s); the mark is the goal"
        made[f"ratios-{servers}.svg"] = svg.bars(title, rows)
    return made


def _label(line: Line) -> str:
    busy = ", busy" if line.busy else ""
    return f"{line.row.title}, {line.row.connections} conns{busy}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
