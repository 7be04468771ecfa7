"""When the catalog is told: in full from time to time, and on every change at once.

The rhythm of agent/ae: a full sync at the start and every interval, stretched for large
clusters and spread by chance; after a failed one again in 15 to 30 s; changes in between go
out at once, those that come while a sync runs with the next one. What is told is decided in
local/antientropy.py.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from typing import Any

from proconsul.errors import PermissionDeniedError, ProconsulError
from proconsul.local import antientropy
from proconsul.local.antientropy import Outcome, Step, Tokens
from proconsul.local.state import LocalState
from proconsul.model.catalog import IndexedNodeServiceList
from proconsul.model.health import IndexedHealthChecks
from proconsul.wire.gostruct import GoStruct

RETRY_FAILED_S = 15.0
SERVER_UP_SPREAD_S = 3.0
SCALE_FROM_NODES = 128

logger = logging.getLogger(__name__)

Call = Callable[[str, GoStruct], Awaitable[Any]]


class CatalogSync:
    """Keeps the catalog as the local state says."""

    def __init__(
        self,
        state: LocalState,
        call: Call,
        tokens: Callable[[], Tokens],
        cluster_size: Callable[[], int],
        interval_s: float,
        dice: random.Random,
    ) -> None:
        self._state = state
        self._call = call
        self._tokens = tokens
        self._cluster_size = cluster_size
        self._interval_s = interval_s
        self._dice = dice
        self._one_at_a_time = asyncio.Lock()
        self._wake = asyncio.Event()
        self._full_wanted = False
        self._changes_wanted = False
        self._has_ended = False

    def end(self) -> None:
        """Tell the catalog nothing more: it may forget this node now."""
        self._has_ended = True

    def want_changes(self) -> None:
        """Something has changed; many calls before the next sync are one."""
        self._changes_wanted = True
        self._wake.set()

    def want_full(self) -> None:
        """A server has come up: what failed may succeed now."""
        self._full_wanted = True
        self._wake.set()

    async def run(self) -> None:
        """Sync for ever."""
        while True:
            succeeded = await self._try(self.full)
            if not succeeded:
                await self._retry_time()
                continue
            next_full_s = self._now_s() + self._interval_s + self._stagger_s(self._interval_s)
            while await self._is_change(next_full_s):
                await self._try(self.changes)

    async def full(self) -> None:
        """Compare with the catalog, then send what differs. Raises what the calls raise."""
        self._changes_wanted = False
        async with self._one_at_a_time:
            request = antientropy.read_request(self._state, self._tokens())
            services: IndexedNodeServiceList = await self._call("Catalog.NodeServiceList", request)
            checks: IndexedHealthChecks = await self._call("Health.NodeChecks", request)
            antientropy.compare(
                self._state,
                services.node_services.node,
                services.node_services.services or (),
                checks.health_checks or (),
            )
            await self._send()

    async def changes(self) -> None:
        """Send what is known to differ. Raises what the calls raise."""
        async with self._one_at_a_time:
            await self._send()

    async def _send(self) -> None:
        for step in antientropy.steps(self._state, self._tokens()):
            if self._has_ended:
                return
            antientropy.settle(self._state, step, await self._outcome(step))

    async def _outcome(self, step: Step) -> Outcome:
        try:
            await self._call(step.method, step.request)
        except ProconsulError as failure:
            if _denied(failure):
                logger.warning("sync of %s blocked by ACLs", step.what)
                return Outcome.DENIED
            if _unknown(failure) and step.method == "Catalog.Deregister":
                return Outcome.DONE
            raise
        verb = "synced" if step.method == "Catalog.Register" else "deregistered"
        logger.info("%s %s", verb, step.what)
        return Outcome.DONE

    # ------------------------------------------------------------ rhythm

    async def _try(self, sync: Callable[[], Awaitable[None]]) -> bool:
        try:
            await sync()
        except Exception as failure:  # whatever the call is made of; the next sync repeats it
            logger.error("failed to sync with the catalog: %s", failure)
            return False
        return True

    async def _retry_time(self) -> None:
        deadline_s = self._now_s() + RETRY_FAILED_S + self._stagger_s(RETRY_FAILED_S)
        while not self._full_wanted and await self._woken(deadline_s):
            pass
        await self._spread_if_full_wanted()

    async def _is_change(self, next_full_s: float) -> bool:
        """Wait for what is next: True is a change, False the full sync."""
        while True:
            if self._full_wanted:
                await self._spread_if_full_wanted()
                return False
            if self._changes_wanted:
                self._changes_wanted = False
                return True
            if not await self._woken(next_full_s):
                return False

    async def _spread_if_full_wanted(self) -> None:
        if self._full_wanted:
            self._full_wanted = False
            await asyncio.sleep(self._stagger_s(SERVER_UP_SPREAD_S))

    async def _woken(self, deadline_s: float) -> bool:
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    def _stagger_s(self, of_s: float) -> float:
        return self._dice.random() * of_s * scale_factor(self._cluster_size())

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


def scale_factor(nodes: int) -> int:
    """By how much syncs are spread: 1 up to 128 nodes, one more with every doubling."""
    if nodes <= SCALE_FROM_NODES:
        return 1
    return math.ceil(math.log2(nodes) - math.log2(SCALE_FROM_NODES)) + 1


def _denied(failure: ProconsulError) -> bool:
    return isinstance(failure, PermissionDeniedError) or any(
        words in str(failure) for words in ("Permission denied", "ACL not found")
    )


def _unknown(failure: ProconsulError) -> bool:
    return any(words in str(failure) for words in ("Unknown service", "Unknown check"))
