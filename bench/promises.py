"""What a figure must not exceed."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

NONE = float("inf")


@dataclass(frozen=True, slots=True)
class Promise:
    """What a figure must not exceed: a number, or a part of Consul's."""

    unit: str
    at_most: float = NONE
    of_consul_max: float = NONE
    worst: bool = False  # of all rounds counts, not their median

    def summary(self, values: Sequence[float]) -> float:
        """What counts."""
        return max(values) if self.worst else statistics.median(values)

    def is_met(self, value: float, consul: float | None) -> bool:
        """Whether ours is below the number, and not above that part of Consul's."""
        if value >= self.at_most:
            return False
        if consul is None or self.of_consul_max == NONE:
            return True
        return value <= self.of_consul_max * consul

    @property
    def text(self) -> str:
        """For the table."""
        texts = []
        if self.at_most < NONE:
            texts.append(f"under {self.at_most:g} {self.unit}")
        if self.of_consul_max < NONE:
            texts.append(f"at most {self.of_consul_max:g}x")
        return ", ".join(texts) or "-"
