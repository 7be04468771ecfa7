"""While this server leads: its datacenter's own federation state says where the mesh gateways are.

Decisions are in leader/federation.py. Where this datacenter is not the primary one the state would
have to be written there, and other datacenters cannot be reached: then nothing is done. For the
same reason states of other datacenters are never removed, whereas 1.8.7 removes each hour those of
datacenters that it does not see.
"""

import asyncio
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from proconsul.endpoints.context import Context
from proconsul.errors import ProconsulError
from proconsul.fsm.commands import MessageType
from proconsul.gossip.effects import PoolMember
from proconsul.leader.federation import all_know_states, due
from proconsul.local.token_bucket import TokenBucket
from proconsul.model.federation_state import FederationState, FederationStateRequest
from proconsul.runtime.logs import logger
from proconsul.store import federation_states, health
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import time_from_unix_ns

WRITES_PER_S = 0.2  # Consul's loopRateLimit: a gateway that flaps must not fill the log
WRITES_AT_ONCE = 5
LOOK_AGAIN_S = 5.0  # whether all servers know federation states; or after a failure
PATIENCE_S = 300.0  # without a change of what was read
MESH_GATEWAY = "mesh-gateway"

log = logger("server")


class FederationReport:
    """Starts and stops with the leadership."""

    def __init__(
        self, context: Context, ready: asyncio.Event, members: Callable[[], Iterable[PoolMember]]
    ) -> None:
        """`ready`: this server has taken over; `members` are all of the LAN pool."""
        self._context = context
        self._ready = ready
        self._members = members
        self._task: asyncio.Task[None] | None = None

    def leadership(self, won: bool) -> None:
        """Called when leadership is won or lost."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if won:
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(_ended)

    async def stop(self) -> None:
        """End what runs."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        await self._ready.wait()
        context = self._context
        if context.facts.primary_datacenter != context.facts.datacenter:
            return
        bucket = TokenBucket(WRITES_PER_S, WRITES_AT_ONCE, context.world.now_s())
        while True:
            watch = WatchSet()
            state = self._due(watch)
            if state is None:
                await context.world.wait(watch, context.world.now_s() + PATIENCE_S)
            elif not bucket.take(context.world.now_s()) or not await self._write(state):
                await asyncio.sleep(LOOK_AGAIN_S)

    def _due(self, watch: WatchSet) -> FederationState | None:
        read, datacenter = self._context.state.read(), self._context.facts.datacenter
        _, stored = federation_states.federation_state(read, watch, datacenter)
        _, gateways = health.service_dump(read, watch, MESH_GATEWAY)
        return due(stored, datacenter, gateways)

    async def _write(self, state: FederationState) -> bool:
        """Whether it is written."""
        context = self._context
        _, known = federation_states.federation_states(context.state.read(), None)
        if not known and not all_know_states(self._members(), state.datacenter):
            log.debug("no federation state is written until all servers know it")
            return False
        state = replace(state, updated_at=time_from_unix_ns(context.world.unix_ns()))
        request = FederationStateRequest(op="upsert", state=state)
        try:
            await context.log.propose(MessageType.FEDERATION_STATE, request)
        except ProconsulError as failure:
            log.error("error performing anti-entropy sync of federation state: error=%s", failure)
            return False
        log.info("federation state anti-entropy synced")
        return True


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("the federation state is not kept any more", exc_info=task.exception())
