"""Each kind of results as text."""

from collections.abc import Callable
from pathlib import Path

from bench import results
from bench.failure import BenchError
from bench.ratios import lines
from bench.results import Rows, load
from bench.table import rows_table, settings_text


def _rows(path: Path) -> str:
    found = load(path, Rows)
    return f"## Workloads\n\n{settings_text(found.settings)}\n{rows_table(lines(found.measured))}"


RENDERERS: dict[str, Callable[[Path], str]] = {"rows": _rows}


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
