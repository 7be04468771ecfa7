"""The label `proconsul.io/role` of this server's own pod: `leader` or `follower`.

A Service with that selector leads to the leader. A label that is late, or stays behind on a dead
pod, does no harm: who is not ready is no endpoint, and every server passes on what is the
leader's. So it is tried again until it succeeds, and nothing waits for it.
"""

import asyncio

from proconsul.runtime.bootstrap_guard import Objects
from proconsul.runtime.kube_api import KubeError
from proconsul.runtime.logs import logger

LABEL = "proconsul.io/role"
LEADER, FOLLOWER = "leader", "follower"
KIND = "pods"
RETRY_S = 1.0
RETRY_MAX_S = 30.0

log = logger("kubernetes")


class PodLabel:
    """Keeps it as it should be."""

    def __init__(self, objects: Objects, pod: str) -> None:
        """`pod` is its name."""
        self._objects = objects
        self._pod = pod
        self._role = FOLLOWER
        self._changed = asyncio.Event()

    def leads(self, leads: bool) -> None:
        """Say what it should be from now on."""
        self._role = LEADER if leads else FOLLOWER
        self._changed.set()

    async def run(self) -> None:
        """Write it at the start and after each change, until cancelled."""
        while True:
            self._changed.clear()
            await self._write()
            await self._changed.wait()

    async def _write(self) -> None:
        """As it should be by then, until that was done."""
        pause_s = RETRY_S
        while True:
            role = self._role
            try:
                await self._objects.patch(KIND, self._pod, {"metadata": {"labels": {LABEL: role}}})
            except KubeError as failure:
                log.error("the pod is not labelled: pod=%s role=%s: %s", self._pod, role, failure)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_MAX_S)
                continue
            log.info("the pod is labelled: pod=%s role=%s", self._pod, role)
            return
