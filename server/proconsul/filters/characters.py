"""Sets of characters in Go's regular expressions: classes by name, case folding, negation.

General categories come from this Python's Unicode tables. Folding is by case mappings, which gives
Go's simple folding but for a handful of letters written in the pattern (the Kelvin sign, say).
Source: Go's regexp/syntax, `perl_groups.go`.
"""

import unicodedata

from msgspec import Struct

RUNE_MAX = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]


class Characters(Struct, frozen=True):
    """One character: of `ranges`, of a Unicode category, or of one of the `parts`."""

    ranges: Ranges = ()
    category: str = ""
    parts: tuple["Characters", ...] = ()
    negated: bool = False
    folded: bool = False

    def holds(self, char: str) -> bool:
        """Whether this is one of them; folding goes first, negation last."""
        found = self._holds_exactly(char)
        if not found and self.folded:
            others = {char.lower(), char.upper(), char.lower().upper(), char.upper().lower()}
            found = any(self._holds_exactly(other) for other in others if len(other) == 1)
        return found is not self.negated

    def _holds_exactly(self, char: str) -> bool:
        code = ord(char)
        if any(low <= code <= high for low, high in self.ranges):
            return True
        if self.category and unicodedata.category(char).startswith(self.category):
            return True
        return any(part.holds(char) for part in self.parts)


def _ascii(text: str) -> Ranges:
    return tuple((ord(text[at]), ord(text[at + 1])) for at in range(0, len(text), 2))


_MINORS = {
    "C": "cfos",
    "L": "lmotu",
    "M": "cen",
    "N": "dlo",
    "P": "cdefios",
    "S": "ckmo",
    "Z": "lps",
}
PERL = {"d": _ascii("09"), "s": _ascii("\t\n\f\r  "), "w": _ascii("09AZ__az")}
POSIX = {
    "alnum": _ascii("09AZaz"),
    "alpha": _ascii("AZaz"),
    "ascii": _ascii("\x00\x7f"),
    "blank": _ascii("\t\t  "),
    "cntrl": _ascii("\x00\x1f\x7f\x7f"),
    "digit": _ascii("09"),
    "graph": _ascii("!~"),
    "lower": _ascii("az"),
    "print": _ascii(" ~"),
    "punct": _ascii("!/:@[`{~"),
    "space": _ascii("\t\r  "),
    "upper": _ascii("AZ"),
    "word": _ascii("09AZaz__"),
    "xdigit": _ascii("09AFaf"),
}
CATEGORIES = {f"{major}{minor}" for major, minors in _MINORS.items() for minor in ("", *minors)}
