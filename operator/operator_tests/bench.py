"""The whole operator as a process, on a bare API server, in a namespace of its own.

A test is what is missing there: the StatefulSet's controller, which makes pods whose addresses are
those of server processes on loopback, and the Job's.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from operator_tests.bare_kubernetes import BareKubernetes
from proconsul_operator.actions.kube import KubeGateway
from proconsul_operator.api.group import API_VERSION
from proconsul_operator.cli import LOST_LEASE
from server_tests.process import ServerProcess, die_with_the_tests

SETTLE_S = 600.0  # a guard: a busy machine takes long to start a process
CLUSTER: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "ProconsulCluster",
    "spec": {"replicas": 3, "storage": {"size": "1Gi"}},
}


class Bench:
    """A namespace, and the operators that look after it."""

    def __init__(self, kubernetes: BareKubernetes, folder: Path) -> None:
        self.kubernetes = kubernetes
        self.namespace = f"proconsul-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.metrics_port = 0
        self.kubeconfig = kubernetes.kubeconfig  # of the operator
        self._started: list[subprocess.Popen[bytes]] = []
        self._again: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        """The namespace is made."""
        self.make_namespace(self.namespace)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Operators are killed; without its controller a namespace is only marked as deleted."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.kubernetes.call("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def make_namespace(self, name: str) -> None:
        """With the account that pods get by default."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.kubernetes.call("POST", "/api/v1/namespaces", body)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        self.kubernetes.call("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account)

    def call(self, act: Callable[[KubeGateway], Any]) -> Any:
        """One call of the API, as an administrator."""

        async def run() -> Any:
            gateway = await KubeGateway.open(str(self.kubernetes.kubeconfig), lambda _: None)
            try:
                return await act(gateway)
            finally:
                await gateway.close()

        return asyncio.run(run())

    def token(self, account: str) -> str:
        """Of a ServiceAccount, as its pods have it."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = self.kubernetes.call("POST", path, body)
        return str(answer["status"]["token"])

    def get(self, kind: str, name: str, namespace: str = "") -> Any:
        """An object, or None."""
        return self.call(lambda gateway: gateway.get(kind, namespace or self.namespace, name))

    def names(self, kind: str) -> set[str]:
        """Of all objects of a kind."""
        found = self.call(lambda gateway: gateway.list(kind, self.namespace))
        return {each["metadata"]["name"] for each in found}

    def reasons(self) -> set[str]:
        """Of Events."""
        found = self.call(lambda gateway: gateway.list("Event", self.namespace))
        return {each["reason"] for each in found}

    def make(
        self, manifest: dict[str, Any], name: str, namespace: str = "", **metadata: Any
    ) -> None:
        """An object."""
        meta = {"name": name, "namespace": namespace or self.namespace, **metadata}
        body = {**manifest, "metadata": meta}
        assert self.call(lambda gateway: gateway.create_if_absent(body))

    def patch(self, kind: str, name: str, change: dict[str, Any]) -> None:
        """As a person does."""
        self.call(lambda gateway: gateway.patch(kind, self.namespace, name, change))

    def patch_status(self, kind: str, name: str, status: dict[str, Any]) -> None:
        """As a controller does."""
        self.call(
            lambda gateway: gateway.patch(
                kind, self.namespace, name, {"status": status}, subresource="status"
            )
        )

    def start(self, failpoint: str = "", name: str = "op", **environment: str) -> None:
        """An operator; the last one that was started is `process`."""
        with socket.socket() as free:
            free.bind(("", 0))
            self.metrics_port = free.getsockname()[1]
        held = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "POD_NAMESPACE": self.namespace,
            "POD_NAME": name,
            "PROCONSUL_WATCH_NAMESPACES": self.namespace,
            "PROCONSUL_METRICS_PORT": str(self.metrics_port),
            "PROCONSUL_HEALTH_PORT": "0",
            "PROCONSUL_LOG_FORMAT": "text",
            "PROCONSUL_FAILPOINTS": failpoint,
            "PROCONSUL_OPERATOR_IMAGE": "operator:1",
            "PROCONSUL_SERVER_IMAGE": "server:1",
            **environment,
        }
        with self.log(name).open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "proconsul_operator.cli", "run"],
                env=held,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )
        self._started.append(self.process)
        self._again = lambda: self.start("", name, **environment)

    def log(self, name: str = "op") -> Path:
        """What an operator said."""
        return self.folder / f"{name}.log"

    def end(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SETTLE_S)

    def metrics(self) -> str:
        """What the operator's own endpoint says; "" before it listens."""
        try:
            url = f"http://127.0.0.1:{self.metrics_port}/metrics"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        """Wait for it."""
        deadline_s = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline_s:
            found = holds()
            if found:
                return found
            self._revive()
            time.sleep(0.3)  # noqa: TID251 - other processes are waited for
        said = "\n".join(path.read_text()[-4000:] for path in self.folder.glob("op*.log"))
        raise AssertionError(f"{what}: not in {SETTLE_S:g} s\n{said}")

    def _revive(self) -> None:
        """As a kubelet does: on a busy machine an operator loses its Lease, and ends."""
        if self.process is not None and self.process.poll() == LOST_LEASE and self._again:
            self._again()

    def status(self, name: str = "c") -> dict[str, Any]:
        """Of a cluster."""
        body = self.get("ProconsulCluster", name)
        found: dict[str, Any] = {} if body is None else body.get("status", {})
        return found

    def condition(self, kind: str, name: str = "c") -> str:
        """Of a cluster; "" for none."""
        held = self.status(name).get("conditions", [])
        return next((each["status"] for each in held if each["type"] == kind), "")

    def pod(self, name: str, host: str, revision: str = "c-1") -> None:
        """What a StatefulSet's controller and a kubelet make."""
        template = self.get("StatefulSet", "c")["spec"]["template"]
        labels = {**template["metadata"]["labels"], "controller-revision-hash": revision}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace, "labels": labels},
            "spec": {"containers": [{"name": "server", "image": "server:1"}]},
        }
        self.kubernetes.call("POST", f"/api/v1/namespaces/{self.namespace}/pods", body)
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {
            "phase": "Running",
            "podIP": host,
            "podIPs": [{"ip": host}],
            "conditions": [ready],
        }
        self.patch_status("Pod", name, status)

    def run_pods(self, servers: dict[str, ServerProcess]) -> None:
        """The StatefulSet's pods are these servers."""
        seen = {"observedGeneration": 9, "replicas": len(servers), "updateRevision": "c-1"}
        self.patch_status("StatefulSet", "c", seen)
        for name, process in servers.items():
            self.pod(name, process.address)
