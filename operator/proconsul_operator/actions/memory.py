"""What one operator process remembers. All of it may be lost: then it looks again, and asks again.

What was last applied, when a status was written, since when a server is silent, whose turn to roll
it is, and what rarely changes (the zone of a node, whether a class lets volumes grow; the keys of
gossip, which every agent is asked for).
"""

from dataclasses import dataclass, field
from typing import Final

from proconsul_operator.plans.observe import Keyring, Ref

RARELY_S: Final = 600.0
KEYRING_S: Final = 300.0
"""For a gossip keyring where nothing is to be done: each look at it asks every agent there is."""

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class Memory:
    """See above. One for all clusters."""

    applied: dict[tuple[Key, Ref], tuple[str, str]] = field(default_factory=dict)
    silent: dict[tuple[Key, str], float] = field(default_factory=dict)
    told: dict[Key, float] = field(default_factory=dict)
    """When the status was last written, wall clock."""
    keyrings: dict[Key, tuple[float, Keyring]] = field(default_factory=dict)
    rolling: Key | None = None
    facts: dict[tuple[str, str], tuple[float, object]] = field(default_factory=dict)

    def silent_since(self, key: Key, who: str, now_s: float) -> float:
        """When it was first asked in vain, since it last answered."""
        return self.silent.setdefault((key, who), now_s)

    def answered(self, key: Key, who: str) -> None:
        """It is not silent."""
        self.silent.pop((key, who), None)

    def heard_of_keys(self, key: Key, ring: Keyring, now_s: float) -> None:
        """What all agents said of their gossip keys."""
        self.keyrings[key] = (now_s, ring)

    def keyring(self, key: Key, keys: tuple[str, ...], now_s: float) -> Keyring | None:
        """What they said, if it need not be asked again: `keys`, the Secret's, are in force."""
        at_s, ring = self.keyrings.get(key, (0.0, None))
        if ring is None or now_s - at_s >= KEYRING_S or not ring.is_settled(keys):
            return None
        return ring

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
        self.told.pop(key, None)
        self.keyrings.pop(key, None)
        self.applied = {each: held for each, held in self.applied.items() if each[0] != key}
        self.silent = {each: held for each, held in self.silent.items() if each[0] != key}
