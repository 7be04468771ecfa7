"""What is compiled: the list is right, and what runs is all of it or none."""

import ast
from pathlib import Path

import pytest

import proconsul
from compiling import __main__ as command
from compiling.modules import COMPILED, build, files, interpreted

ROOT = Path(proconsul.__file__).parent
LAZY = "a generator expression that is not eaten at once would be a list in machine code"
FINALLY = "`finally` that awaits raises whatever was handled before, anywhere, in machine code"

SLOW = "a dataclass takes a millisecond of a start, a Struct takes none (docs/adr/0024)"


def test_the_list_is_in_order_and_names_what_is_there() -> None:
    assert list(COMPILED) == sorted(set(COMPILED))
    assert len(files(ROOT)) == len(COMPILED)


def test_what_is_compiled_runs_as_machine_code_all_of_it_or_nothing() -> None:
    assert len(interpreted()) in (0, len(COMPILED))
    assert build() == ("interpreted" if interpreted() else "compiled modules")


@pytest.mark.parametrize("name", COMPILED)
def test_nothing_is_awaited_in_finally(name: str) -> None:
    awaiting = [
        f"{name}.py:{node.lineno}"
        for tried in ast.walk(ast.parse((ROOT / f"{name}.py").read_text()))
        if isinstance(tried, ast.Try)
        for statement in tried.finalbody
        for node in ast.walk(statement)
        if isinstance(node, (ast.Await, ast.AsyncWith, ast.AsyncFor))
    ]
    assert awaiting == [], FINALLY


@pytest.mark.parametrize("name", COMPILED)
def test_no_generator_expression_is_handed_on(name: str) -> None:
    returned = [
        f"{name}.py:{node.lineno}"
        for node in ast.walk(ast.parse((ROOT / f"{name}.py").read_text()))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.GeneratorExp)
    ]
    assert returned == [], LAZY


def test_elsewhere_values_are_structs() -> None:
    compiled = set(files(ROOT))
    others = [path for path in ROOT.rglob("*.py") if path not in compiled]
    assert [
        path.relative_to(ROOT)
        for path in others
        if "@dataclass" in path.read_text() and path != ROOT / "leader/pool.py"
    ] == [], SLOW


def test_who_has_no_compiler_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr("sys.argv", ["compiling", str(tmp_path / "out")])
    assert command.main() == 1
    assert "there is no C compiler (no-such-compiler): install gcc" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
