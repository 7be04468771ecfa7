"""What rarely changes: the zone of a node, whether a class lets volumes grow. Looked up in a while.

Where our rights end at namespaces there is neither, and nobody misses it: a zone is for people, and
a volume is asked to grow in vain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proconsul_operator.actions.kube import ForbiddenError, KubeGateway
from proconsul_operator.actions.memory import RARELY_S, Memory
from proconsul_operator.actions.reading import ZONE, Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Of the whole cluster of Kubernetes."""

    gateway: KubeGateway
    memory: Memory
    now_s: Callable[[], float]

    async def zone(self, node: str) -> str:
        """Of a node; "" if nobody says."""
        body = await self._rarely("Node", node)
        labels = {} if body is None else body["metadata"].get("labels", {})
        return str(labels.get(ZONE, ""))

    async def is_gone(self, node: str) -> bool:
        """There is no such node any more."""
        if not node:
            return False
        try:
            return await self.gateway.get("Node", "", node) is None
        except ForbiddenError:
            return False

    async def expandable(self, name: str) -> bool | None:
        """Whether volumes of this class grow; None if nobody says."""
        body = await self._rarely("StorageClass", name)
        return None if body is None else bool(body.get("allowVolumeExpansion", False))

    async def _rarely(self, kind: str, name: str) -> Body | None:
        """None too where our rights end at namespaces."""
        if not name:
            return None
        held = self.memory.facts.get((kind, name))
        if held is not None and self.now_s() - held[0] < RARELY_S:
            assert held[1] is None or isinstance(held[1], Mapping)
            return held[1]
        try:
            body = await self.gateway.get(kind, "", name)
        except ForbiddenError:
            body = None
        self.memory.facts[(kind, name)] = (self.now_s(), body)
        return body
