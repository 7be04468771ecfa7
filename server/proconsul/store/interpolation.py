"""`${...}` in texts: the expression language of Consul's query templates (HashiCorp's HIL).

A text is literal pieces and expressions. An expression is made of quoted strings (which may hold
`${...}` again), numbers, variables, calls of `match`, and arithmetic from left
to right without precedence, as the version of HIL in Consul 1.8.7 has it. What it gives is turned
into text.
"""

import decimal
import math
from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

from msgspec import Struct

from proconsul.wire.golang import quote

Value: TypeAlias = str | int | float

N = TypeVar("N", int, float)

NESTING_MAX = 64  # of quoted strings and brackets; nobody writes more by hand
_INT64 = 1 << 63


class InterpolationError(ValueError):
    """A text cannot be parsed or evaluated; str() says where and why."""


class Scope(Struct, frozen=True):
    """What expressions may name: variables, and the groups of the template's expression."""

    variables: dict[str, str]
    match: Callable[[int], str]


class Literal(Struct, frozen=True):
    """A value that stands for itself."""

    value: Value


class Variable(Struct, frozen=True):
    """A name to look up."""

    name: str
    column: int


class Call(Struct, frozen=True):
    """A function and what it is given."""

    function: str
    arguments: tuple["Expression", ...]
    column: int


class Index(Struct, frozen=True):
    """`name[key]`: it parses, but no variable of a template is a list."""

    name: str
    key: "Expression"
    column: int


class Operation(Struct, frozen=True):
    """Two operands."""

    operator: str
    left: "Expression"
    right: "Expression"
    column: int


class Sequence(Struct, frozen=True):
    """Pieces that are joined to one text."""

    pieces: tuple["Expression", ...]


Expression: TypeAlias = Literal | Variable | Call | Index | Operation | Sequence

_OPERATORS = "+-*/%"
_PUNCTUATION = "()[]," + _OPERATORS


def parse(text: str) -> Expression:
    """Read a text. Raises InterpolationError."""
    return _Parser(text).sequence(quoted=False)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def error(self) -> InterpolationError:
        return InterpolationError("parse error: syntax error")

    def sequence(self, *, quoted: bool) -> Expression:
        pieces: list[Expression] = []
        literal = ""
        while self.at < len(self.text):
            if quoted and self.text[self.at] == '"':
                break
            if self.text.startswith("${", self.at):
                if literal:
                    pieces.append(Literal(literal))
                    literal = ""
                self.at += 2
                pieces.append(self.deeper("}", self.expression))
                continue
            if not literal and not quoted and self.text[self.at :] == "$":
                self.at += 1  # HIL loses a dollar that stands alone at the end
                continue
            literal += self.character(quoted=quoted)
        else:
            if quoted:
                raise self.error()
        if literal or not pieces:
            pieces.append(Literal(literal))
        return (
            pieces[0]
            if len(pieces) == 1 and isinstance(pieces[0], Literal)
            else Sequence(tuple(pieces))
        )

    def character(self, *, quoted: bool) -> str:
        char = self.text[self.at]
        if self.text.startswith("$$", self.at):
            self.at += 2
            return "$"
        if quoted and char == "\\":
            escaped = self.text[self.at + 1 : self.at + 2]
            if escaped in ("\\", "n", '"') and escaped:
                self.at += 2
                return "\n" if escaped == "n" else escaped
        self.at += 1
        return char

    def deeper(self, end: str, inner: Callable[[], Expression]) -> Expression:
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise self.error()
        made = inner()
        self.depth -= 1
        self.require(end)
        return made

    def require(self, token: str) -> None:
        if self.peek() != token:
            raise self.error()
        self.at += len(token)

    def peek(self) -> str:
        """The token at hand, which is left there: "" at the end, "0" a number, "a" a name."""
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        one = self.text[self.at : self.at + 1]
        if not one or one in _PUNCTUATION or one in '}"':
            return one
        if "0" <= one <= "9":
            return "0"
        if one.isalpha() or one == "_":
            return "a"
        raise self.error()

    def expression(self) -> Expression:
        self.peek()
        column = self.at
        left = self.term()
        while (operator := self.peek()) and operator in _OPERATORS:
            self.at += 1
            left = Operation(operator, left, self.term(), column)
        return left

    def term(self) -> Expression:
        token, column = self.peek(), self.at
        if token in ("(", '"', "-"):
            self.at += 1
            return self.opened(token, column)
        if token == "0":
            return Literal(self.number())
        if token != "a":
            raise self.error()
        name = self.name()
        if self.peek() == "(":
            self.at += 1
            return Call(name, tuple(self.arguments()), column)
        if self.peek() == "[":
            self.at += 1
            return Index(name, self.deeper("]", self.expression), column)
        return Variable(name, column)

    def opened(self, token: str, column: int) -> Expression:
        if token == "(":
            return self.deeper(")", self.expression)
        if token == '"':
            return self.strings()
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise self.error()
        operand = self.term()
        self.depth -= 1
        return Operation("-", Literal(0), operand, column)

    def strings(self) -> Expression:
        """A quoted string and those that stand right behind it, as one."""
        pieces = [self.deeper('"', lambda: self.sequence(quoted=True))]
        while self.peek() == '"':
            self.at += 1
            pieces.append(self.deeper('"', lambda: self.sequence(quoted=True)))
        return pieces[0] if len(pieces) == 1 else Sequence(tuple(pieces))

    def number(self) -> int | float:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "0123456789.":
            self.at += 1
        digits = self.text[start : self.at]
        try:
            number = float(digits) if "." in digits else int(digits)
        except ValueError:
            raise self.error() from None
        if number >= _INT64 and isinstance(number, int):
            raise self.error()
        return number

    def name(self) -> str:
        start = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if not (char.isalnum() or char in "_-.*"):
                break
            self.at += 1
        return self.text[start : self.at]

    def arguments(self) -> Iterator[Expression]:
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise self.error()
        more = self.peek() != ")"
        while more:
            yield self.expression()
            more = self.peek() == ","
            self.at += more
        self.require(")")
        self.depth -= 1


def evaluate(expression: Expression, scope: Scope) -> str:
    """The text that an expression gives. Raises InterpolationError."""
    return _text(_value(expression, scope))


def _value(expression: Expression, scope: Scope) -> Value:
    match expression:
        case Literal(value):
            return value
        case Sequence(pieces):
            return "".join(_text(_value(piece, scope)) for piece in pieces)
        case Variable(name, column):
            if name not in scope.variables:
                raise InterpolationError(f"{_at(column)}: unknown variable accessed: {name}")
            return scope.variables[name]
        case Call():
            return _call(expression, scope)
        case Index(name, _, column):
            if name not in scope.variables:
                raise InterpolationError(f"{_at(column)}: unknown variable accessed: {name}")
            raise InterpolationError(
                f"At column {column + 1}, line 1: invalid index operation into non-indexable type: "
                "TypeString"
            )
        case Operation():
            return _operate(expression, scope)


def _call(call: Call, scope: Scope) -> str:
    if call.function != "match":
        raise InterpolationError(f"{_at(call.column)}: unknown function called: {call.function}")
    if len(call.arguments) != 1:
        count = len(call.arguments)
        raise InterpolationError(f"{_at(call.column)}: match: expected 1 arguments, got {count}")
    return scope.match(_integer(_value(call.arguments[0], scope)))


def _operate(operation: Operation, scope: Scope) -> Value:
    """The first operand that is a number says in which kind of numbers is reckoned."""
    left, right = _value(operation.left, scope), _value(operation.right, scope)
    kind = next((type(one) for one in (left, right) if not isinstance(one, str)), int)
    if kind is int:
        return _reckon(operation.operator, _integer(left), _integer(right))
    if operation.operator == "%":
        raise InterpolationError(
            f"At column {operation.column + 1}, line 1: modulo cannot be used with floats"
        )
    return _reckon_floats(operation.operator, _float(left), _float(right))


def _reckon(operator: str, one: int, other: int) -> int:
    if operator == "+":
        result = one + other
    elif operator == "-":
        result = one - other
    elif operator == "*":
        result = one * other
    elif not other:
        raise InterpolationError("divide by zero")
    else:  # Go cuts towards zero, and the rest has the sign of the first
        whole = abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)
        result = whole if operator == "/" else one - other * whole
    return (result + _INT64) % (2 * _INT64) - _INT64


def _reckon_floats(operator: str, one: float, other: float) -> float:
    if operator == "+":
        return one + other
    if operator == "-":
        return one - other
    if operator == "*":
        return one * other
    if other:
        return one / other
    return one * math.inf if one else math.nan


def _integer(value: Value) -> int:
    if isinstance(value, str):
        return _parsed(value, int, "__builtin_StringToInt: strconv.ParseInt")
    return int(value)


def _float(value: Value) -> float:
    if isinstance(value, str):
        return _parsed(value, float, "__builtin_StringToFloat: strconv.ParseFloat")
    return float(value)


def _parsed(text: str, kind: Callable[[str], N], who: str) -> N:
    bad = InterpolationError(f"{who}: parsing {quote(text)}: invalid syntax")
    if not text.isascii() or "_" in text or text != text.strip():  # Python is laxer than Go
        raise bad
    try:
        return kind(text)
    except ValueError:
        raise bad from None


def _text(value: Value) -> str:
    return format_float(value) if isinstance(value, float) else str(value)


def format_float(value: float) -> str:
    """Write as Go's `strconv.FormatFloat(value, 'g', -1, 64)`."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    sign, digits, exponent = decimal.Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int), "neither NaN nor infinite"
    point = len(digits) + exponent
    minus = "-" if sign else ""
    shown = "".join(map(str, digits))
    if value and (point - 1 < _EXPONENT_MIN or point - 1 >= _EXPONENT_END):
        rest = f".{shown[1:]}" if len(shown) > 1 else ""
        return f"{minus}{shown[0]}{rest}e{point - 1:+03d}"
    return f"{minus}{decimal.Decimal(shown).scaleb(exponent):f}"


_EXPONENT_MIN, _EXPONENT_END = -4, 6


def _at(column: int) -> str:
    return f"1:{column + 1}"
