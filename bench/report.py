"""Each kind of results as text."""

from collections.abc import Callable, Mapping
from pathlib import Path

from bench import growth, lives, mixed, results, watchers
from bench.failure import BenchError
from bench.ratios import lines
from bench.results import Figures, Growth, Rows, Watchers, load
from bench.table import others_text, rows_table, settings_text


def _rows(path: Path) -> str:
    found = load(path, Rows)
    table = rows_table(lines(found.measured))
    return _text("Workloads", found.settings, f"{table}\n{others_text(found.measured)}")


def _watchers(path: Path) -> str:
    found = load(path, Watchers)
    return _text("Blocking queries", found.settings, watchers.table(found))


def _lives(path: Path) -> str:
    found = load(path, Figures)
    return _text("Starts, snapshots and memory", found.settings, lives.table(found.figures))


def _growth(path: Path) -> str:
    found = load(path, Growth)
    return _text("How cost grows", found.settings, growth.table(found.points))


def _mixed(path: Path) -> str:
    found = load(path, Figures)
    return _text("Everything at once", found.settings, mixed.table(found.figures))


def _text(title: str, settings: Mapping[str, str], table: str) -> str:
    return f"## {title}\n\n{settings_text(settings)}\n{table}"


RENDERERS: dict[str, Callable[[Path], str]] = {
    "rows": _rows,
    "watchers": _watchers,
    "lives": _lives,
    "growth": _growth,
    "mixed": _mixed,
}


def rendered(path: Path) -> str:
    """The text of a file. Raises BenchError: it is no file of results."""
    name = path.name.partition("-")[0]
    if name not in RENDERERS:
        raise BenchError(
            f"{path} is no file of results: its name begins with none of {[*RENDERERS]}"
        )
    return RENDERERS[name](path)


def newest(folder: Path) -> list[Path]:
    """The newest file of each kind. Raises BenchError: there is none at all."""
    found = [path for name in RENDERERS if (path := results.newest(folder, name)) is not None]
    if not found:
        raise BenchError(f"there are no results in {folder} yet: run make bench")
    return found
