"""What the operator counts, by prometheus_client, and the two small HTTP servers of the pod.

`/metrics` on one port, `/healthz` on another. Healthy is who waits for the Lease, and who has it
and has looked at each of its objects lately: a loop that hangs is a dead operator that looks alive.
"""

import time
from collections.abc import Callable
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from proconsul_operator.actions.kube import Call
from proconsul_operator.plans.observe import Leader, Observed
from proconsul_operator.plans.status import last_good_s, scheduled_since_s

STALE_S: Final = 300.0


class Metrics:
    """All of them, in a registry of their own."""

    def __init__(self) -> None:
        """Everything is zero."""
        self.registry: Final = CollectorRegistry()
        kinds = ("kind", "result")
        cluster = ("namespace", "name")

        def name(text: str) -> str:
            return f"proconsul_operator_{text}"

        r = self.registry
        self.cycles = Counter(name("reconcile"), "Cycles, by how they ended.", kinds, registry=r)
        self.seconds = Histogram(name("reconcile_seconds"), "A cycle.", ("kind",), registry=r)
        self.acts = Counter(name("acts"), "Acts, by step.", ("step",), registry=r)
        self.calls = Counter(
            name("api_requests"), "Calls of the Kubernetes API.",
            ("verb", "resource", "code"), registry=r,
        )  # fmt: skip
        self.leads = Gauge(name("leader"), "Whether this one has the Lease.", registry=r)
        self.depth = Gauge(name("queue_depth"), "Objects that are looked after.", registry=r)
        self.success = Gauge(
            name("last_success_timestamp_seconds"), "Of a cluster's cycle.", cluster, registry=r
        )
        self.quorate = Gauge(name("cluster_quorate"), "A leader answers.", cluster, registry=r)
        self.ready = Gauge(name("cluster_ready_members"), "Ready pods.", cluster, registry=r)
        self.wanted = Gauge(name("cluster_wanted_members"), "As asked for.", cluster, registry=r)
        self.expires = Gauge(
            name("cluster_certificate_expiry_timestamp_seconds"), "Its end.", cluster, registry=r
        )
        self.snapshot = Gauge(
            name("cluster_last_snapshot_timestamp_seconds"),
            "When the newest good snapshot was taken, damaged ones aside; absent without.",
            cluster,
            registry=r,
        )
        self.scheduled = Gauge(
            name("cluster_scheduled_since_timestamp_seconds"),
            "When the oldest schedule that names it was made; absent without one.",
            cluster,
            registry=r,
        )

    def called(self, call: Call) -> None:
        """One call of the Kubernetes API."""
        self.calls.labels(call.verb, call.resource, str(call.status or "none")).inc()

    def looked(self, observed: Observed) -> None:
        """One look at a cluster."""
        meta = observed.cluster.metadata
        where = (meta.namespace, meta.name)
        self.quorate.labels(*where).set(isinstance(observed.leader, Leader))
        self.ready.labels(*where).set(sum(1 for pod in observed.pods if pod.ready))
        self.wanted.labels(*where).set(observed.spec.replicas)
        self.success.labels(*where).set(observed.now_s)
        tls = observed.tls
        _set_or_remove(self.expires, where, None if tls is None else tls.not_after_s)
        _set_or_remove(self.snapshot, where, last_good_s(observed))
        _set_or_remove(self.scheduled, where, scheduled_since_s(observed))

    def forget(self, namespace: str, name: str) -> None:
        """A cluster that is gone has no figures."""
        for gauge in (
            self.quorate, self.ready, self.wanted, self.success, self.expires, self.snapshot,
            self.scheduled,
        ):  # fmt: skip
            _set_or_remove(gauge, (namespace, name), None)

    def text(self) -> bytes:
        """For a scrape."""
        return generate_latest(self.registry)


def _set_or_remove(gauge: Gauge, where: tuple[str, str], value: float | None) -> None:
    """A figure that nobody knows is not there: an old one would be taken for true."""
    if value is not None:
        gauge.labels(*where).set(value)
    elif where in gauge._metrics:
        gauge.remove(*where)


class Pulse:
    """When each object was last looked at, by a clock that only goes forward."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Nobody is looked after yet."""
        self._clock_s = clock_s
        self._last_s: dict[object, float] = {}

    def beat(self, key: object) -> None:
        """It is looked at now."""
        self._last_s[key] = self._clock_s()

    def end(self, key: object) -> None:
        """It is gone."""
        self._last_s.pop(key, None)

    def stale(self) -> str:
        """Who was not looked at for too long; "" if nobody was."""
        now_s = self._clock_s()
        late = [key for key, last_s in self._last_s.items() if now_s - last_s > STALE_S]
        return f"not looked at for {STALE_S:g} s: {late[0]}" if late else ""


async def serve(
    path: str, port: int, answer: Callable[[], tuple[int, bytes, str]]
) -> web.AppRunner:
    """One path on one port, on all addresses of both families. Clean the runner up at the end."""

    async def handle(request: web.Request) -> web.Response:
        status, body, kind = answer()
        return web.Response(status=status, body=body, headers={"Content-Type": kind})

    application = web.Application()
    application.router.add_get(path, handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, None, port).start()
    return runner


def metrics_answer(metrics: Metrics) -> tuple[int, bytes, str]:
    """For `serve`."""
    return 200, metrics.text(), CONTENT_TYPE_LATEST


def health_answer(pulse: Pulse) -> tuple[int, bytes, str]:
    """For `serve`."""
    why = pulse.stale()
    return (503 if why else 200), (why or "ok").encode(), "text/plain"
