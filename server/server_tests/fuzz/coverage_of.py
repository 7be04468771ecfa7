"""How many of a decoder's lines its inputs run, as `coverage` counts them.

Lines inside of functions are counted apart: those that only declare run when they are imported.
"""

import argparse
import ast
import contextlib
import importlib
import json
import logging
import sys
from pathlib import Path

import coverage

from server_tests.fuzz import kept
from server_tests.fuzz.targets import DECODERS, load


def lines_in_functions(source: str) -> set[int]:
    """The numbers of the lines that run when something is called."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines.update(range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def main(arguments: list[str]) -> int:
    """Run all inputs and print what they reached, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=DECODERS)
    parser.add_argument("--corpus", type=Path)
    asked = parser.parse_args(arguments)
    modules = DECODERS[asked.name]
    measure = coverage.Coverage(data_file=None, source_pkgs=list(modules), branch=False)
    logging.getLogger().addHandler(logging.NullHandler())
    measure.start()
    target = load(asked.name)
    found = sorted(asked.corpus.iterdir()) if asked.corpus else []
    inputs = [*target.seeds(), *kept.read(asked.name), *(path.read_bytes() for path in found)]
    for data in inputs:
        with contextlib.suppress(Exception):  # a finding is told elsewhere
            target.check(data)
    measure.stop()
    counts: dict[str, list[int]] = {}
    missing: dict[str, list[int]] = {}
    for name in modules:
        path = importlib.import_module(name).__file__
        assert path is not None
        _, statements, _, missed, _ = measure.analysis2(path)
        inside = lines_in_functions(Path(path).read_text(encoding="utf-8"))
        counts[name] = [len(statements), len(missed), len(inside & set(statements))]
        missing[name] = missed
    print(json.dumps({"inputs": len(inputs), "counts": counts, "missing": missing}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
