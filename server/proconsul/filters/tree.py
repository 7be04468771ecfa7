"""The tree of a filter: what filters/grammar.py makes of its text."""

import enum

from msgspec import Struct


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


class Match(Struct, frozen=True):
    """One question to a row: the field at `selector`, and `value` as it was written, unquoted."""

    selector: tuple[str, ...]
    operator: Operator
    value: str | None


class Not(Struct, frozen=True):
    """The opposite of its operand; never of another Not."""

    operand: "Expression"


class All(Struct, frozen=True):
    """`and`, over two operands or more."""

    operands: tuple["Expression", ...]


class Any(Struct, frozen=True):
    """`or`, over two operands or more."""

    operands: tuple["Expression", ...]


Expression = Match | Not | All | Any


class FilterSyntaxError(ValueError):
    """The text is no expression; says where, as `line:column (offset)`."""
