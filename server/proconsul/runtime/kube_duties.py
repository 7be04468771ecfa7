"""What a server does for itself on Kubernetes, each only if its configuration asks for it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from proconsul.config.schema import Config
from proconsul.runtime.own_server import Idle

if TYPE_CHECKING:
    from proconsul.runtime.bootstrap_guard import BootstrapGuard
    from proconsul.runtime.pod_label import PodLabel


class KubeDuties:
    """The bootstrap guard and the pod's label, or neither."""

    def __init__(self, guard: "BootstrapGuard | None", label: "PodLabel | None") -> None:
        self._guard = guard
        self._label = label

    async def begin(self) -> Idle | None:
        """Why this server must not take part, as far as can be known soon."""
        return None if self._guard is None else await self._guard.begin()

    def objection(self) -> str:
        """Why this server may not found a cluster now, "" if it may."""
        return "" if self._guard is None else self._guard.objection()

    @property
    def chosen_cluster_id(self) -> str:
        """The ID that was chosen for the cluster, "" if the leader is to choose."""
        return "" if self._guard is None else self._guard.chosen_cluster_id

    def leadership(self, leads: bool) -> None:
        """This server leads from now on, or does no more."""
        if self._guard is not None:
            self._guard.leads = leads
        if self._label is not None:
            self._label.leads(leads)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for duty in (self._guard, self._label):
                if duty is not None:
                    tasks.create_task(duty.run())


def kube_duties(
    config: Config, environ: Mapping[str, str], cluster_id: Callable[[], str]
) -> KubeDuties:
    """Those that the configuration asks for. Raises KubeSettingsError."""
    settings = config.kubernetes
    if not (settings.label_own_pod or settings.bootstrap_guard):
        return KubeDuties(None, None)
    # Here: they take an HTTP client along.
    from proconsul.runtime.bootstrap_guard import BootstrapGuard
    from proconsul.runtime.kube_api import KubeApi, api_url, own_namespace, own_pod
    from proconsul.runtime.pod_label import PodLabel

    api = KubeApi(
        api_url(settings, environ), settings.credentials, own_namespace(settings, environ)
    )
    guard = label = None
    if settings.bootstrap_guard:
        guard = BootstrapGuard(api, settings.bootstrap_guard, cluster_id)
    if settings.label_own_pod:
        label = PodLabel(api, own_pod(settings, environ, config.node_name))
    return KubeDuties(guard, label)
