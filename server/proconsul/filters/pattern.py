"""Go's regular expressions (RE2), as far as `matches` needs them: does the text hold a match?

Not Python's `re`: that one takes another language (look-around, back references, `$` before a last
newline) and goes back and forth over the text for time exponential in it, which a filter from
outside must not cause. Here the pattern becomes a small machine that reads each character once;
its steps are remembered, so it grows into the deterministic one only where texts lead. The
construction is Thompson's.
"""

import enum

from msgspec import Struct, field

from proconsul.filters.characters import Characters
from proconsul.filters.pattern_syntax import (
    Alternatives,
    Assertion,
    Node,
    PatternError,
    Place,
    Repeat,
    Sequence,
    parse_pattern,
)

__all__ = ["Pattern", "PatternError"]

INSTRUCTIONS_MAX = 4_000  # after counted repeats are written out
REMEMBERED_MAX = 20_000  # moves, and states in all points, of one pattern; some 2 MB

_MATCH = 0  # the instruction at which every pattern ends
_Instruction = Characters | tuple[int, ...] | tuple[Place, int] | None
_States = frozenset[int]


class _Side(enum.Enum):
    """What stands on one side of a gap between characters."""

    EDGE = 0
    NEWLINE = 1
    WORD = 2
    OTHER = 3


class _Point(Struct, eq=False):
    """What is known between two characters, where each next one led, and whether it may end."""

    states: _States
    before: _Side
    moves: "dict[str, _Point]" = field(default_factory=dict)
    may_end: bool | None = None  # not asked yet


_FOUND = _Point(frozenset((_MATCH,)), _Side.EDGE)  # nothing leads away from it


def _side(char: str) -> _Side:
    if char == "\n":
        return _Side.NEWLINE
    return _Side.WORD if char.isascii() and (char.isalnum() or char == "_") else _Side.OTHER


class Pattern:
    """A compiled pattern; PatternError carries Go's words for what is wrong with one."""

    def __init__(self, text: str) -> None:
        self._code: list[_Instruction] = [None]
        self._next: list[int] = [_MATCH]
        self._start = self._emit(parse_pattern(text), _MATCH)
        self._forget()

    def search(self, text: str) -> bool:
        """Whether any part of the text matches."""
        point = self._first
        for char in text:
            point = point.moves.get(char) or self._move(point, char)
            if point is _FOUND:
                return True
        if point.may_end is None:
            point.may_end = _MATCH in self._reached(point.states, point.before, _Side.EDGE)
        return point.may_end

    def _forget(self) -> None:
        """Start anew with what is remembered; a search under way goes on from its old point."""
        self._first = _Point(frozenset((self._start,)), _Side.EDGE)
        self._points = {(self._first.states, self._first.before): self._first}
        self._remembered = 0

    def _move(self, point: _Point, char: str) -> _Point:
        if self._remembered > REMEMBERED_MAX:
            self._forget()
        following = point.moves[char] = self._step(point, char)
        self._remembered += 1
        return following

    def _step(self, point: _Point, char: str) -> _Point:
        side = _side(char)
        reached = self._reached(point.states, point.before, side)
        if _MATCH in reached:
            return _FOUND
        after = {self._start}
        for state in reached:
            instruction = self._code[state]
            if isinstance(instruction, Characters) and instruction.holds(char):
                after.add(self._next[state])
        return self._point(frozenset(after), side)

    def _point(self, states: _States, before: _Side) -> _Point:
        point = self._points.get((states, before))
        if point is None:
            point = self._points[states, before] = _Point(states, before)
            self._remembered += len(states)
        return point

    def _reached(self, states: _States, before: _Side, after: _Side) -> set[int]:
        """All that can be reached at this gap without reading a character."""
        reached = set(states)
        pending = list(states)
        while pending:
            instruction = self._code[pending.pop()]
            for state in _free_moves(instruction, before, after):
                if state not in reached:
                    reached.add(state)
                    pending.append(state)
        return reached

    def _emit(self, node: Node, then: int) -> int:
        """Write the node so that it goes on at `then`; where it starts."""
        match node:
            case Characters():
                return self._add(node, then)
            case Assertion(place):
                return self._add((place, then), then)
            case Sequence(items):
                for item in reversed(items):
                    then = self._emit(item, then)
                return then
            case Alternatives(items):
                return self._add(tuple(self._emit(item, then) for item in items), then)
            case Repeat(item, least, most):
                return self._emit_repeat(item, least, most, then)

    def _emit_repeat(self, item: Node, least: int, most: int | None, then: int) -> int:
        if most is None:
            loop = self._add((), then)
            self._code[loop] = (self._emit(item, loop), then)
            then = loop
        else:
            leave = then
            for _ in range(most - least):
                then = self._add((self._emit(item, then), leave), then)
        for _ in range(least):
            then = self._emit(item, then)
        return then

    def _add(self, instruction: _Instruction, then: int) -> int:
        if len(self._code) >= INSTRUCTIONS_MAX:
            raise PatternError(f"error parsing regexp: more than {INSTRUCTIONS_MAX} instructions")
        self._code.append(instruction)
        self._next.append(then)
        return len(self._code) - 1


def _free_moves(instruction: _Instruction, before: _Side, after: _Side) -> tuple[int, ...]:
    match instruction:
        case (Place() as place, int(then)):
            return (then,) if _stands(place, before, after) else ()
        case tuple():
            return tuple(state for state in instruction if isinstance(state, int))
        case _:
            return ()


def _stands(place: Place, before: _Side, after: _Side) -> bool:
    match place:
        case Place.TEXT_START:
            return before is _Side.EDGE
        case Place.TEXT_END:
            return after is _Side.EDGE
        case Place.LINE_START:
            return before in (_Side.EDGE, _Side.NEWLINE)
        case Place.LINE_END:
            return after in (_Side.EDGE, _Side.NEWLINE)
        case Place.WORD_EDGE:
            return (before is _Side.WORD) is not (after is _Side.WORD)
        case Place.NO_WORD_EDGE:
            return (before is _Side.WORD) is (after is _Side.WORD)
