"""Whether a query concerns us: all its filters must match (wire/gossip/serf.md section 2).

A tag's pattern is somebody else's, and a few bytes of it can stand for thousands of steps a
character. Pings wait meanwhile, so all patterns of a query share a budget.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from proconsul.filters.characters import Characters
from proconsul.filters.pattern import Pattern, PatternError
from proconsul.filters.pattern_syntax import (
    Alternatives,
    Assertion,
    Node,
    Repeat,
    Sequence,
    parse_pattern,
)
from proconsul.gossip.journal import Journal
from proconsul.gossip.serf_messages import Filter, NodeFilter, TagFilter, UnknownFilter

# Instructions of a pattern times characters of a tag: some 20 ms. A pattern that somebody writes
# for an ID of 36 characters needs a thousand.
STEPS_MAX = 16_000


def concerns(
    filters: Iterable[Filter], *, name: str, tags: Mapping[str, str], journal: Journal
) -> bool:
    """Whether a member of this name and with these tags is meant."""
    return _Asked(name, tags, journal).is_meant(filters)


class _Asked:
    """Who is asked, and what of the budget is left."""

    def __init__(self, name: str, tags: Mapping[str, str], journal: Journal) -> None:
        self._name = name
        self._tags = tags
        self._journal = journal
        self._steps_left = STEPS_MAX

    def is_meant(self, filters: Iterable[Filter]) -> bool:
        return all(map(self._matches, filters))

    def _matches(self, each: Filter) -> bool:
        match each:
            case NodeFilter():
                return self._name in each.names
            case TagFilter():
                return self._is_found(each.expression, self._tags.get(each.tag, ""))
            case UnknownFilter():
                self._journal.warning(f"query has unrecognized filter type: {each.data[:1].hex()}")
                return False

    def _is_found(self, expression: str, value: str) -> bool:
        try:
            self._steps_left -= _size(parse_pattern(expression)) * (len(value) + 1)
            if self._steps_left < 0:
                self._journal.warning(f"filter regex ({expression}) takes too many steps")
                return False
            return Pattern(expression).search(value)
        except PatternError as error:
            self._journal.warning(f"failed to compile filter regex ({expression}): {error}")
            return False


def _size(node: Node) -> int:
    """How many instructions it becomes, about."""
    match node:
        case Characters() | Assertion():
            return 1
        case Sequence(items) | Alternatives(items):
            return 1 + sum(map(_size, items))
        case Repeat(item, least, most):
            return (1 + _size(item)) * max(least + 1 if most is None else most, 1)
    assert_never(node)
