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

    def add(self, update: Coordinate) -> None:
        """Take an update; it replaces an older one of the same node."""
        self._updates[update.node, update.segment] = update

    def take(self) -> list[list[Coordinate]]:
        """The commands to propose now; what is beyond the limit is dropped, as in Consul."""
        updates = list(self._updates.values())[: BATCH_LENGTH_MAX * BATCHES_MAX]
        self._updates.clear()
        return [
            updates[start : start + BATCH_LENGTH_MAX]
            for start in range(0, len(updates), BATCH_LENGTH_MAX)
        ]
