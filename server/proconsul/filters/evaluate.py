"""From an expression and a row type to one closure.

All that can be wrong with a filter is found while compiling, before a row is seen: an unknown
selector, an operation that the field's kind has not, a value that is none of its kind. Running it
cannot fail. Source: go-bexpr 0.1.2, `validate.go`, `evaluate.go`.

Rules worth knowing, all of them go-bexpr's: a selector through a list asks whether *any* element
matches, also for `!=` and `not in`; a map key that is missing satisfies `!=`, `not in`,
`is empty`, `matches` and `not matches`. Where Go would follow a nil pointer (and Consul drop the
connection) we take it as such a missing key.
"""

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from proconsul.errors import RpcError
from proconsul.filters.fields import PRIMITIVES, Field, Kind, field_spec
from proconsul.filters.literals import LiteralError, parse_bool, parse_float, parse_int, quote
from proconsul.filters.pattern import Pattern, PatternError
from proconsul.filters.tree import All, Expression, FilterSyntaxError, Match, Not, Operator
from proconsul.filters.tree import Any as AnyOf

COMPILED_MAX = 128  # expressions kept, each at most grammar.EXPRESSION_CHARS_MAX long
NESTING_MAX = 100  # and within or within not within ...: each level is a frame when a row is asked

Row = TypeVar("Row", bound=msgspec.Struct)
Test = Callable[[Any], bool]

_PREFIX = "Failed to create boolean expression evaluator: "

_EMPTINESS = frozenset({Operator.IS_EMPTY, Operator.IS_NOT_EMPTY})
_MEMBERSHIP = frozenset({Operator.IN, Operator.NOT_IN})
_EQUALITY = frozenset({Operator.EQUAL, Operator.NOT_EQUAL})
_MATCHING = frozenset({Operator.MATCHES, Operator.NOT_MATCHES})
_FALSE_WHEN_MISSING = frozenset({Operator.EQUAL, Operator.IS_NOT_EMPTY, Operator.IN})
_NEGATIVE = {
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.NOT_IN: Operator.IN,
    Operator.IS_NOT_EMPTY: Operator.IS_EMPTY,
    Operator.NOT_MATCHES: Operator.MATCHES,
}
_COERCIONS: dict[Kind, Callable[[str], object]] = {
    Kind.STRING: str,
    Kind.BOOL: parse_bool,
    Kind.INT: parse_int,
    Kind.FLOAT: parse_float,
}


class FilterError(RpcError):
    """A filter that cannot be used; str() is the whole text that Consul sends (status 500).

    `detail` is the same without "Failed to create boolean expression evaluator: ".
    """

    def __init__(self, detail: str) -> None:
        super().__init__(_PREFIX + detail)
        self.detail = detail


def compile_filter(expression: str, row_type: type[Row]) -> Callable[[Row], bool]:
    """A test for rows of that type; FilterError says what is wrong. "" takes every row."""
    if expression == "":
        return _everything
    return _compiled(expression, row_type)


def check_syntax(expression: str) -> None:
    """FilterError unless the expression parses; for `/v1/agent/checks`, which knows no row type."""
    if expression != "":
        _parse(expression)


def _everything(_row: object) -> bool:
    return True


@lru_cache(maxsize=COMPILED_MAX)
def _compiled(expression: str, row_type: type[msgspec.Struct]) -> Test:
    row = Field(Kind.STRUCT, fields=field_spec(row_type))
    return _expression(_parse(expression), row, depth=0)


def _parse(expression: str) -> Expression:
    from proconsul.filters.grammar import parse  # here: the parser's generator is large

    try:
        return parse(expression)
    except FilterSyntaxError as error:
        raise FilterError(str(error)) from error


def _expression(tree: Expression, row: Field, depth: int) -> Test:
    if depth > NESTING_MAX:
        raise FilterError(f"and, or and not nested more than {NESTING_MAX} deep")
    match tree:
        case Match():
            return _match(tree, row)
        case Not(operand):
            test = _expression(operand, row, depth + 1)
            return lambda value: not test(value)
        case All(operands):
            return _all(tuple(_expression(part, row, depth + 1) for part in operands))
        case AnyOf(operands):
            return _any(tuple(_expression(part, row, depth + 1) for part in operands))


def _all(tests: tuple[Test, ...]) -> Test:
    return lambda value: all(test(value) for test in tests)


def _any(tests: tuple[Test, ...]) -> Test:
    return lambda value: any(test(value) for test in tests)


def _match(match: Match, row: Field) -> Test:
    target = _resolve(match, row)
    selector = quote(".".join(match.selector))
    if match.operator not in _operators(target):
        raise FilterError(
            f"Invalid match operator {quote(match.operator.value)} for selector {selector}"
        )
    test = _question(match.operator, target, _operand(match, target, selector))
    return _descent(row, match.selector, test, missing=match.operator not in _FALSE_WHEN_MISSING)


def _resolve(match: Match, row: Field) -> Field:
    """The field at the end of the selector."""
    at = row
    for position, name in enumerate(match.selector, start=1):
        inner = _step(at, name)
        if inner is None:
            shown = quote(".".join(match.selector[:position]))
            raise FilterError(f"Selector {shown} is not valid")
        at = inner
    return at


def _step(at: Field, name: str) -> Field | None:
    """What `name` leads to: a list passes it on to its elements, a map takes it as a key."""
    if at.kind is Kind.LIST and at.element is not None and at.element.kind in _ENTERED:
        return _step(at.element, name)
    if at.kind is Kind.MAP and at.key_is_string and at.element is not None:
        return None if at.element.kind is Kind.OPAQUE else at.element
    return at.fields.get(name)


_ENTERED = frozenset({Kind.STRUCT, Kind.MAP, Kind.LIST})


def _operators(target: Field) -> frozenset[Operator]:
    match target.kind:
        case Kind.STRING:
            return _EQUALITY | _MEMBERSHIP | _MATCHING
        case Kind.BOOL | Kind.INT | Kind.FLOAT:
            return _EQUALITY
        case Kind.LIST:
            held = target.element is not None and target.element.kind in PRIMITIVES
            return _EMPTINESS | _MEMBERSHIP if held else _EMPTINESS
        case Kind.MAP:
            return _EMPTINESS | _MEMBERSHIP if target.key_is_string else _EMPTINESS
        case _:
            return frozenset()


def _operand(match: Match, target: Field, selector: str) -> object:
    """The value in the kind that the field is compared by."""
    if match.value is None:
        return None
    compared = target.element if target.kind is Kind.LIST else target
    assert compared is not None, "only lists of primitives have operations with a value"
    try:
        value = _COERCIONS.get(compared.kind, str)(match.value)
    except LiteralError as error:
        raise FilterError(
            f"Failed to coerce value {quote(match.value)} for selector {selector}: {error}"
        ) from error
    if match.operator not in _MATCHING:
        return value
    try:
        return Pattern(match.value)
    except PatternError as error:
        raise FilterError(
            f"Failed to compile regular expression {quote(match.value)}: {error}"
        ) from error


def _question(asked: Operator, target: Field, operand: object) -> Test:
    """What is asked of the field itself; a negative operation is its positive one, turned round."""
    positive = _NEGATIVE.get(asked)
    if positive is not None:
        test = _question(positive, target, operand)
        return lambda value: not test(value)
    match asked:
        case Operator.EQUAL:
            return lambda value: bool(value == operand)
        case Operator.IN if target.kind is Kind.STRING:
            return _substring(str(operand))
        case Operator.IN:  # None is Go's nil list or map
            return lambda value: value is not None and operand in value
        case Operator.IS_EMPTY:
            return operator.not_
        case _:
            assert isinstance(operand, Pattern), "matches has a pattern for its operand"
            return operand.search


def _substring(sought: str) -> Test:
    try:
        sought.encode()
    except UnicodeEncodeError:  # part of a character: only its bytes can be found
        piece = sought.encode("utf-8", "surrogateescape")
        return lambda value: piece in value.encode("utf-8", "surrogateescape")
    return lambda value: sought in value


def _descent(at: Field, selector: tuple[str, ...], test: Test, *, missing: bool) -> Test:
    """Walks from a value of `at` along the selector to where the test is put."""
    if not selector:
        return test if at.kind not in PRIMITIVES else _present(test, missing)
    match at.kind:
        case Kind.LIST:
            assert at.element is not None, "resolved before"
            return _each(_descent(at.element, selector, test, missing=missing))
        case Kind.MAP:
            assert at.element is not None, "resolved before"
            inner = _descent(at.element, selector[1:], test, missing=missing)
            return _key(selector[0], inner, missing)
        case _:
            step = at.fields[selector[0]]
            inner = _descent(step, selector[1:], test, missing=missing)
            return _attribute(step.attribute, inner, missing)


def _present(test: Test, missing: bool) -> Test:
    return lambda value: missing if value is None else test(value)


def _each(inner: Test) -> Test:
    return lambda value: any(inner(item) for item in value or ())


def _key(key: str, inner: Test, missing: bool) -> Test:
    def at_key(value: Any) -> bool:
        if not value or key not in value:
            return missing
        return inner(value[key])

    return at_key


def _attribute(name: str, inner: Test, missing: bool) -> Test:
    get = operator.attrgetter(name)
    return lambda value: missing if value is None else inner(get(value))
