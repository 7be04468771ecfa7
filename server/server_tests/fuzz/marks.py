"""Which ways a call takes through some modules, for the fuzzer to tell new from old.

The modules are compiled with a mark at the beginning of every block and operand that may be left
out. A way is a step from one mark to the next and, roughly, how often it was taken: ten rounds of
a loop are another way than one. A mark costs a tenth of what `sys.settrace` does, and
means the same on every Python; `coverage`, which counts lines, states the result (coverage_of.py).
"""

import ast
import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from itertools import count, islice
from types import CodeType, ModuleType
from typing import Any

STEPS_MAX = 1 << 18  # of one call that are remembered: the last ones
WORD_BYTES_MAX = 40
_NAME = "_mark_of_the_fuzzer"

Ways = frozenset[int]


class Trail:
    """The marks that a call passes. Make it before the modules are imported by anybody."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._passed: deque[int] = deque(maxlen=STEPS_MAX)
        loaded = [name for name in modules if name in sys.modules]
        assert not loaded, f"imported too early to be marked: {loaded}"
        self.words: dict[bytes, None] = {}  # that stand in the modules: formats are made of them
        self._finder = _MarkingFinder(frozenset(modules), self._passed.append, self.words)
        sys.meta_path.insert(0, self._finder)

    def clear(self) -> None:
        """A call begins."""
        self._passed.clear()
        self._passed.append(0)

    def ways(self) -> Ways:
        """Those of the call since then."""
        steps = Counter(zip(self._passed, islice(self._passed, 1, None), strict=False))
        return frozenset(
            (before << 20 | after) << 5 | (times if times < 4 else times.bit_length() + 1)
            for (before, after), times in steps.items()
        )


class _MarkingFinder:
    """Finds the modules as ever, and has them compiled with marks."""

    def __init__(
        self, modules: frozenset[str], passed: Callable[[int], None], words: dict[bytes, None]
    ) -> None:
        self._modules = modules
        self._passed = passed
        self._words = words
        self._numbers = count(1)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module with our loader; None for any other one."""
        if name not in self._modules:
            return None
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None, f"there is no {name}"
        assert spec.origin is not None, f"{name} has no source"
        marking = _Marking(self._numbers, self._words)
        spec.loader = _MarkingLoader(name, spec.origin, self._passed, marking)
        return spec


class _MarkingLoader(SourceFileLoader):
    def __init__(
        self, name: str, path: str, passed: Callable[[int], None], marking: "_Marking"
    ) -> None:
        super().__init__(name, path)
        self._passed = passed
        self._marking = marking

    def get_code(self, fullname: str) -> CodeType:
        """Always from the source: what is cached has no marks."""
        tree = self._marking.visit(ast.parse(self.get_data(self.path)))
        made: CodeType = compile(ast.fix_missing_locations(tree), self.path, "exec")
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run it, with the mark among its names."""
        module.__dict__[_NAME] = self._passed
        super().exec_module(module)


class _Marking(ast.NodeTransformer):
    """Puts the marks in. They are `append`s, which give None: so `mark or operand` is operand."""

    def __init__(self, numbers: "count[int]", words: dict[bytes, None]) -> None:
        self._numbers = numbers
        self._words = words

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            has_docstring = ast.get_docstring(node) is not None
            node.body.insert(int(has_docstring), self._statement(node.body[0]))
        elif not isinstance(node, ast.Module | ast.ClassDef | ast.Lambda | ast.IfExp):
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and block:
                    block.insert(0, self._statement(block[0]))
        self._mark_operands(node)
        if isinstance(node, ast.Constant):
            self._note_word(node.value)
        return node

    def _note_word(self, value: object) -> None:
        match value:
            case str():
                word = value.encode()
            case bytes():
                word = value
            case int() if 0 <= value < 256:
                word = bytes([value])
            case _:
                return
        if 0 < len(word) <= WORD_BYTES_MAX and b"\n" not in word:
            self._words[word] = None

    def _mark_operands(self, node: ast.AST) -> None:
        match node:
            case ast.BoolOp():
                node.values[1:] = [self._operand(one) for one in node.values[1:]]
            case ast.IfExp():
                node.body, node.orelse = self._operand(node.body), self._operand(node.orelse)
            case ast.Lambda():
                node.body = self._operand(node.body)
            case ast.comprehension():
                node.ifs = [self._operand(one) for one in node.ifs]
            case _:
                pass

    def _call(self, beside: Any) -> ast.expr:
        number = ast.Constant(next(self._numbers))
        made = ast.Call(ast.Name(_NAME, ast.Load()), [number], [])
        return ast.copy_location(made, beside)

    def _statement(self, beside: ast.stmt) -> ast.stmt:
        return ast.copy_location(ast.Expr(self._call(beside)), beside)

    def _operand(self, value: ast.expr) -> ast.expr:
        return ast.copy_location(ast.BoolOp(ast.Or(), [self._call(value), value]), value)
