"""JSON configuration files: strict JSON, with the line of every value.

The standard decoder tells no positions, and a user with a wrong key wants the line. It still
reads the strings. Errors are in Go's words.
"""

from __future__ import annotations

import json
import math
import re

from proconsul.config.failure import ConfigError
from proconsul.config.tree import Node

DEPTH_MAX = 64
"""Objects and lists inside each other: more is a mistake or an attack, and would end our stack."""

_QUOTED_MAX = 40
"""Characters of a bad number that an error repeats."""

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_BAD_IN_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?P<fraction>(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def parse(text: str, source_name: str) -> Node:
    """The tree of `text`; an error names `source_name` and the line."""
    reader = _Reader(text, source_name)
    node = reader.value(0)
    reader.skip_space()
    if reader.at < len(text):
        raise reader.unexpected("after top-level value")
    return node


class _Reader:
    """A place in the text."""

    def __init__(self, text: str, source_name: str) -> None:
        self.text = text
        self.at = 0
        self._source_name = source_name
        self._line = 1
        self._counted_to = 0

    def line(self) -> int:
        """The line of the place, counted on from the last time."""
        self._line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at
        return self._line

    def skip_space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None, "it matches the empty string"
        self.at = match.end()

    def failure(self, what: str) -> ConfigError:
        return ConfigError(f"{self._source_name}: line {self.line()}: {what}")

    def unexpected(self, where: str) -> ConfigError:
        if self.at >= len(self.text):
            return self.failure("unexpected end of JSON input")
        return self.failure(f"invalid character {self.text[self.at]!r} {where}")

    def take(self, character: str) -> bool:
        self.skip_space()
        if not self.text.startswith(character, self.at):
            return False
        self.at += 1
        return True

    def value(self, depth: int) -> Node:
        self.skip_space()
        line = self.line()
        if depth > DEPTH_MAX:
            raise self.failure("exceeded max depth")
        if self.take("{"):
            return Node(self._object(depth + 1), line)
        if self.take("["):
            return Node(self._list(depth + 1), line)
        if self.text.startswith('"', self.at):
            return Node(self._string(), line)
        return Node(self._bare(), line)

    def _object(self, depth: int) -> dict[str, Node]:
        fields: dict[str, Node] = {}
        if self.take("}"):
            return fields
        while True:
            self.skip_space()
            if not self.text.startswith('"', self.at):
                raise self.unexpected("looking for beginning of object key string")
            key = self._string()
            if not self.take(":"):
                raise self.unexpected("after object key")
            fields[key] = self.value(depth)
            if self.take("}"):
                return fields
            if not self.take(","):
                raise self.unexpected("after object key:value pair")

    def _list(self, depth: int) -> list[Node]:
        values: list[Node] = []
        if self.take("]"):
            return values
        while True:
            values.append(self.value(depth))
            if self.take("]"):
                return values
            if not self.take(","):
                raise self.unexpected("after array element")

    def _string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if match is None:
            inside = _BAD_IN_STRING.match(self.text, self.at)
            self.at = inside.end() if inside else self.at
            raise self.unexpected("in string literal")
        try:
            text = str(json.loads(match.group()))
        except json.JSONDecodeError:
            raise self.failure("invalid escape in string literal") from None
        self.at = match.end()
        return text

    def _bare(self) -> bool | int | float | None:
        for word, meaning in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            raise self.unexpected("looking for beginning of value")
        number = match.group()
        value = float(number)
        if not math.isfinite(value):
            raise self.failure(f"number {number[:_QUOTED_MAX]} is out of range")
        self.at = match.end()
        return value if match.group("fraction") else int(number)
