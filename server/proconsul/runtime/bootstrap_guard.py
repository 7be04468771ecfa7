"""The ConfigMap that remembers, apart from all disks, which cluster there is (leader/guard.py).

It is read at the start, and again until it was read: without it nobody founds. The leader marks
it once the cluster has its ID. Where the API does not answer a server that has data goes on: to
run must not depend on it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from proconsul.leader.guard import (
    Guard,
    GuardError,
    entries_of,
    guard_of,
    is_foreign,
    objection_to_founding,
)
from proconsul.runtime.kube_api import KubeError
from proconsul.runtime.logs import logger
from proconsul.runtime.own_server import Idle

START_S = 5.0  # for the first reading
LOOK_S = 1.0  # between looks at what is still to be done
RETRY_MAX_S = 30.0
KIND = "configmaps"
FOREIGN = "ForeignCluster"

log = logger("kubernetes")


class Objects(Protocol):
    """Kubernetes (runtime/kube_api.py); both raise KubeError."""

    async def read(self, kind: str, name: str) -> dict[str, Any]:
        """An object."""

    async def patch(self, kind: str, name: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Merge something into an object."""


class BootstrapGuard:
    """One server's view of it."""

    def __init__(self, objects: Objects, name: str, cluster_id: Callable[[], str]) -> None:
        """`name` of the ConfigMap; `cluster_id` is what the state says now, or ""."""
        self._objects = objects
        self._name = name
        self._cluster_id = cluster_id
        self._guard: Guard | None = None
        self._version = ""
        self._told = ""
        self.leads = False

    @property
    def chosen_cluster_id(self) -> str:
        """The ID that was chosen for the cluster, "" if the leader is to choose."""
        return "" if self._guard is None else self._guard.cluster_id

    def objection(self) -> str:
        """Why this server may not found a cluster now, "" if it may."""
        return objection_to_founding(self._guard)

    async def begin(self) -> Idle | None:
        """Read it, if it can be read soon: why this server must not take part."""
        try:
            async with asyncio.timeout(START_S):
                await self._try_to_read()
        except TimeoutError:
            log.warning("the bootstrap guard was not read in time: configmap=%s", self._name)
        own = self._cluster_id()
        guard = self._guard
        if guard is None or not is_foreign(guard, own):
            return None
        return Idle(
            FOREIGN,
            f"the data of this server belong to cluster {own}, and ConfigMap {self._name} says "
            f"that this is cluster {guard.cluster_id}: raft is not started. Give the server the "
            "disk that belongs to it, or an empty one",
        )

    async def run(self) -> None:
        """Read it until it was read, and mark it while this server leads; until cancelled."""
        pause_s = LOOK_S
        while True:
            await asyncio.sleep(pause_s)
            done = await self._step()
            pause_s = LOOK_S if done else min(2 * pause_s, RETRY_MAX_S)

    async def _step(self) -> bool:
        """Do what is due; False if it failed."""
        if self._guard is None:
            return await self._try_to_read()
        own = self._cluster_id()
        if is_foreign(self._guard, own):
            # It could not be read at the start. To end now could take a whole cluster down for a
            # ConfigMap that is wrong; the next start refuses.
            self._tell(
                f"the data of this server belong to cluster {own}, and ConfigMap {self._name} "
                f"says that this is cluster {self._guard.cluster_id}: one of them is wrong. This "
                "server will not take part once it is started again"
            )
            return True
        if not (self.leads and own) or self._guard == Guard(own, bootstrapped=True):
            return True
        return await self._try_to_mark(own)

    async def _try_to_read(self) -> bool:
        try:
            self._take(await self._objects.read(KIND, self._name))
        except (KubeError, GuardError) as failure:
            self._tell(f"the bootstrap guard cannot be read: configmap={self._name}: {failure}")
            return False
        return True

    async def _try_to_mark(self, own: str) -> bool:
        """Say that the cluster was founded, in place of just what was read."""
        assert self._guard is not None, "it is read before it is marked"
        change = {
            "metadata": {"resourceVersion": self._version},
            "data": entries_of(Guard(own, bootstrapped=True)),
        }
        try:
            self._take(await self._objects.patch(KIND, self._name, change))
        except (KubeError, GuardError) as failure:
            self._guard = None  # somebody may have changed it
            self._tell(f"the bootstrap guard cannot be marked: configmap={self._name}: {failure}")
            return False
        log.info("the bootstrap guard is marked: configmap=%s cluster=%s", self._name, own)
        return True

    def _take(self, found: Mapping[str, Any]) -> None:
        """Raises GuardError."""
        metadata = found.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, Mapping) else None
        if not isinstance(version, str) or not version:
            # Without one a mark would go over what somebody else has written meanwhile.
            raise GuardError("it has no resourceVersion")
        self._guard = guard_of(found.get("data") or {})
        self._version = version
        self._told = ""

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            log.error("%s", text)
