"""Where Kopf's events come in: they wake, and nothing more.

Only `on.event`: it keeps no state in objects, and sets no finalizer. What wakes is the kind of an
object of ours, or the label of one that belongs to a cluster; the work is done by one task for
each object (actions/queue.py), which reads the world itself.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, Self

import kopf

from proconsul_operator.actions.queue import Item
from proconsul_operator.actions.tls import as_go
from proconsul_operator.api.group import GROUP
from proconsul_operator.api.schema import KINDS
from proconsul_operator.specs.labels import CLUSTER, SCHEDULE

Wake = Callable[[Item], None]

_PREFIX: Final = "operator.proconsul.io"
_CLUSTER: Final = "ProconsulCluster"
_SCHEDULE: Final = "ProconsulSnapshotSchedule"
CHILDREN: Final = (
    ("", "v1", "pods"),
    ("", "v1", "persistentvolumeclaims"),
    ("", "v1", "configmaps"),
    ("", "v1", "secrets"),
    ("", "v1", "services"),
    ("", "v1", "serviceaccounts"),
    ("apps", "v1", "statefulsets"),
    ("batch", "v1", "jobs"),
    ("batch", "v1", "cronjobs"),
)
"""Kinds that are watched, those with the cluster's label alone."""


class ClusterConnection(kopf.ConnectionInfo):
    """Kopf's, by TLS as Go's clients verify it."""

    @classmethod
    def of(cls, found: kopf.ConnectionInfo) -> Self:
        """The same place and rights."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    def as_ssl_context(self) -> ssl.SSLContext:
        """See ConnectionInfo."""
        return as_go(super().as_ssl_context())


def registry_of(wake: Wake) -> kopf.OperatorRegistry:
    """All handlers."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        # Kopf takes its own finalizer off what no handler of its kind needs: it must not be ours.
        settings.persistence.finalizer = f"{_PREFIX}/none"
        settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=_PREFIX)
        settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=_PREFIX)
        settings.posting.enabled = False
        settings.networking.request_timeout = 30
        settings.scanning.disabled = True  # no rights on definitions and namespaces are needed
        for child in CHILDREN:
            settings.watching.label_selectors[child] = CLUSTER

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        found = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
        return None if found is None else ClusterConnection.of(found)

    for kind in KINDS:
        _watch_kind(registry, wake, kind.name, kind.plural)
    for child in CHILDREN:
        _watch_child(registry, wake, child)
    return registry


def _watch_kind(registry: kopf.OperatorRegistry, wake: Wake, kind: str, plural: str) -> None:
    @kopf.on.event(GROUP, "v1alpha1", plural, registry=registry, id=plural)
    async def changed(
        namespace: str | None, name: str | None, spec: Mapping[str, Any], **_: Any
    ) -> None:
        if namespace and name:
            wake((kind, namespace, name))
            cluster = spec.get("clusterRef", {}).get("name", "")
            if cluster:
                wake((_CLUSTER, namespace, cluster))


def _watch_child(registry: kopf.OperatorRegistry, wake: Wake, child: tuple[str, str, str]) -> None:
    @kopf.on.event(*child, registry=registry, id=child[2])
    async def changed(namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        if not namespace:
            return
        if CLUSTER in labels:
            wake((_CLUSTER, namespace, labels[CLUSTER]))
        if SCHEDULE in labels:
            wake((_SCHEDULE, namespace, labels[SCHEDULE]))
