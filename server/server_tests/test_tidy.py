"""The shape of the code, checked as any other promise."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from proconsul.api.later import LATER
from proconsul.api.routes import ROUTES

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "server").rglob("*.py"))
LINES_MAX = 500
TABLE_LINES_MAX = 900  # of tests: a table of cases is read by looking up, not through
BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager|misc|common)($|_)")
PRIVATE = re.compile(r"(^|[^A-Za-z0-9_.-])/(work|root|home|farm)/[a-z]")


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in SOURCES:
        yield path, ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [pytest.param(one, id=ids(one)) for one in SOURCES])
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    lines_max = TABLE_LINES_MAX if path.stem.startswith("cases_") else LINES_MAX
    assert len(path.read_text(encoding="utf-8").splitlines()) <= lines_max


def test_names_say_what_is_in_a_file() -> None:
    assert [ids(path) for path in SOURCES if BANNED_NAMES.search(path.stem)] == []


def test_a_package_says_its_idea_and_imports_nothing() -> None:
    for path, module in modules():
        if path.name != "__init__.py" or "proconsul/" not in ids(path):
            continue
        assert ast.get_docstring(module), f"{ids(path)} has no docstring"
        imports = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not imports, f"{ids(path)} imports, which the contracts do not see"


def test_source_roots_are_no_packages() -> None:
    for root in ("server", "operator"):
        assert not (ROOT / root / "__init__.py").exists()


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    for path in SOURCES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            assert not PRIVATE.search(line), f"{ids(path)}:{number}"


def test_lock_files_hold_versions_and_hashes_and_no_addresses() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "http://" not in text
        assert "https://" not in text


def test_every_path_is_in_the_table_once() -> None:
    patterns = [route.pattern for route in ROUTES]
    assert len(patterns) == len(set(patterns))
    assert {path for path, _ in LATER} <= set(patterns)
