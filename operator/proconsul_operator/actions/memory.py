"""What one operator process remembers. All of it may be lost: then it looks again, and asks again.

What was last applied, since when a server is silent, whose turn to roll it is, and what rarely
changes (the zone of a node, whether a class lets volumes grow).
"""

from dataclasses import dataclass, field
from typing import Final

from proconsul_operator.plans.observe import Ref

RARELY_S: Final = 600.0

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class Memory:
    """See above. One for all clusters."""

    applied: dict[tuple[Key, Ref], tuple[str, str]] = field(default_factory=dict)
    silent: dict[tuple[Key, str], float] = field(default_factory=dict)
    rolling: Key | None = None
    facts: dict[tuple[str, str], tuple[float, object]] = field(default_factory=dict)

    def silent_since(self, key: Key, who: str, now_s: float) -> float:
        """When it was first asked in vain, since it last answered."""
        return self.silent.setdefault((key, who), now_s)

    def answered(self, key: Key, who: str) -> None:
        """It is not silent."""
        self.silent.pop((key, who), None)

    def may_roll(self, key: Key) -> bool:
        """No other cluster is being rolled."""
        return self.rolling in (None, key)

    def rolls(self, key: Key, rolling: bool) -> None:
        """Whether this one is."""
        if rolling:
            self.rolling = key
        elif self.rolling == key:
            self.rolling = None

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self.rolls(key, False)
        self.applied = {each: held for each, held in self.applied.items() if each[0] != key}
        self.silent = {each: held for each, held in self.silent.items() if each[0] != key}
