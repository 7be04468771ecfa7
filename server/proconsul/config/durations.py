"""Go's durations: `1h15m30.918s` to nanoseconds, with Go's error texts.

Source: time.ParseDuration.
"""

from __future__ import annotations

import re
from fractions import Fraction

NS_PER_S = 1_000_000_000
_NS_MAX = 2**63 - 1
_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # micro sign
    "\u03bcs": 1_000,  # Greek letter mu
    "ms": 1_000_000,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}
_PART = re.compile(r"(?P<number>\d+\.?\d*|\.\d+)(?P<unit>[^\d.]*)", re.ASCII)


def parse_ns(text: str) -> int:
    """Nanoseconds; a ValueError carries Go's text."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    total, at = 0, 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None:
            break
        unit = match["unit"]
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in _UNITS_NS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += int(Fraction(match["number"].rstrip(".")) * _UNITS_NS[unit])
        at = match.end()
    if at == 0 or at < len(rest) or total > _NS_MAX:
        raise ValueError(f'time: invalid duration "{text}"')
    return -total if text.startswith("-") else total


def parse_s(text: str) -> float:
    """Seconds; a ValueError carries Go's text."""
    return parse_ns(text) / NS_PER_S
