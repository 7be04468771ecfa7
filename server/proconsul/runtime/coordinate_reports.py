"""This node's coordinate, told to the servers now and then (agent/agent.go, sendCoordinate).

The larger the pool, the less often: all nodes together send `sync_coordinate_rate_target` a
second at most, and a node every `sync_coordinate_interval_min` at most.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from proconsul.config.schema import Config
from proconsul.errors import ProconsulError
from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.effects import PoolMember
from proconsul.leader.lan_tags import understands_coordinates
from proconsul.model.coordinate import CoordinateUpdateRequest, NetworkCoordinate
from proconsul.runtime.logs import logger

log = logger("")


class Pool(Protocol):
    """What the reports need of the gossip pool."""

    def all(self) -> Sequence[PoolMember]:
        """All members."""

    def servers(self) -> Sequence[object]:
        """Those that are servers."""

    def coordinate(self) -> Coordinate:
        """Where this node is."""


class CoordinateReports:
    """The reports of one agent, until it goes."""

    def __init__(
        self,
        config: Config,
        pool: Pool,
        call: Callable[[str, Any], Awaitable[Any]],
        token: Callable[[], str],
    ) -> None:
        """`call` makes an RPC, here or at a server; `token` is the agent's own at that time."""
        self._config = config
        self._pool = pool
        self._call = call
        self._token = token
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Tell it; nobody does where coordinates are switched off."""
        self._running = asyncio.current_task()
        while not self._config.disable_coordinates:
            members = self._pool.all()
            await asyncio.sleep(self._interval_s(len(members)) * (1 + random.random()))
            if not (self._pool.servers() and understands_coordinates(self._pool.all())):
                log.debug("skipping coordinate updates until all servers are upgraded")
                continue
            await self._tell()

    def end(self) -> None:
        """Say no more: who goes is of no interest, and may hear of no leader any more."""
        if self._running is not None:
            self._running.cancel()

    def _interval_s(self, members: int) -> float:
        config = self._config
        rate = config.sync_coordinate_rate_target_per_s
        scaled_s = members / rate if rate > 0 else 0.0
        return max(config.sync_coordinate_interval_min_s, scaled_s)

    async def _tell(self) -> None:
        found = self._pool.coordinate()
        update = CoordinateUpdateRequest(
            datacenter=self._config.datacenter,
            node=self._config.node_name,
            coord=NetworkCoordinate(
                vec=list(found.vec),
                error=found.error,
                adjustment=found.adjustment,
                height=found.height,
            ),
            token=self._token(),
        )
        try:
            await self._call("Coordinate.Update", update)
        except ProconsulError as failure:
            log.error("coordinate update error: error=%s", failure)
