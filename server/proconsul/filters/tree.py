"""The tree of a filter: what filters/grammar.py makes of its text."""

import enum
from dataclasses import dataclass


class Operator(enum.Enum):
    """What a match asks; the value is the name that Consul's errors give it."""

    EQUAL = "Equal"
    NOT_EQUAL = "Not Equal"
    IN = "In"
    NOT_IN = "Not In"
    IS_EMPTY = "Is Empty"
    IS_NOT_EMPTY = "Is Not Empty"
    MATCHES = "Matches"
    NOT_MATCHES = "Not Matches"


@dataclass(frozen=True, slots=True)
class Match:
    """One question to a row: the field at `selector`, and `value` as it was written, unquoted."""

    selector: tuple[str, ...]
    operator: Operator
    value: str | None


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of its operand; never of another Not."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class All:
    """`and`, over two operands or more."""

    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """`or`, over two operands or more."""

    operands: tuple["Expression", ...]


Expression = Match | Not | All | Any


class FilterSyntaxError(ValueError):
    """The text is no expression; says where, as `line:column (offset)`."""
