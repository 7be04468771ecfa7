"""Go's literals: what strconv makes of the text in an expression.

A filter is written for Go, so `0x10`, `"\\u00e9"` and `T` mean here what they mean there. Go
strings are bytes: those that are not UTF-8 become lone surrogates, equal to no row's text.
Source: Go's strconv, `Unquote`, `ParseInt`, `ParseBool`, `ParseFloat`, `Quote`.
"""

import re

INT_BITS = 64

_ESCAPE = re.compile(
    r"""\\(?:(?P<plain>[abfnrtv\\"])|x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-7]{3})"""
    r"""|u(?P<rune>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))"""
)
_PLAIN = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}
_NAMED = {code: f"\\{letter}" for letter, code in _PLAIN.items()}
_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
)
_FLOAT = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity)|nan", re.IGNORECASE
)
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_RUNE_MAX = 0x10FFFF


class LiteralError(ValueError):
    """Text that Go would not take; the message is Go's."""


def unquote(literal: str) -> str:
    """The value of a literal with its quotes; LiteralError where Go has a syntax error."""
    body = literal[1:-1]
    if literal[0] == "`":
        return body.replace("\r", "")
    if "\\" not in body and "\n" not in body:
        return body
    out = bytearray()
    at = 0
    while at < len(body):
        if body[at] != "\\":
            if body[at] == "\n":
                raise LiteralError("invalid syntax")
            out += body[at].encode()
            at += 1
            continue
        escape = _ESCAPE.match(body, at)
        if escape is None:
            raise LiteralError("invalid syntax")
        out += _escaped(escape)
        at = escape.end()
    return out.decode("utf-8", "surrogateescape")


def _escaped(escape: re.Match[str]) -> bytes:
    kind, text = escape.lastgroup, escape[escape.lastindex or 0]
    if kind == "plain":
        return bytes([_PLAIN[text]])
    code = int(text, 8 if kind == "octal" else 16)
    if code > (0xFF if kind in ("octal", "byte") else _RUNE_MAX):
        raise LiteralError("invalid syntax")
    if kind in ("octal", "byte"):
        return bytes([code])
    # Go writes the replacement character where a surrogate is asked for.
    return ("�" if 0xD800 <= code <= 0xDFFF else chr(code)).encode()


def quote(text: str) -> str:
    """`%q`: the text as Go prints it in its errors."""
    return '"' + "".join(_NAMED.get(ord(c), c) if _shown(c) else _hex(c) for c in text) + '"'


def _shown(char: str) -> bool:
    return char.isprintable() or ord(char) in _NAMED


def _hex(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def parse_int(text: str) -> int:
    """A signed integer of 64 bits in any of Go's bases (`ParseInt` with base 0)."""
    if _INTEGER.fullmatch(text) is None:
        raise LiteralError(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    digits = text.replace("_", "")
    unsigned = digits.lstrip("+-")
    octal = unsigned[0] == "0" and unsigned.isdigit()
    value = _bounded(unsigned, 8 if octal else 0)
    value = -value if digits[0] == "-" else value
    if not -(1 << (INT_BITS - 1)) <= value < 1 << (INT_BITS - 1):
        raise LiteralError(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return value


def _bounded(digits: str, base: int) -> int:
    # Past this many digits it is out of range in every base; Python refuses very long ones.
    significant = digits if digits[1:2] in tuple("xXbBoO") else digits.lstrip("0") or "0"
    return int(significant, base) if len(significant) <= INT_BITS + 2 else 1 << INT_BITS


def parse_bool(text: str) -> bool:
    """`ParseBool`: twelve spellings and no other."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise LiteralError(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")


def parse_float(text: str) -> float:
    """`ParseFloat`, without hexadecimal floats: no row that Consul filters has a float."""
    if _FLOAT.fullmatch(text) is None:
        raise LiteralError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    return float(text)
