"""How often an agent does what all do, so that servers can bear it together (lib/cluster.go).

Pure: dice come by argument.
"""

from collections.abc import Callable

RATE_MIN_PER_S = 1 / 86400  # once a day: a lower rate than this limits nothing
STEPS = 1 << 20

Die = Callable[[int], int]
"""Of a number of sides: one from 0 to that number less 1, by chance."""


def scaled_interval_s(rate_per_s: float, at_least_s: float, agents: int) -> float:
    """How long each of `agents` waits, for all of them together to come `rate_per_s` times."""
    if rate_per_s <= RATE_MIN_PER_S:
        return at_least_s
    return max(at_least_s, agents / rate_per_s)


def share(die: Die) -> float:
    """A number from 0 up to 1, by chance."""
    return die(STEPS) / STEPS
