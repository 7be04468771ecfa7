"""From the text of a filter to its tree.

White space is part of the grammar: the words need it around them (`not(a == 1)` is refused), the
signs do not, a selector may hold none. So each terminal carries its own white space, and words
are reserved nowhere: `not in Tags` asks for the tag "not". Source: go-bexpr 0.1.2, `grammar.peg`,
a PEG; as LALR it takes the same language, without its exponential time in nested parentheses.
"""

from functools import cache

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken
from msgspec import Struct

from proconsul.filters.literals import LiteralError, unquote
from proconsul.filters.tree import All, Any, Expression, FilterSyntaxError, Match, Not, Operator

EXPRESSION_CHARS_MAX = 64 * 1024

# The look-ahead in NOT: the word is a selector or a value where an operator follows it that would
# otherwise have nothing on its left (the PEG finds that out by going back).
_GRAMMAR = r"""
?start: disjunction
?disjunction: conjunction (OR conjunction)*
?conjunction: negation (AND negation)*
?negation: NOT negation -> negated
    | LPAR disjunction RPAR -> group
    | match
?match: path (EQUAL | NOT_EQUAL | CONTAINS | NOT_CONTAINS | MATCHES | NOT_MATCHES) value -> compare
    | path (IS_EMPTY | IS_NOT_EMPTY) -> emptiness
    | value (IN | NOT_IN) path -> membership
?value: path | NUMBER -> number | STRING -> string
path: IDENTIFIER (DOT IDENTIFIER | LSQB STRING RSQB)*

W: /[ \t\r\n]+/
NOT.2: "not" W /(?!@NO_NEGATION)/
AND: W "and" W
OR: W "or" W
LPAR: "(" W?
RPAR: W? ")"
LSQB: "[" W?
RSQB: W? "]"
DOT: "."
EQUAL: W? "==" W?
NOT_EQUAL: W? "!=" W?
CONTAINS: W "contains" W
NOT_CONTAINS: W "not" W "contains" W
MATCHES: W "matches" W
NOT_MATCHES: W "not" W "matches" W
IN: W "in" W
NOT_IN: W "not" W "in" W
IS_EMPTY: W "is" W "empty"
IS_NOT_EMPTY: W "is" W "not" W "empty"
IDENTIFIER: /[a-zA-Z][a-zA-Z0-9_]*/
NUMBER: /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?=[ \t\r\n)]|\Z)/
STRING: /"[^"]*"|`[^`]*`/
"""
_EMPTINESS = r"is[ \t\r\n]+(?:not[ \t\r\n]+)?empty"
_OPERATOR = (
    r"(?:==|!=|(?:not[ \t\r\n]+)?(?:in|contains|matches)[ \t\r\n]+[a-zA-Z0-9\"`-]|"
    rf"{_EMPTINESS})"
)
_NO_NEGATION = (
    r"[ \t\r\n]|==|!=|(?:in|contains|matches)[ \t\r\n]+"
    rf"(?![ \t\r\n]|{_OPERATOR})|{_EMPTINESS}"
)


_OPERATORS = {operator.name: operator for operator in Operator} | {
    "CONTAINS": Operator.IN,
    "NOT_CONTAINS": Operator.NOT_IN,
}


def parse(expression: str) -> Expression:
    """The tree of an expression, or FilterSyntaxError."""
    if len(expression) > EXPRESSION_CHARS_MAX:
        raise FilterSyntaxError(
            f"expression of {len(expression)} characters; {EXPRESSION_CHARS_MAX} are allowed"
        )
    if not _is_unicode(expression):
        raise FilterSyntaxError("invalid encoding")
    try:
        tree = _parser().parse(expression.strip(" \t\r\n"))
    except UnexpectedInput as error:
        raise FilterSyntaxError(_where(error, expression)) from error
    except LiteralError as error:
        raise FilterSyntaxError(str(error)) from error
    assert isinstance(tree, Match | Not | All | Any), "every rule has its callback"
    return tree


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _where(error: UnexpectedInput, expression: str) -> str:
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    at = None if ended else error.pos_in_stream
    if at is None:
        at = len(expression.strip(" \t\r\n"))
    offset = at + len(expression) - len(expression.lstrip(" \t\r\n"))
    line = expression.count("\n", 0, offset) + 1
    column = offset - (expression.rfind("\n", 0, offset) + 1) + 1
    return f"{line}:{column} ({offset}): no match found"


@cache
def _parser() -> Lark:
    """Built at the first filter: building takes longer than many a server's whole start."""
    grammar = _GRAMMAR.replace("@NO_NEGATION", _NO_NEGATION)
    return Lark(grammar, parser="lalr", lexer="contextual", transformer=_Builder())


class _Text(Struct, frozen=True):
    """A value that is no path."""

    text: str


_Path = tuple[str, ...]


@v_args(inline=True)
class _Builder(Transformer[Token, Expression]):
    """Builds the tree while the parser reduces: so nothing here recurses, however deep the text."""

    def disjunction(self, *parts: Expression | Token) -> Expression:
        return Any(_operands(parts))

    def conjunction(self, *parts: Expression | Token) -> Expression:
        return All(_operands(parts))

    def negated(self, _word: Token, operand: Expression) -> Expression:
        return operand.operand if isinstance(operand, Not) else Not(operand)

    def group(self, _left: Token, inner: Expression, _right: Token) -> Expression:
        return inner

    def compare(self, path: _Path, operator: Token, value: _Path | _Text) -> Expression:
        return Match(path, _OPERATORS[operator.type], _raw(value))

    def membership(self, value: _Path | _Text, operator: Token, path: _Path) -> Expression:
        return Match(path, _OPERATORS[operator.type], _raw(value))

    def emptiness(self, path: _Path, operator: Token) -> Expression:
        return Match(path, _OPERATORS[operator.type], None)

    def number(self, token: Token) -> _Text:
        return _Text(str(token))

    def string(self, token: Token) -> _Text:
        return _Text(unquote(token))

    def path(self, *tokens: Token) -> _Path:
        return tuple(
            str(token) if token.type == "IDENTIFIER" else unquote(token)
            for token in tokens
            if token.type in ("IDENTIFIER", "STRING")
        )


def _operands(parts: tuple[Expression | Token, ...]) -> tuple[Expression, ...]:
    return tuple(part for part in parts if not isinstance(part, Token))


def _raw(value: _Path | _Text) -> str:
    """A bare word is a path to the grammar: `a.b["c"]` is the text a.b.c."""
    return value.text if isinstance(value, _Text) else ".".join(value)
