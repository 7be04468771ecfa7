"""Address templates: `{{ GetInterfaceIP "eth0" }}` in place of an address.

The language is the part of Go's templates that go-sockaddr's users write: text, pipelines of
function calls, strings, numbers, parentheses, `.` for all addresses, trim markers and comments.
Conditions, loops and variables are refused with a clear message.
Source: hashicorp/go-sockaddr template; Go's text/template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from msgspec import Struct

from proconsul.config import selection
from proconsul.config.networks import Host
from proconsul.config.selection import Addresses, SelectionError

Value = str | int | Addresses


class TemplateError(Exception):
    """A template that cannot be read or followed."""


def expand(text: str, host: Host) -> str:
    """`text` with its templates replaced; a TemplateError says what is wrong with one."""
    if "{{" not in text:
        return text
    written = json.dumps(text, ensure_ascii=False)
    output: list[str] = []
    trim_left = False
    for plain, action in _split(text):
        trim_right = action is not None and action.startswith("-") and action[1:2].isspace()
        kept = plain.lstrip() if trim_left else plain
        output.append(kept.rstrip() if trim_right else kept)
        if action is None:
            break
        trim_left = action.endswith("-") and action[-2:-1].isspace()
        body = action[1 if trim_right else 0 : -1 if trim_left else None].strip()
        if body.startswith("/*") and body.endswith("*/"):
            continue
        try:
            tokens = _tokens(body)
        except TemplateError as error:
            raise TemplateError(f"unable to parse template {written}: {error}") from None
        try:
            output.append(_text(_Pipeline(tokens, host).result()))
        except (TemplateError, SelectionError) as error:
            raise TemplateError(f"unable to execute sockaddr input {written}: {error}") from None
    return "".join(output)


def _split(text: str) -> list[tuple[str, str | None]]:
    """Pairs of plain text and the action behind it; the last has no action."""
    pairs: list[tuple[str, str | None]] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        end = text.find("}}", start)
        if end < 0:
            raise TemplateError(f"unable to parse template {json.dumps(text)}: unclosed action")
        pairs.append((text[at:start], text[start + 2 : end]))
        at = end + 2
    return [*pairs, (text[at:], None)]


class _Token(Struct, frozen=True):
    kind: str
    text: str


_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*")|`(?P<raw>[^`]*)`|(?P<number>[+-]?\d+)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<mark>[|().]))"""
)


def _tokens(body: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while body[at:].strip():
        match = _TOKEN.match(body, at)
        if match is None:
            raise TemplateError(f"unexpected {json.dumps(body[at:].strip()[:1])} in operand")
        kind = match.lastgroup or "raw"
        text = match[kind]
        if kind == "string":
            try:
                kind, text = "raw", str(json.loads(text))
            except json.JSONDecodeError:
                raise TemplateError(f"bad string {text}") from None
        if kind == "word":
            _require_function(text)
        tokens.append(_Token(kind, text))
        at = match.end()
    if not tokens:
        raise TemplateError("missing value for command")
    return tokens


def _require_function(name: str) -> None:
    if name in _KEYWORDS:
        raise TemplateError(f'"{name}" is not supported here; write a pipeline')
    if name not in _FUNCTIONS:
        raise TemplateError(f'function "{name}" not defined')


def _text(value: Value) -> str:
    if isinstance(value, tuple):
        raise TemplateError("it gives interfaces, not addresses; end it with `attr` or `join`")
    return str(value)


class _Pipeline:
    """One action: commands joined by `|`, each handing its value on as the last argument."""

    def __init__(self, tokens: list[_Token], host: Host) -> None:
        self._tokens = tokens
        self._host = host
        self._at = 0

    def result(self) -> Value:
        value = self._pipeline()
        if self._at < len(self._tokens):
            raise TemplateError(f"unexpected {self._tokens[self._at].text}")
        return value

    def _pipeline(self) -> Value:
        value = self._command(())
        while self._take("|"):
            value = self._command((value,))
        return value

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, mark: str) -> bool:
        token = self._peek()
        if token is None or token.kind != "mark" or token.text != mark:
            return False
        self._at += 1
        return True

    def _command(self, piped: tuple[Value, ...]) -> Value:
        token = self._peek()
        if token is None:
            raise TemplateError("missing value for command")
        if token.kind != "word":
            value = self._operand()
            if piped:
                raise TemplateError(f"can't give argument to non-function {token.text}")
            return value
        self._at += 1
        arguments: list[Value] = []
        while (following := self._peek()) and (following.kind != "mark" or following.text in ".("):
            arguments.append(self._operand())
        return self._call(token.text, [*arguments, *piped])

    def _operand(self) -> Value:
        token = self._peek()
        if token is None:
            raise TemplateError("missing value for command")
        if self._take("("):
            value = self._pipeline()
            if not self._take(")"):
                raise TemplateError("unclosed left paren")
            return value
        self._at += 1
        match token.kind:
            case "raw":
                return token.text
            case "number":
                return int(token.text)
            case "word":
                return self._call(token.text, [])
            case _ if token.text == ".":
                return self._host.interfaces
            case _:
                raise TemplateError(f"unexpected {token.text}")

    def _call(self, name: str, arguments: list[Value]) -> Value:
        signature, function = _FUNCTIONS[name]
        if len(arguments) != len(signature):
            raise TemplateError(
                f"wrong number of args for {name}: want {len(signature)} got {len(arguments)}"
            )
        for at, (argument, wanted) in enumerate(zip(arguments, signature, strict=True)):
            if not isinstance(argument, wanted):
                raise TemplateError(f"wrong type of argument {at + 1} for {name}")
        return function(self._host, *arguments)


_KEYWORDS = ("if", "else", "end", "range", "with", "define", "template", "block")


def _private_ips(host: Host) -> str:
    private = selection.include("rfc", "6890", selection.sort("type,size", host, host.interfaces))
    return selection.all_ips(selection.include("flags", "forwardable", private))


def _public_ips(host: Host) -> str:
    ordered = selection.sort("type,size", host, host.interfaces)
    return selection.all_ips(selection.exclude("rfc", "6890", ordered))


def _interface_ip(host: Host, name: str) -> str:
    named = selection.include("name", name, host.interfaces)
    usable = selection.include("flags", "forwardable", named)
    return selection.all_ips(selection.sort("+type,+size", host, usable)[:1])


def _interface_ips(host: Host, name: str) -> str:
    named = selection.include("name", name, host.interfaces)
    return selection.all_ips(selection.sort("+type,+size", host, named))


_Function = Callable[..., Value]
_FUNCTIONS: dict[str, tuple[tuple[type, ...], _Function]] = {
    "GetAllInterfaces": ((), lambda host: host.interfaces),
    "GetDefaultInterfaces": (
        (),
        lambda host: tuple(each for each in host.interfaces if each.name == host.default_interface),
    ),
    "GetPrivateInterfaces": (
        (),
        lambda host: selection.private_interfaces(host, host.interfaces),
    ),
    "GetPublicInterfaces": ((), lambda host: selection.public_interfaces(host, host.interfaces)),
    "GetPrivateIP": (
        (),
        lambda host: selection.all_ips(selection.private_interfaces(host, host.interfaces)[:1]),
    ),
    "GetPublicIP": (
        (),
        lambda host: selection.all_ips(selection.public_interfaces(host, host.interfaces)[:1]),
    ),
    "GetPrivateIPs": ((), _private_ips),
    "GetPublicIPs": ((), _public_ips),
    "GetInterfaceIP": ((str,), _interface_ip),
    "GetInterfaceIPs": ((str,), _interface_ips),
    "include": ((str, str, tuple), lambda _, *words: selection.include(*words)),
    "exclude": ((str, str, tuple), lambda _, *words: selection.exclude(*words)),
    "sort": ((str, tuple), lambda host, by, given: selection.sort(by, host, given)),
    "attr": ((str, tuple), lambda _, name, given: selection.attribute(name, given)),
    "join": ((str, str, tuple), lambda _, *words: selection.join(*words)),
    "limit": ((int, tuple), lambda _, count, given: selection.limit(count, given)),
    "offset": ((int, tuple), lambda _, count, given: selection.offset(count, given)),
    "unique": ((str, tuple), lambda _, by, given: selection.unique(by, given)),
    "math": ((str, str, tuple), lambda _, *words: selection.math(*words)),
}
