"""The whole operator as a process, against a real API server and real servers.

KUBE_REAL names the kubeconfig of an API server without controllers (nothing else runs there, or the
pods below would be looked after twice). The test is the StatefulSet's controller: it makes pods
whose addresses are those of server processes on loopback.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from proconsul_operator.actions.cycles import KILLED
from proconsul_operator.actions.kube import Identity, KubeGateway
from proconsul_operator.api.group import API_VERSION
from server_tests.loopback import address
from server_tests.process import ServerProcess, die_with_the_tests

KUBE_REAL = os.environ.get("KUBE_REAL_BARE", "")
SETTLE_S = 60.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not KUBE_REAL, reason="KUBE_REAL_BARE names no bare API server"),
]
CLUSTER = {
    "apiVersion": API_VERSION,
    "kind": "ProconsulCluster",
    "spec": {"replicas": 3, "storage": {"size": "1Gi"}},
}


class Bench:
    """A namespace, and the operator that looks after it."""

    def __init__(self, folder: Path) -> None:
        self.namespace = f"proconsul-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def call(self, act: Callable[[KubeGateway], Any]) -> Any:
        """One call of the API."""

        async def run() -> Any:
            gateway = await KubeGateway.open(KUBE_REAL, lambda _: None)
            try:
                return await act(gateway)
            finally:
                await gateway.close()

        return asyncio.run(run())

    def raw(self, method: str, path: str, body: Any = None) -> None:
        """One that the gateway does not have."""

        async def act(gateway: KubeGateway) -> None:
            answer = await gateway._client.request(method, path, body=body, serialize=False)
            await answer.read()

        self.call(act)

    def get(self, kind: str, name: str) -> Any:
        """An object, or None."""
        return self.call(lambda gateway: gateway.get(kind, self.namespace, name))

    def names(self, kind: str) -> set[str]:
        """Of all objects of a kind."""
        found = self.call(lambda gateway: gateway.list(kind, self.namespace))
        return {each["metadata"]["name"] for each in found}

    def reasons(self) -> set[str]:
        """Of Events."""
        found = self.call(lambda gateway: gateway.list("Event", self.namespace))
        return {each["reason"] for each in found}

    def make(self, manifest: dict[str, Any], name: str) -> None:
        """An object."""
        body = {**manifest, "metadata": {"name": name, "namespace": self.namespace}}
        assert self.call(lambda gateway: gateway.create_if_absent(body))

    def start(self, failpoint: str = "") -> None:
        """The operator."""
        environment = {
            **os.environ,
            "KUBECONFIG": KUBE_REAL,
            "POD_NAMESPACE": self.namespace,
            "POD_NAME": "op",
            "PROCONSUL_WATCH_NAMESPACES": self.namespace,
            "PROCONSUL_METRICS_PORT": "0",
            "PROCONSUL_HEALTH_PORT": "0",
            "PROCONSUL_LOG_FORMAT": "text",
            "PROCONSUL_FAILPOINTS": failpoint,
            "PROCONSUL_OPERATOR_IMAGE": "operator:1",
            "PROCONSUL_SERVER_IMAGE": "server:1",
        }
        with (self.folder / "operator.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "proconsul_operator.cli", "run"],
                env=environment,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )

    def end(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        """Wait for it."""
        deadline_s = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline_s:
            found = holds()
            if found:
                return found
            time.sleep(0.3)  # noqa: TID251 - other processes are waited for
        log = (self.folder / "operator.log").read_text()[-4000:]
        raise AssertionError(f"{what}: not in {SETTLE_S:g} s\n{log}")

    def pod(self, name: str, host: str) -> None:
        """What a StatefulSet's controller and a kubelet make."""
        stateful_set = self.get("StatefulSet", "c")
        template = stateful_set["spec"]["template"]
        labels = {**template["metadata"]["labels"], "controller-revision-hash": "c-1"}
        spec = {"containers": [{"name": "server", "image": "server:1"}]}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace, "labels": labels},
            "spec": spec,
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        self.raw("post", path, body)
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {
            "phase": "Running",
            "podIP": host,
            "podIPs": [{"ip": host}],
            "conditions": [ready],
        }
        self.patch_status("Pod", name, status)

    def patch_status(self, kind: str, name: str, status: dict[str, Any]) -> None:
        """As a controller does."""
        self.call(
            lambda gateway: gateway.patch(
                kind, self.namespace, name, {"status": status}, subresource="status"
            )
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """With a namespace of its own."""
    made = Bench(tmp_path)
    meta = {"name": made.namespace}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
    made.raw("post", "/api/v1/namespaces", body)
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    made.make(account, "default")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    made.raw("delete", f"/api/v1/namespaces/{made.namespace}")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, ServerProcess]]:
    """Three of them, as their pods are called."""
    hosts = {f"c-{number}": address(101 + number) for number in range(3)}
    with ExitStack() as stack:
        made = {}
        for name, host in hosts.items():
            joins = [f"-retry-join={other}" for other in hosts.values()]
            flags = ["-bootstrap-expect=3", f"-node={name}", *joins]
            made[name] = ServerProcess(host, tmp_path / name, *flags)
            made[name].launch()
            stack.callback(made[name].kill)
        yield made


def status_of(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.get("ProconsulCluster", "c").get("status", {})
    return found


def condition(bench: Bench, kind: str) -> str:
    held = status_of(bench).get("conditions", [])
    return next((each["status"] for each in held if each["type"] == kind), "")


def test_a_cluster_is_made_watched_mended_and_told_of(
    bench: Bench, servers: dict[str, ServerProcess]
) -> None:
    bench.start()
    bench.make(CLUSTER, "c")
    bench.until(lambda: bench.get("StatefulSet", "c"), "the StatefulSet is made")
    assert {"c", "c-headless", "c-leader", "c-stale"} <= bench.names("Service")
    guard = bench.get("ConfigMap", "c-bootstrap")
    assert guard["data"]["bootstrapped"] == "false"

    seen = {"observedGeneration": 9, "replicas": 3, "updateRevision": "c-1"}
    bench.patch_status("StatefulSet", "c", seen)
    for name, process in servers.items():
        bench.pod(name, process.address)
    bench.until(lambda: status_of(bench).get("leader"), "a leader is seen")
    bench.until(lambda: condition(bench, "Quorate") == "True", "it is quorate")
    assert status_of(bench)["voters"] == 3
    bench.until(lambda: "Bootstrapped" in bench.reasons(), "it is told")

    leader = status_of(bench)["leader"]
    servers[leader].kill()
    after = bench.until(
        lambda: status_of(bench)["leader"] not in ("", leader) and status_of(bench)["leader"],
        "another leads",
    )
    history = status_of(bench)["leadership"]
    assert [each["leader"] for each in history[:2]] == [after, leader]
    bench.until(lambda: "LeaderChanged" in bench.reasons(), "the change is told")

    strange = {"spec": {"selector": {"app.kubernetes.io/component": "nobody"}}}
    ours = bench.get("Service", "c")["spec"]["selector"]
    bench.call(lambda gateway: gateway.patch("Service", bench.namespace, "c", strange))
    bench.until(lambda: bench.get("Service", "c")["spec"]["selector"] == ours, "it is mended")
    bench.until(lambda: "DriftCorrected" in bench.reasons(), "and told")

    assert bench.end() == 0
    lease = bench.get("Lease", "proconsul-operator")
    assert lease["spec"]["holderIdentity"] == ""


def test_a_killed_operator_goes_on_where_it_was(bench: Bench) -> None:
    bench.make({**CLUSTER, "spec": {**CLUSTER["spec"], "gossip": {}, "tls": {}}}, "c")  # type: ignore[dict-item]
    kept: dict[str, Any] = {}
    for step in ("MakeSecrets", "MakeAuthority", "MakeCertificate", "MakeGuard", "ApplyChildren"):
        bench.start(f"after-{step}=exit")
        assert bench.process is not None
        assert bench.process.wait(60) == KILLED, (bench.folder / "operator.log").read_text()
        for kind, name in (
            ("Secret", "c-gossip"),
            ("Secret", "c-ca"),
            ("ConfigMap", "c-bootstrap"),
        ):
            found = bench.get(kind, name)
            if found is not None:
                assert kept.setdefault(name, found["data"]) == found["data"], "made twice"
    assert kept.keys() == {"c-gossip", "c-ca", "c-bootstrap"}
    bench.start()
    bench.until(lambda: bench.get("StatefulSet", "c"), "the StatefulSet is made")
    assert bench.end() == 0


def test_snapshots_become_jobs_and_a_finalizer_stays(bench: Bench) -> None:
    bench.start()
    bench.make(CLUSTER, "c")
    place = {"pvc": {"claimName": "backups"}}
    record = {"clusterRef": {"name": "c"}, "destination": place, "deletionPolicy": "Delete"}
    bench.make({"apiVersion": API_VERSION, "kind": "ProconsulSnapshot", "spec": record}, "one")
    schedule = {
        "clusterRef": {"name": "c"}, "schedule": "0 2 * * *", "runNow": "a",
        "template": {"destination": place},
    }  # fmt: skip
    kind = "ProconsulSnapshotSchedule"
    bench.make({"apiVersion": API_VERSION, "kind": kind, "spec": schedule}, "nightly")
    bench.until(lambda: len(bench.names("Job")) == 2, "two Jobs are there")
    assert bench.names("CronJob") == {"nightly"}
    assert "c-snapshot" in bench.names("ServiceAccount")
    snapshot = bench.get("ProconsulSnapshot", "one")
    assert snapshot["metadata"]["finalizers"] == ["proconsul.io/operator"]

    (job,) = (name for name in bench.names("Job") if name.startswith("one-"))
    assert json.dumps(bench.get("Job", job)).count("proconsul-operator") >= 1
    uid = snapshot["metadata"]["uid"]
    bench.call(
        lambda gateway: gateway.delete(
            "ProconsulSnapshot", bench.namespace, "one", identity=Identity(uid=uid)
        )
    )
    bench.until(lambda: "one" not in bench.names("ProconsulSnapshot"), "nothing to remove: it goes")
    assert bench.end() == 0
