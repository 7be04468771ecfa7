"""`proconsul-operator run | snapshot | restore`: the operator, and the programs of its Jobs.

`run` waits for the Lease, and then works until it is told to end (exit 0, the Lease given back) or
the Lease is lost (exit 1 at once). All settings come from the environment, as the chart gives them.
"""

import argparse
import asyncio
import contextlib
import importlib.metadata
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import kopf

from proconsul_operator.actions import consul, logs, metrics
from proconsul_operator.actions.acting import Actor
from proconsul_operator.actions.consul import ConsulError
from proconsul_operator.actions.cycles import ClusterCycle, Failpoints, Told
from proconsul_operator.actions.facts import Facts
from proconsul_operator.actions.job_acts import JobActs
from proconsul_operator.actions.job_main import restore_main, snapshot_main
from proconsul_operator.actions.job_pods import Images
from proconsul_operator.actions.kube import BusyError, KubeError, KubeGateway
from proconsul_operator.actions.lease import Lease, LeaseName
from proconsul_operator.actions.memory import Memory
from proconsul_operator.actions.objectstore import StoreError
from proconsul_operator.actions.observing import Observer
from proconsul_operator.actions.queue import Item, Queue
from proconsul_operator.actions.record_cycles import (
    RecordWorld,
    RestoreCycle,
    ScheduleCycle,
    SnapshotCycle,
)
from proconsul_operator.handlers import registry_of

LOST_LEASE: Final = 1
log: Final = logging.getLogger("proconsul_operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the chart's Deployment says."""

    namespaces: tuple[str, ...]
    lease: LeaseName
    images: Images
    metrics_port: int
    health_port: int
    kubeconfig: str
    failpoints: Failpoints
    version: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises ValueError for what cannot be."""
        watched = environment.get("PROCONSUL_WATCH_NAMESPACES", "")
        lease = LeaseName(
            namespace=environment.get("POD_NAMESPACE", "default"),
            name=environment.get("PROCONSUL_LEASE_NAME", "proconsul-operator"),
            holder=environment.get("POD_NAME", "") or f"{os.uname().nodename}-{os.getpid()}",
        )
        return cls(
            namespaces=tuple(each.strip() for each in watched.split(",") if each.strip()),
            lease=lease,
            images=Images(
                operator=environment.get("PROCONSUL_OPERATOR_IMAGE", ""),
                server=environment.get("PROCONSUL_SERVER_IMAGE", ""),
            ),
            metrics_port=int(environment.get("PROCONSUL_METRICS_PORT", "9090")),
            health_port=int(environment.get("PROCONSUL_HEALTH_PORT", "8080")),
            kubeconfig=environment.get("KUBECONFIG", ""),
            failpoints=Failpoints.of(
                environment.get("PROCONSUL_FAILPOINTS", ""),
                environment.get("PROCONSUL_FAILPOINT_MARKS", ""),
            ),
            version=importlib.metadata.version("proconsul"),
        )


class Operator:
    """All parts of a running operator, put together."""

    def __init__(self, settings: Settings, gateway: KubeGateway, session: Any) -> None:
        """Nothing runs yet."""
        self._gateway = gateway
        self.metrics = metrics.Metrics()
        self.pulse = metrics.Pulse()
        memory = Memory()
        jobs = JobActs(gateway=gateway, images=settings.images)
        facts = Facts(gateway=gateway, memory=memory, now_s=time.time)
        observer = Observer(
            gateway=gateway, session=session, memory=memory, facts=facts, now_s=time.time,
            version=settings.version,
        )  # fmt: skip
        world = RecordWorld(
            gateway=gateway, jobs=jobs, memory=memory, failpoints=settings.failpoints,
            now_s=time.time, version=settings.version,
        )  # fmt: skip
        self.queue = Queue(self._cycle, self._failed, expected=(KubeError, ConsulError, StoreError))
        self._cycles: dict[str, Any] = {
            "ProconsulCluster": ClusterCycle(
                observer=observer,
                actor=Actor(gateway=gateway, memory=memory, jobs=jobs),
                gateway=gateway,
                memory=memory,
                failpoints=settings.failpoints,
            ),
            "ProconsulSnapshot": SnapshotCycle(world),
            "ProconsulSnapshotSchedule": ScheduleCycle(world),
            "ProconsulRestore": RestoreCycle(
                world, lambda key: self.queue.wake(("ProconsulCluster", *key))
            ),
        }

    async def _cycle(self, item: Item) -> float | None:
        kind, namespace, name = item
        self.pulse.beat(item)
        self.metrics.depth.set(len(self.queue))
        with self.metrics.seconds.labels(kind).time():
            told: Told = await self._cycles[kind]((namespace, name))
        if told.delay_s is None:
            self.pulse.end(item)
            if kind == "ProconsulCluster":
                self.metrics.forget(namespace, name)
            self.metrics.cycles.labels(kind, "gone").inc()
            return None
        if told.view is not None:
            self.metrics.looked(told.view.observed)
        if told.decision is not None and told.decision.acts:
            self.metrics.acts.labels(told.decision.step.value).inc()
        self.metrics.cycles.labels(kind, "ok").inc()
        return told.delay_s

    async def _failed(self, item: Item, error: Exception, failures: int) -> float:
        """Counted, and from the third in a row told on the object, once."""
        kind, namespace, name = item
        self.metrics.cycles.labels(kind, type(error).__name__).inc()
        if failures == TOLD_AFTER:
            with contextlib.suppress(Exception):
                body = await self._gateway.get(kind, namespace, name)
                if body is not None:
                    await self._gateway.event(
                        body, reason="ReconcileFailed", note=str(error), warning=True,
                        now=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    )  # fmt: skip
        return error.retry_after_s if isinstance(error, BusyError) else 0.0


TOLD_AFTER: Final = 3


async def run(settings: Settings) -> int:
    """Until SIGTERM; the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(consul.session())
        calls: list[metrics.Metrics] = []
        gateway = await KubeGateway.open(
            settings.kubeconfig, lambda call: calls[0].called(call) if calls else None
        )
        stack.push_async_callback(gateway.close)
        operator = Operator(settings, gateway, session)
        calls.append(operator.metrics)
        for runner in (
            await metrics.serve(
                "/healthz", settings.health_port, lambda: metrics.health_answer(operator.pulse)
            ),
            await metrics.serve(
                "/metrics", settings.metrics_port, lambda: metrics.metrics_answer(operator.metrics)
            ),
        ):
            stack.push_async_callback(runner.cleanup)
        lease = Lease(gateway, settings.lease, time.monotonic)
        if await _first(lease.acquire(), stop.wait()) == 1:
            return 0
        operator.metrics.leads.set(1)
        await _work(registry_of(operator.queue.wake), settings, operator.queue, lease, stop)
    return 0


async def _work(
    registry: kopf.OperatorRegistry,
    settings: Settings,
    queue: Queue,
    lease: Lease,
    stop: asyncio.Event,
) -> None:
    """Until SIGTERM, which Kopf hears once it runs; ends the process if the Lease is lost."""
    watching = asyncio.ensure_future(
        kopf.operator(
            registry=registry,
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
            stop_flag=stop,
        )
    )
    holding = asyncio.ensure_future(lease.hold())
    await asyncio.wait((watching, holding), return_when=asyncio.FIRST_COMPLETED)
    if not watching.done() or watching.exception() is not None:
        # Another may work by now: nothing of ours may run on, not even a cleanup.
        log.error("the Lease or the watches are lost: the process ends")
        os._exit(LOST_LEASE)
    holding.cancel()
    await queue.close()
    await lease.release()


async def _first(*works: Any) -> int:
    """Which of them ended first; the others are ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    first = next(number for number, task in enumerate(tasks) if task in done)
    tasks[first].result()
    return first


def main(words: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    parser = argparse.ArgumentParser(prog="proconsul-operator", description=__doc__)
    parser.add_argument("program", choices=("run", "snapshot", "restore"))
    program = parser.parse_args(words).program
    environment = os.environ
    try:
        logs.set_up(
            environment.get("PROCONSUL_LOG_LEVEL", "info"),
            environment.get("PROCONSUL_LOG_FORMAT", "json"),
        )
        if program == "run":
            settings = Settings.of(environment)
            settings.failpoints.start()
            return asyncio.run(run(settings))
    except ValueError as error:
        log.error("%s", error)
        return 2
    return (snapshot_main if program == "snapshot" else restore_main)(environment)


if __name__ == "__main__":
    sys.exit(main())
