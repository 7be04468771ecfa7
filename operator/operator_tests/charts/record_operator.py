"""Records what a running operator exports while things go wrong for real: `make record-operator`.

Needs the cluster that KUBECONFIG names, with the images of `make images` in it. One operator takes
care of two clusters of one name, in two namespaces that are made for it and taken away; it is
scraped every 15 seconds as a ServiceMonitor has it done. The phases (half an hour), and what is
done at their start:

- healthy: cluster A has a schedule and a good snapshot, cluster B a schedule alone.
- not-quorate: B's only server is taken away.
- back: it is put back, and a snapshot of A is taken.
- operator-down: the operator is scaled to none.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from e2e import helm
from e2e.cases.story import RELEASE, VALUES, make_namespace, remove_namespace
from e2e.kubectl import Kubectl, Proxy
from e2e.operator import Custom, Operator
from e2e.watcher import is_ready
from operator_tests.charts.recording import OPERATOR, SPACES, Recording
from operator_tests.charts.scrapes import Recorder, metrics_in
from proconsul_operator.specs.alert_rules import operator_rules

PORT: Final = 9090
CLAIM: Final = "backups"
DESTINATION: Final = {"pvc": {"claimName": CLAIM}}
GOOD: Final = "Completed"
NEVER: Final = "0 0 29 2 *"
WANTED: Final = metrics_in((operator_rules(),), "proconsul_operator_")


@dataclass(frozen=True, slots=True)
class OperatorPod:
    """Whichever pod the operator is at the time."""

    operator: Operator

    def labels(self) -> str:
        """As for a target of the chart's ServiceMonitor."""
        for name, pod in self.operator.pods().items():
            if is_ready(pod):
                where = f'namespace="{self.operator.kubectl.namespace}",pod="{name}"'
                address = pod["status"]["podIP"]
                return f'instance="{address}:{PORT}",job="operator-metrics",{where}'
        return ""

    def scrape(self) -> str:
        """By way of the API server."""
        for name in self.operator.pods():
            try:
                return self.operator.kubectl.ask(name, PORT, "/metrics")[0].decode()
            except OSError:
                return ""
        return ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One of the two."""

    kubectl: Kubectl

    def install(self) -> None:
        """With one server, until it is ready."""
        values = {**VALUES, "mode": "operator", "replicas": 1}
        helm.install(self.kubectl.namespace, RELEASE, values, "ready")
        self.resource.wait_for("Ready", "True", limit_name="operated_ready")

    @property
    def resource(self) -> Custom:
        """Its ProconsulCluster."""
        return Custom(kubectl=self.kubectl, kind="ProconsulCluster", name=RELEASE)

    def schedule(self) -> None:
        """One whose time does not come."""
        spec = self._spec() | {"schedule": NEVER, "template": {"destination": DESTINATION}}
        Custom(kubectl=self.kubectl, kind="ProconsulSnapshotSchedule", name="rare").make(spec)

    def ask_for(self, snapshot: str) -> Custom:
        """A snapshot of that name."""
        made = Custom(kubectl=self.kubectl, kind="ProconsulSnapshot", name=snapshot)
        made.make(self._spec() | {"destination": DESTINATION})
        return made

    def claim(self) -> None:
        """Where its snapshots go."""
        asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": asked}
        self.kubectl.apply({**body, "metadata": {"name": CLAIM}})

    def take_away(self) -> None:
        """Its servers; the operator is told to look on."""
        self.resource.patch({"spec": {"paused": True}})
        self.kubectl("scale", "statefulset", RELEASE, "--replicas=0")

    def put_back(self) -> None:
        """What was taken away."""
        self.kubectl("scale", "statefulset", RELEASE, "--replicas=1")
        self.resource.patch({"spec": {"paused": False}})

    @staticmethod
    def _spec() -> dict[str, Any]:
        return {"clusterRef": {"name": RELEASE}}


@contextmanager
def namespaces(proxy: Proxy) -> Iterator[list[Kubectl]]:
    """Those of the two clusters, from here to the end."""
    try:
        for name in SPACES:
            make_namespace(name)
        yield [Kubectl(proxy, name) for name in SPACES]
    finally:
        for name in SPACES:
            remove_namespace(name)


def record(one: Kubectl, other: Kubectl) -> Recording:
    """The whole story."""
    operator, a, b = Operator(kubectl=one), Cluster(one), Cluster(other)
    operator.install(watchNamespaces=[*SPACES])
    for cluster in (a, b):
        cluster.install()
        cluster.claim()
        cluster.schedule()
    assert a.ask_for("first").wait_for_phase("Completed", "Failed", limit_name="snapshot") == GOOD
    recorder = Recorder([OperatorPod(operator)], WANTED)
    recorder.phase("healthy")
    recorder.pass_s(120)

    recorder.phase("not-quorate")
    b.take_away()
    recorder.pass_s(540)

    recorder.phase("back")
    b.put_back()
    second = a.ask_for("second")
    recorder.pass_s(150)
    assert second.status()["phase"] == GOOD

    recorder.phase("operator-down")
    operator.scale(0)
    recorder.pass_s(690)
    recorder.phase("end")
    return recorder.recording


def main() -> None:
    """`make record-operator`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with Proxy() as proxy, namespaces(proxy) as (one, other):
        recording = record(one, other)
    recording.write(OPERATOR)


if __name__ == "__main__":
    main()
