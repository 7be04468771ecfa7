"""The syntax of Go's regular expressions: from the text of a pattern to its tree.

Groups capture nothing and greed is dropped: for "is there a match?" neither matters. Source: Go's
regexp/syntax with `Perl` flags, as of Go 1.14. Scripts (`\\p{Greek}`) are not known here, general
categories (`\\pL`, `\\p{Lu}`) are.
"""

import enum
import re

from msgspec import Struct
from msgspec.structs import replace

from proconsul.filters.characters import CATEGORIES, PERL, POSIX, RUNE_MAX, Characters

REPEAT_MAX = 1000  # Go's
NESTING_MAX = 100  # groups: each is a few frames here

_ERROR = "error parsing regexp: "


class PatternError(ValueError):
    """A pattern that Go refuses; the message is Go's."""


class Place(enum.Enum):
    """A condition on the gap between two characters."""

    TEXT_START = r"\A"
    TEXT_END = r"\z"
    LINE_START = "(?m)^"
    LINE_END = "(?m)$"
    WORD_EDGE = r"\b"
    NO_WORD_EDGE = r"\B"


class Assertion(Struct, frozen=True):
    """No character, only a condition."""

    place: Place


class Sequence(Struct, frozen=True):
    """One after the other; of nothing it is the empty pattern."""

    items: tuple["Node", ...]


class Alternatives(Struct, frozen=True):
    """Any one of them."""

    items: tuple["Node", ...]


class Repeat(Struct, frozen=True):
    """`least` to `most` times; `most` None is without end."""

    item: "Node"
    least: int
    most: int | None


Node = Characters | Assertion | Sequence | Alternatives | Repeat


_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_PLACES = {
    "A": Place.TEXT_START,
    "z": Place.TEXT_END,
    "b": Place.WORD_EDGE,
    "B": Place.NO_WORD_EDGE,
}
_COUNTS = re.compile(r"\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}")
_REPEAT = re.compile(rf"[*+?]|{_COUNTS.pattern}")
_NUMERIC = re.compile(r"\\(?:x\{([0-9a-fA-F]+)\}|x([0-9a-fA-F]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2}))")
_UNICODE = re.compile(r"\\([pP])(?:\{(\^?)([^}]*)\}|([^{]))", re.DOTALL)
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_NAME = re.compile(r"\?P<([A-Za-z0-9_]+)>")
_FLAGS = re.compile(r"\?(?=[imsU:)-])([imsU]*)(-[imsU]+)?([:)])")
_NO_FLAGS = re.compile(r"\?[imsU]*(?:-[imsU]*)?.?", re.DOTALL)
_NO_HEX = re.compile(r"\\x(?:\{[0-9a-fA-F]*.?|[0-9a-fA-F]?.?)", re.DOTALL)
_ANY = Characters(ranges=((0, RUNE_MAX),))
_NOT_NEWLINE = Characters(ranges=((10, 10),), negated=True)


class _Flags(Struct, frozen=True):
    fold: bool = False
    multiline: bool = False
    dot_newline: bool = False


def parse_pattern(text: str) -> Node:
    """The tree of a pattern, or PatternError."""
    return _Parser(text).whole()


class _Parser:
    """Recursive descent; `at` is where it reads, `flags` those of the group it is in."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.flags = _Flags()
        self.names: set[str] = set()

    def whole(self) -> Node:
        node = self.alternatives()
        if self.at < len(self.text):
            raise self.error("unexpected )", self.text)
        return node

    def error(self, code: str, shown: str) -> PatternError:
        return PatternError(f"{_ERROR}{code}: `{shown}`")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def taken(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def alternatives(self) -> Node:
        items = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            items.append(self.sequence())
        return items[0] if len(items) == 1 else Alternatives(tuple(items))

    def sequence(self) -> Node:
        items: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            if items and _REPEAT.match(self.text, self.at):  # after `(?flags)`, which is nothing
                items[-1] = self.repeated(items[-1])
                continue
            start = self.at
            if self.counts() is not None:
                shown = self.text[start : self.at]
                raise self.error("missing argument to repetition operator", shown)
            atoms = self.atoms()
            items += [*atoms[:-1], *(self.repeated(last) for last in atoms[-1:])]
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def repeated(self, node: Node) -> Node:
        start = self.at
        counts = self.counts()
        if counts is None:
            return node
        again = self.at
        if self.counts() is not None:
            shown = self.text[start : self.at]
            raise self.error("invalid nested repetition operator", shown)
        assert again == self.at, "counts() moves only where it finds some"
        result = Repeat(node, *counts)
        if _repeats(result) > REPEAT_MAX:
            raise self.error("invalid repeat count", self.text[start : self.at])
        return result

    def counts(self) -> tuple[int, int | None] | None:
        """`*`, `+`, `?` or `{..}` with its `?`; other braces are plain characters."""
        start = self.at
        simple = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(self.peek())
        if simple is not None:
            self.at += 1
        else:
            braces = self.taken(_COUNTS)
            if braces is None:
                return None
            simple = self.braces(braces, start)
        if self.peek() == "?":
            self.at += 1
        return simple

    def braces(self, found: re.Match[str], start: int) -> tuple[int, int | None]:
        # More than four digits are past the limit, however many there are.
        least = int(found[1][:5])
        most = int(found[3][:5]) if found[3] else (None if found[2] else least)
        if max(least, most or 0) > REPEAT_MAX or (most is not None and most < least):
            raise self.error("invalid repeat count", self.text[start : self.at])
        return least, most

    def atoms(self) -> list[Node]:
        """What stands next; only `\\Q..\\E` is several (a repeat goes with the last)."""
        match self.peek():
            case "(":
                return self.group()
            case "[":
                return [self.bracket()]
            case "\\":
                return self.escape()
            case char:
                return [self.simple(char)]

    def simple(self, char: str) -> Node:
        self.at += 1
        multiline = self.flags.multiline
        match char:
            case ".":
                return _ANY if self.flags.dot_newline else _NOT_NEWLINE
            case "^":
                return Assertion(Place.LINE_START if multiline else Place.TEXT_START)
            case "$":
                return Assertion(Place.LINE_END if multiline else Place.TEXT_END)
            case _:
                return self.literal(ord(char))

    def literal(self, code: int) -> Characters:
        return Characters(ranges=((code, code),), folded=self.flags.fold)

    def group(self) -> list[Node]:
        """A group; nothing where it only sets flags for what follows."""
        start = self.at
        outer = self.flags
        self.at += 1
        if self.peek() == "?" and not self.named(start) and self.set_flags(start):
            return []
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise self.error(f"groups nested more than {NESTING_MAX} deep", self.text)
        node = self.alternatives()
        self.depth -= 1
        if self.peek() != ")":
            raise self.error("missing closing )", self.text)
        self.at += 1
        self.flags = outer
        return [node]

    def named(self, start: int) -> bool:
        if not self.text.startswith("?P<", self.at) or len(self.text) - start <= 4:
            return False
        found = self.taken(_NAME)
        if found is None:
            end = self.text.find(">", start)
            shown = self.text[start:] if end < 0 else self.text[start : end + 1]
            raise self.error("invalid named capture", shown)
        if found[1] in self.names:
            raise self.error("duplicate capture group name", found[1])
        self.names.add(found[1])
        return True

    def set_flags(self, start: int) -> bool:
        """Take `?flags` up to `:` or `)`; True where it ended the group."""
        found = self.taken(_FLAGS)
        if found is None:
            self.taken(_NO_FLAGS)
            shown = self.text[start : self.at]
            raise self.error("invalid or unsupported Perl syntax", shown)
        for letters, value in ((found[1], True), ((found[2] or "")[1:], False)):
            for letter in letters:
                self.flags = self.with_flag(letter, value)
        return found[3] == ")"

    def with_flag(self, letter: str, value: bool) -> _Flags:
        match letter:
            case "i":
                return replace(self.flags, fold=value)
            case "m":
                return replace(self.flags, multiline=value)
            case "s":
                return replace(self.flags, dot_newline=value)
            case _:  # U turns greed round
                return self.flags

    def escape(self) -> list[Node]:
        following = self.text[self.at + 1 : self.at + 2]
        if following in _PLACES:
            self.at += 2
            return [Assertion(_PLACES[following])]
        if following == "Q":
            quoted, end, _ = self.text[self.at + 2 :].partition("\\E")
            self.at += 2 + len(quoted) + len(end)
            return [self.literal(ord(char)) for char in quoted]
        named = self.named_class()
        if named is not None:
            return [replace(named, folded=self.flags.fold)]
        return [self.literal(self.escaped_code())]

    def named_class(self) -> Characters | None:
        """`\\d`, `\\W`, `\\pL` and their like."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter and letter in "dDsSwW":
            self.at += 2
            return Characters(ranges=PERL[letter.lower()], negated=letter.isupper())
        start = self.at
        found = self.taken(_UNICODE)
        if found is None and letter and letter in "pP":
            raise self.error("invalid character class range", self.text[start:])
        if found is None:
            return None
        name = found[3] if found[3] is not None else found[4]
        negated = (found[1] == "P") is not (found[2] == "^")
        if name == "Any":
            return replace(_ANY, negated=negated)
        if name not in CATEGORIES:
            raise self.error("invalid character class range", self.text[start : self.at])
        return Characters(category=name, negated=negated)

    def escaped_code(self) -> int:
        """The character that a backslash and what follows stand for."""
        start = self.at
        numeric = self.taken(_NUMERIC)
        if numeric is not None:
            digits = numeric[1] or numeric[2]
            code = int(digits, 16) if digits else int(numeric[3], 8)
            if code <= RUNE_MAX:
                return code
        following = self.text[start + 1 : start + 2]
        if not following:
            raise self.error("trailing backslash at end of expression", "")
        if self.taken(_NO_HEX) is None:
            self.at = start + 2
        if following in _CONTROL:
            return _CONTROL[following]
        if numeric is None and following.isascii() and not following.isalnum():
            return ord(following)
        raise self.error("invalid escape sequence", self.text[start : self.at])

    def bracket(self) -> Characters:
        start = self.at
        self.at += 1
        negated = self.peek() == "^"
        self.at += negated
        ranges: list[tuple[int, int]] = []
        parts: list[Characters] = []
        first = True
        while first or self.peek() != "]":
            first = False
            named = self.posix_class() or (self.named_class() if self.peek() == "\\" else None)
            if named is not None:
                parts.append(named)
            else:
                ranges.append(self.range(start))
        self.at += 1
        return Characters(
            ranges=tuple(ranges), parts=tuple(parts), negated=negated, folded=self.flags.fold
        )

    def posix_class(self) -> Characters | None:
        found = self.taken(_POSIX_CLASS)
        if found is None:
            return None
        if found[2] not in POSIX:
            raise self.error("invalid character class range", found[0])
        return Characters(ranges=POSIX[found[2]], negated=found[1] == "^")

    def range(self, start: int) -> tuple[int, int]:
        begin = self.at
        low = self.class_code(start)
        if self.peek() != "-" or self.text[self.at + 1 : self.at + 2] in ("", "]"):
            return low, low
        self.at += 1
        high = self.class_code(start)
        if high < low:
            raise self.error("invalid character class range", self.text[begin : self.at])
        return low, high

    def class_code(self, start: int) -> int:
        char = self.peek()
        if char == "":
            raise self.error("missing closing ]", self.text[start:])
        if char == "\\":
            return self.escaped_code()
        self.at += 1
        return ord(char)


def _repeats(node: Node) -> int:
    """How often the innermost of counted repeats within each other would be written out."""
    match node:
        case Repeat(item, least, most):
            return max(least, most or 0, 1) * _repeats(item)
        case Sequence(items) | Alternatives(items):
            return max((_repeats(item) for item in items), default=1)
        case _:
            return 1
