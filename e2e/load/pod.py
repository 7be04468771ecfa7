"""The generator as a pod of the servers' image, and its ledger fetched from there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.kubectl import CommandError, Kubectl, Manifest
from e2e.load.ledger import Ledger, read
from e2e.waits import limit, until

NAME = "load"
GENERATOR = Path(__file__).parent / "generator.py"
LEDGER = "/ledger/ledger.jsonl"
FETCH = f"import shutil, sys; shutil.copyfileobj(open({LEDGER!r}), sys.stdout)"
STOP = "open('/ledger/stop', 'w').close()"
SECURE = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD_SECURE = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How much is asked, all workers of a kind together unless said otherwise."""

    writes_per_s: float = 100.0
    writers: int = 8
    counters: int = 2
    counts_per_s: float = 2.0  # each of two workers a counter
    reads_per_s: float = 10.0  # each reader: consistent, default, and one stale a member
    member_ops_per_s: float = 0.0  # each: a writer and two readers at each member itself


SLOWLY = Rates(writes_per_s=30.0, counts_per_s=1.0, reads_per_s=3.0)
"""Where the operator's steps are what is tested, and not how much the servers bear."""


class LoadPod:
    """Started in the servers' namespace, beside them."""

    def __init__(self, kubectl: Kubectl, image: str, name: str, members: list[str]) -> None:
        """`name` is the servers' Service, `members` their pods."""
        self._kubectl = kubectl
        self._image = image
        self._service = f"http://{name}:8500"
        self._members = {pod: f"http://{pod}.{name}-headless:8500" for pod in members}

    def start(self, rates: Rates, seed: int) -> None:
        """Until its first write was acknowledged."""
        config: dict[str, Any] = {
            "seed": seed,
            "prefix": "e2e",
            "ledger": LEDGER,
            "service": self._service,
            "members": self._members,
            "writers": rates.writers,
            "writes_per_s": rates.writes_per_s,
            "counters": rates.counters,
            "counts_per_s": rates.counts_per_s,
            "reads_per_s": rates.reads_per_s,
            "member_ops_per_s": rates.member_ops_per_s,
        }
        files = {"generator.py": GENERATOR.read_text(), "config.json": json.dumps(config)}
        self._kubectl.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": files},
            self._pod(),
        )
        until(self._no_write_yet, "the load's first write", limit("load_starts"))

    def _pod(self) -> Manifest:
        container: Mapping[str, Any] = {
            "name": NAME,
            "image": self._image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "/load/generator.py", "/load/config.json"],
            "securityContext": SECURE,
            "volumeMounts": [
                {"name": "load", "mountPath": "/load", "readOnly": True},
                {"name": "ledger", "mountPath": "/ledger"},
            ],
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": NAME, "labels": {"app.kubernetes.io/name": NAME}},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 1,
                "securityContext": POD_SECURE,
                "containers": [container],
                "volumes": [
                    {"name": "load", "configMap": {"name": NAME}},
                    {"name": "ledger", "emptyDir": {}},
                ],
            },
        }

    def _no_write_yet(self) -> str:
        try:
            ledger = self.ledger()
        except CommandError as failure:
            return f"{failure}"
        if any(one.writes and one.is_acked for one in ledger.operations):
            return ""
        return f"{[one.why for one in ledger.operations][-3:]}"

    def text(self) -> str:
        """The ledger as it is by now. Raises CommandError."""
        return self._kubectl.execute(NAME, "python", "-c", FETCH)

    def ledger(self) -> Ledger:
        """As far as it is by now. Raises CommandError, ValueError."""
        return read(self.text().splitlines())

    def stop(self) -> Ledger:
        """All of it, after its last operation."""
        self._kubectl.execute(NAME, "python", "-c", STOP)
        until(self._runs, "the load's end", limit("quiet"))
        return self.ledger()

    def _runs(self) -> str:
        said = self._kubectl("logs", NAME, "--tail=1", check=False).strip()
        return "" if said == "ended" else f"it says {said!r}"

    def remove(self) -> None:
        """With its ledger."""
        self._kubectl("delete", "pod", NAME, "--grace-period=0", "--force")
