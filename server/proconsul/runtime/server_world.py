"""The world of a server's RPC handlers: its clock, its dice, and its queries that wait."""

from proconsul.endpoints.context import Woken
from proconsul.runtime.clock import RealWorld
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.watch import WatchSet


class ServerWorld(RealWorld):
    """`endpoints.context.World`, for real."""

    def __init__(self, waiting: WaitingRoom) -> None:
        super().__init__()
        self._waiting = waiting

    async def wait(self, watch: WatchSet, until_s: float) -> Woken:
        """Until something that was read changes, or the time is over."""
        return await self._waiting.wait(watch, until_s - self.now_s())
