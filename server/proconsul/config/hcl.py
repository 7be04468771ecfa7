"""HCL version 1: the language of configuration files and of ACL rules.

`parse` gives the statements as written, with lines; `lower` gives what HCL1's decoder makes of
them: blocks of one name gather in a list, labels become maps around the block, a key written
twice lets lists grow and else the last one win. Bare words are keys only; `${...}` is text.
The grammar is compiled when the first file is read, not at import: with lark's own import that
costs some 70 ms, which a server without HCL files need not pay.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from proconsul.config.failure import ConfigError
from proconsul.config.tree import Node, Scalar

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedToken

DEPTH_MAX = 64
"""Blocks and lists inside each other: more is a mistake or an attack, and would end our stack."""

_GRAMMAR = r"""
start: (item ","?)*
item: key "=" value -> assignment
    | key+ object   -> block
key: IDENT | STRING
object: "{" (item ","?)* "}"
list: "[" ","* (value (","+ value)* ","*)? "]"
?value: STRING | HEREDOC | FLOAT | NUMBER | BOOL | object | list

BOOL.2: /(true|false)(?![\w.-])/
IDENT: /(?!(?:true|false)(?![\w.-]))[^\W\d][\w.-]*/
STRING: /"(?:\\.|\$\{[^}]*\}|[^"\\\n])*"/
HEREDOC: /<<-?(?P<anchor>\w+)\r?\n(?:[\s\S]*?\n)??[^\S\n]*(?P=anchor)(?=\r?\n|\Z)/
FLOAT.2: /-?(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|-?\d+[eE][+-]?\d+/
NUMBER: /-?(?:0[xX][0-9a-fA-F]+|\d+)/
COMMENT: /#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\//
%ignore COMMENT
%ignore /\s+/
"""


class HclList(Struct, frozen=True):
    """`[a, b]`."""

    values: tuple[HclValue, ...]
    line: int


class HclObject(Struct, frozen=True):
    """A block's inside, or a whole file: its statements in order."""

    items: tuple[HclItem, ...]
    line: int


class HclLiteral(Struct, frozen=True):
    """A string (quoted or heredoc), a number or a boolean."""

    value: Scalar
    line: int


HclValue = HclLiteral | HclList | HclObject


class HclItem(Struct, frozen=True):
    """`a = 1` or `a "label" { }`: the keys are the name and its labels."""

    keys: tuple[str, ...]
    value: HclValue
    line: int


def parse(text: str, source_name: str) -> HclObject:
    """The statements of `text`; an error names `source_name`, line and column."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

    text = text.replace("\r\n", "\n")
    _refuse_depth(text, source_name)
    try:
        tree = _parser().parse(text)
    except UnexpectedToken as error:
        line, column = _place(error, text)
        what = (
            f"unexpected {str(error.token)!r}" if error.token.type != "$END" else "unexpected end"
        )
        raise ConfigError(f"{source_name}: At {line}:{column}: {what}") from None
    except UnexpectedCharacters as error:
        what = _complaint(text, error.line, error.column)
        raise ConfigError(f"{source_name}: At {error.line}:{error.column}: {what}") from None
    except UnexpectedInput as error:
        raise ConfigError(f"{source_name}: At {error.line}:{error.column}: cannot parse") from None
    return _object(tree, source_name)


def lower(root: HclObject) -> Node:
    """What HCL1's decoder makes of a file: a map of values and of lists of maps."""
    return Node(_lower_items(root.items), root.line)


def _lower_items(items: Iterable[HclItem]) -> dict[str, Node]:
    fields: dict[str, Node] = {}
    for item in items:
        name = item.keys[0]
        if len(item.keys) > 1:
            inner = HclItem(item.keys[1:], item.value, item.line)
            node = Node([Node(_lower_items((inner,)), item.line)], item.line)
        else:
            node = _lower_value(item.value, in_list=False)
        known = fields.get(name)
        if known is not None and isinstance(known.value, list) and isinstance(node.value, list):
            node = Node([*known.value, *node.value], known.line)
        fields[name] = node
    return fields


def _lower_value(value: HclValue, *, in_list: bool) -> Node:
    match value:
        case HclLiteral():
            return Node(value.value, value.line)
        case HclList():
            return Node([_lower_value(each, in_list=True) for each in value.values], value.line)
        case HclObject():
            fields = Node(_lower_items(value.items), value.line)
            return fields if in_list else Node([fields], value.line)


@functools.cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def _refuse_depth(text: str, source_name: str) -> None:
    """Count brackets before anything recurses; those inside strings make it strict, not wrong."""
    depth = deepest = 0
    for match in re.finditer(r'"(?:\\.|[^"\\\n])*"|[\[{]|[\]}]', text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match.group(), 0)
        deepest = max(deepest, depth)
    if deepest > DEPTH_MAX:
        raise ConfigError(f"{source_name}: more than {DEPTH_MAX} blocks and lists in each other")


def _place(error: UnexpectedToken, text: str) -> tuple[int, int]:
    if error.token.type == "$END":
        return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1
    return error.line, error.column


def _complaint(text: str, line: int, column: int) -> str:
    """Why no token begins here, in HCL1's words."""
    text, at = text.split("\n", line - 1)[-1], column - 1
    if text.startswith('"', at):
        return "literal not terminated"
    if text.startswith("<<", at):
        return "heredoc not terminated"
    if text.startswith("/*", at):
        return "comment not terminated"
    if text.startswith("/", at):
        return "expected '/' for comment"
    return "illegal char"


def _object(tree: Tree[Token], source_name: str) -> HclObject:
    items: list[HclItem] = []
    for statement in tree.children:
        assert not isinstance(statement, str), "the grammar puts only statements here"
        *keys, value = statement.children
        words = tuple(
            _word(token, source_name)
            for key in keys
            if not isinstance(key, str)
            for token in key.children
            if isinstance(token, str)
        )
        items.append(HclItem(words, _value(value, source_name), statement.meta.line))
    line = 1 if tree.meta.empty else tree.meta.line
    return HclObject(tuple(items), line)


def _value(child: Tree[Token] | Token, source_name: str) -> HclValue:
    if isinstance(child, str):
        return HclLiteral(_literal(child, source_name), child.line or 1)
    if child.data == "object":
        return _object(child, source_name)
    values = tuple(_value(each, source_name) for each in child.children)
    return HclList(values, child.meta.line)


def _word(token: Token, source_name: str) -> str:
    return _unquote(token, source_name) if token.type == "STRING" else str(token)


def _literal(token: Token, source_name: str) -> Scalar:
    match token.type:
        case "STRING":
            return _unquote(token, source_name)
        case "HEREDOC":
            return _heredoc(str(token))
        case "BOOL":
            return str(token) == "true"
        case "FLOAT":
            return _float(token, source_name)
        case _:
            return _integer(token, source_name)


def _float(token: Token, source_name: str) -> float:
    number = float(token)
    if not math.isfinite(number):
        raise ConfigError(f"{source_name}: At {token.line}:{token.column}: value out of range")
    return number


def _integer(token: Token, source_name: str) -> int:
    """Go's base 0: `0x1f` and octal `017`."""
    digits = str(token)
    base = 8 if re.fullmatch(r"-?0\d+", digits) else 0
    try:
        number = int(digits, base)
    except ValueError:
        raise ConfigError(
            f"{source_name}: At {token.line}:{token.column}: illegal octal number"
        ) from None
    if not -(2**63) <= number < 2**63:
        raise ConfigError(
            f"{source_name}: At {token.line}:{token.column}: value out of range: {digits}"
        )
    return number


_ESCAPE = re.compile(
    r"""\$\{[^}]*\}|\\(?:(?P<plain>[abfnrtv\\"])|x(?P<x>[0-9a-fA-F]{2})"""
    r"""|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<octal>[0-7]{3})|(?P<bad>[\s\S]))"""
)
_PLAIN = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))


def _unquote(token: Token, source_name: str) -> str:
    def replace(match: re.Match[str]) -> str:
        groups = match.groupdict()
        if groups["plain"]:
            return _PLAIN[groups["plain"]]
        hexadecimal = groups["x"] or groups["u"] or groups["U"]
        code = int(hexadecimal, 16) if hexadecimal else int(groups["octal"] or "-1", 8)
        if groups["bad"] or code > 0x10FFFF:
            raise ConfigError(f"{source_name}: At {token.line}:{token.column}: illegal char escape")
        return chr(code) if code >= 0 else match.group()  # `${...}` stays as it is

    return _ESCAPE.sub(replace, token[1:-1])


def _heredoc(text: str) -> str:
    """`<<A` keeps all up to the closing word; `<<-A` takes its indentation off every line."""
    opening, body = text.split("\n", 1)
    anchor = opening.lstrip("<-").rstrip("\r")
    body = body[: -len(anchor)]
    if not opening.startswith("<<-"):
        return body
    lines = body.split("\n")
    indentation = lines[-1]
    if all(line.startswith(indentation) for line in lines):
        return "\n".join(line.removeprefix(indentation) for line in lines)
    return body.rstrip(" \t")
