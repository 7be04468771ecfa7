"""What is compiled: the list is right, and what runs is all of it or none."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import proconsul
from compiling import __main__ as command
from compiling.modules import COMPILED, build, files, interpreted

ROOT = Path(proconsul.__file__).parent
LAZY = "a generator expression that is not eaten at once would be a list in machine code"
FINALLY = "`finally` that awaits raises whatever was handled before, anywhere, in machine code"
EXCEPT = "what `except` has caught is the thread's, so whoever runs while it waits sees it"
EXITS = "what an exit of `async with` that waits raises is the thread's by then (docs/adr/0015)"
# It raises nothing again behind what it awaits.
WAITS_IN_EXCEPT = {"runtime/raft_conversation": 1}
# Their exits do not wait, or raise by themselves.
GOOD_EXITS = {"asyncio.timeout", "asyncio.TaskGroup", "aclosing"}
SLOW = "a dataclass takes a millisecond of a start, a Struct takes none (docs/adr/0024)"


def test_the_list_is_in_order_and_names_what_is_there() -> None:
    assert list(COMPILED) == sorted(set(COMPILED))
    assert len(files(ROOT)) == len(COMPILED)


def test_what_is_compiled_runs_as_machine_code_all_of_it_or_nothing() -> None:
    assert len(interpreted()) in (0, len(COMPILED))
    assert build() == ("interpreted" if interpreted() else "compiled modules")


def _nodes(name: str) -> Iterator[ast.AST]:
    """All that stands in a module."""
    return ast.walk(ast.parse((ROOT / f"{name}.py").read_text()))


def _awaiting(name: str, statements: Iterable[ast.stmt]) -> list[str]:
    """Where something is awaited in these statements of a module."""
    return [
        f"{name}.py:{node.lineno}"
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, (ast.Await, ast.AsyncWith, ast.AsyncFor))
    ]


@pytest.mark.parametrize("name", COMPILED)
def test_nothing_is_awaited_in_finally(name: str) -> None:
    tried = [node for node in _nodes(name) if isinstance(node, ast.Try)]
    assert _awaiting(name, [one for node in tried for one in node.finalbody]) == [], FINALLY


@pytest.mark.parametrize("name", COMPILED)
def test_nothing_is_awaited_in_except(name: str) -> None:
    caught = [node for node in _nodes(name) if isinstance(node, ast.ExceptHandler)]
    awaiting = _awaiting(name, [one for node in caught for one in node.body])
    assert len(awaiting) == WAITS_IN_EXCEPT.get(name, 0), EXCEPT


@pytest.mark.parametrize("name", COMPILED)
def test_the_exits_of_async_with_are_known_not_to_wait(name: str) -> None:
    entered = [
        ast.unparse(entry.func if isinstance(entry, ast.Call) else entry)
        for node in _nodes(name)
        if isinstance(node, ast.AsyncWith)
        for entry in (item.context_expr for item in node.items)
    ]
    assert set(entered) <= GOOD_EXITS, EXITS


@pytest.mark.parametrize("name", COMPILED)
def test_no_generator_expression_is_handed_on(name: str) -> None:
    returned = [
        f"{name}.py:{node.lineno}"
        for node in _nodes(name)
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
