"""The Lease that says which of several operators works; the others wait, ready to.

A holder is dead when its renewal has not changed for the Lease's duration by our own clock: other
clocks are not asked. It is a courtesy, not a fence: what two operators may do at once is made
harmless by the preconditions of every act. Who cannot renew in time ends the process, as a task
that hangs cannot be stopped for sure.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from proconsul_operator.actions.kube import ConflictError, KubeError, KubeGateway
from proconsul_operator.specs.wanted import Manifest

DURATION_S: Final = 15
RENEW_S: Final = 10.0
RETRY_S: Final = 2.0
TRY_S: Final = 4.0
"""For one attempt, two calls: one that hangs must leave time for others."""
log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseName:
    """Which Lease, and who we are."""

    namespace: str
    name: str
    holder: str


class Lease:
    """One candidate."""

    def __init__(
        self, gateway: KubeGateway, which: LeaseName, clock_s: Callable[[], float]
    ) -> None:
        """`clock_s` only goes forward."""
        self._gateway, self._which, self._clock_s = gateway, which, clock_s
        self._seen: tuple[object, object] = (None, None)
        self._seen_at_s = clock_s()

    async def acquire(self) -> None:
        """Until it is ours."""
        while True:
            if await self._try_quietly():
                break
            await asyncio.sleep(RETRY_S)
        log.info("the Lease %s is ours, as %s", self._which.name, self._which.holder)

    async def hold(self) -> None:
        """Renew it; returns when that was not possible in time."""
        renewed_s = self._clock_s()
        while self._clock_s() - renewed_s < RENEW_S:
            began_s = self._clock_s()
            if await self._try_quietly():
                renewed_s = began_s
            await asyncio.sleep(RETRY_S)
        log.error("the Lease %s could not be renewed for %g s", self._which.name, RENEW_S)

    async def release(self) -> None:
        """Give it back, so that nobody waits for it."""
        try:
            body = await self._get()
            if body is not None and body["spec"].get("holderIdentity") == self._which.holder:
                spec = {**body["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._gateway.replace({**body, "spec": spec})
        except KubeError as error:
            log.warning("the Lease was not given back: %s", error)

    async def _try_quietly(self) -> bool:
        try:
            async with asyncio.timeout(TRY_S):
                return await self.attempt()
        except TimeoutError:
            log.warning("the Lease: no answer within %g s", TRY_S)
        except KubeError as error:
            log.warning("the Lease: %s", error)
        return False

    async def attempt(self) -> bool:
        """Take it or renew it; False if another holds it. Raises KubeError."""
        body = await self._get()
        if body is None:
            return await self._gateway.create_if_absent(self._manifest({}))
        spec = body["spec"]
        holder = spec.get("holderIdentity", "")
        seen = (holder, spec.get("renewTime"))
        if seen != self._seen:
            self._seen, self._seen_at_s = seen, self._clock_s()
        lasts_s = spec.get("leaseDurationSeconds", DURATION_S)
        alive = self._clock_s() - self._seen_at_s < lasts_s
        if holder and holder != self._which.holder and alive:
            return False
        made = self._manifest(spec)
        made["metadata"]["resourceVersion"] = body["metadata"]["resourceVersion"]
        try:
            await self._gateway.replace(made)
        except ConflictError:
            return False
        return True

    async def _get(self) -> Manifest | None:
        return await self._gateway.get("Lease", self._which.namespace, self._which.name)

    def _manifest(self, held: dict[str, Any]) -> Manifest:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = held.get("holderIdentity") == self._which.holder
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"namespace": self._which.namespace, "name": self._which.name},
            "spec": {
                "holderIdentity": self._which.holder,
                "leaseDurationSeconds": DURATION_S,
                "acquireTime": held.get("acquireTime", now) if ours else now,
                "renewTime": now,
                "leaseTransitions": held.get("leaseTransitions", -1) + (0 if ours else 1),
            },
        }
