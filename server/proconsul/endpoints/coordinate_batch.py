"""Coordinates wait here a little, so that many updates are one command.

Consul batches them so: 128 to a command, a command each five seconds (agent/consul
configuration CoordinateUpdatePeriod, BatchSize, MaxBatches).
"""

from proconsul.model.coordinate import Coordinate

BATCH_LENGTH_MAX = 128
BATCHES_MAX = 5
PERIOD_S = 5.0


class CoordinateBatch:
    """The newest coordinate of each node and segment that is not yet in the log."""

    def __init__(self) -> None:
        self._updates: dict[tuple[str, str], Coordinate] = {}
        self._discarded = 0

    def add(self, update: Coordinate) -> None:
        """Take an update, in place of an older one of the same node. Too many are dropped."""
        key = (update.node, update.segment)
        if key not in self._updates and len(self._updates) >= BATCH_LENGTH_MAX * BATCHES_MAX:
            self._discarded += 1
        else:
            self._updates[key] = update

    def take(self) -> list[list[Coordinate]]:
        """The commands to propose now."""
        updates = list(self._updates.values())
        self._updates.clear()
        return [
            updates[start : start + BATCH_LENGTH_MAX]
            for start in range(0, len(updates), BATCH_LENGTH_MAX)
        ]

    def take_discarded(self) -> int:
        """How many updates were dropped since this was asked last."""
        discarded, self._discarded = self._discarded, 0
        return discarded
