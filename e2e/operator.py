"""The operator of a case, and what it says of the objects that it takes care of.

Its chart is installed into the case's own namespace and watches that one alone, so that cases do
not know each other. The kinds are the whole cluster's: each installation takes them over from the
one before, which has kept them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e import helm
from e2e.images import REGISTRY, TAG
from e2e.kubectl import AnswerError, Kubectl, Manifest
from e2e.waits import limit, until
from e2e.watcher import is_ready

RELEASE: Final = "operator"
API: Final = "proconsul.io/v1alpha1"
KINDS: Final[Mapping[str, str]] = {
    "ProconsulCluster": "proconsulclusters",
    "ProconsulSnapshot": "proconsulsnapshots",
    "ProconsulSnapshotSchedule": "proconsulsnapshotschedules",
    "ProconsulRestore": "proconsulrestores",
}
"""By kind: its plural."""
KILLED: Final = 86
"""The exit code of an operator that ended at a failpoint."""
MARKS: Final = "/tmp/failpoints"  # in its pod, where /tmp is a volume that outlives the process
LABELS: Final = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
REGISTRY_HOST, _, REGISTRY_PATH = REGISTRY.partition("/")


def image(name: str, tag: str = TAG) -> dict[str, str]:
    """As values of a chart name one of the images that `make images` builds."""
    return {"registry": REGISTRY_HOST, "repository": f"{REGISTRY_PATH}/{name}", "tag": tag}


def images(tag: str = TAG) -> dict[str, Any]:
    """Those of the operator's chart: its own and its servers'."""
    return {"image": image("proconsul-operator", tag), "serverImage": image("proconsul", tag)}


def values(namespace: str) -> dict[str, Any]:
    """Of the operator's chart."""
    return {
        "fullnameOverride": RELEASE,
        "watchNamespaces": [namespace],
        **images(),
        "rbac": {"aggregate": False},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The Deployment of a namespace's own operator."""

    kubectl: Kubectl

    def install(self, *, chart: Path = helm.OPERATOR, **more: Any) -> None:
        """A chart of it, until it is ready; `more` are values."""
        chosen = {**values(self.kubectl.namespace), **more}
        helm.install(
            self.kubectl.namespace,
            RELEASE,
            chosen,
            "operator_ready",
            chart=chart,
            flags=("--take-ownership",),
        )

    def upgrade(self, *, chart: Path = helm.OPERATOR, **more: Any) -> None:
        """A chart or values that may be others, until it is ready."""
        chosen = {**values(self.kubectl.namespace), **more}
        helm.upgrade(self.kubectl.namespace, RELEASE, chosen, "operator_ready", chart=chart)

    def pods(self) -> dict[str, Manifest]:
        """By name, those that there are."""
        return {pod["metadata"]["name"]: pod for pod in self.kubectl.list("pods", LABELS)}

    def scale(self, replicas: int) -> None:
        """Until there are so many, all ready, and no other."""
        self.kubectl("scale", "deployment", RELEASE, f"--replicas={replicas}")
        until(lambda: self._not(replicas), f"{replicas} operators", limit("operator_ready"))

    def _not(self, replicas: int) -> str:
        pods = self.pods()
        ready = [name for name, pod in pods.items() if is_ready(pod)]
        return "" if len(pods) == len(ready) == replicas else f"{sorted(pods)}, ready {ready}"

    def fail_at(self, *failpoints: str) -> None:
        """From here on it ends at each of them, once a pod; without any, at none."""
        self._set(failpoints, "exit")
        self.await_rollout()

    def halt_at(self, *failpoints: str) -> None:
        """From here on a pod of it ends for good at the first of them; without any, at none.

        It is not waited for: a pod that halts at once never becomes ready.
        """
        self._set(failpoints, "halt")

    def await_rollout(self) -> None:
        """Until the newest one holds the Lease: no step is done by one that does not."""
        timeout = f"--timeout={limit('operator_ready'):.0f}s"
        self.kubectl("rollout", "status", f"deployment/{RELEASE}", timeout)
        until(self._is_old, "the operator with failpoints works", limit("operator_ready"))

    def _set(self, failpoints: Sequence[str], what: str) -> None:
        text = ",".join(f"{name}={what}" for name in failpoints)
        marks = f"PROCONSUL_FAILPOINT_MARKS={MARKS}"
        self.kubectl("set", "env", f"deployment/{RELEASE}", f"PROCONSUL_FAILPOINTS={text}", marks)

    def _is_old(self) -> str:
        (name, *others) = sorted(self.pods())
        holder = self.holder()
        return "" if holder == name and not others else f"{[name, *others]}, {holder!r} works"

    def holder(self) -> str:
        """The pod that works, by the Lease; "" for none. Raises AnswerError."""
        lease = self.kubectl.get("leases", RELEASE, "apis/coordination.k8s.io/v1")
        return str(lease["spec"].get("holderIdentity", ""))

    def deaths(self) -> list[int]:
        """How each container of its pods last ended, by exit code."""
        statuses = [
            status
            for pod in self.pods().values()
            for status in pod["status"].get("containerStatuses", ())
        ]
        states = [status[when] for status in statuses for when in ("lastState", "state")]
        return [int(each["terminated"]["exitCode"]) for each in states if "terminated" in each]

    def fired(self, pod: str) -> set[str]:
        """The failpoints at which the containers of that pod ended, by their logs."""
        logs = [
            self.kubectl("logs", pod, *previous, check=False) for previous in ((), ("--previous",))
        ]
        return set(re.findall(r"failpoint (after-\w+)", " ".join(logs)))

    def has_died(self) -> str:
        """What is missing until it has ended at a failpoint; "" for nothing."""
        return "" if KILLED in self.deaths() else f"it ended {self.deaths()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """An object of one of our kinds."""

    kubectl: Kubectl
    kind: str
    name: str

    def make(self, spec: Mapping[str, Any]) -> None:
        """Ask for it. Raises CommandError, with what a rule of the schema says."""
        manifest = {
            "apiVersion": API,
            "kind": self.kind,
            "metadata": {"name": self.name},
            "spec": dict(spec),
        }
        # Not `apply`: what was refused and what was not must be one answer.
        self.kubectl("create", "-f", "-", given=json.dumps(manifest))

    def patch(self, change: Mapping[str, Any]) -> None:
        """Merge into it. Raises CommandError."""
        text = json.dumps(change)
        self.kubectl("patch", KINDS[self.kind], self.name, "--type=merge", "-p", text)

    def body(self) -> Manifest:
        """As it is. Raises AnswerError (404)."""
        return self.kubectl.get(KINDS[self.kind], self.name, f"apis/{API}")

    def status(self) -> Manifest:
        """What the operator says of it; {} for nothing yet."""
        found: Manifest = self.body().get("status", {})
        return found

    def condition(self, kind: str) -> tuple[str, str, str]:
        """(status, reason, message); three times "" for none yet."""
        for each in self.status().get("conditions", ()):
            if each["type"] == kind:
                return each["status"], each["reason"], each.get("message", "")
        return "", "", ""

    def is_not(self, kind: str, status: str, reason: str = "") -> str:
        """What is missing until that condition holds; "" for nothing."""
        found = self.condition(kind)
        held = found[0] == status and reason in ("", found[1])
        return "" if held else f"{self.name}: {kind} is {found}"

    def wait_for(self, kind: str, status: str, reason: str = "", *, limit_name: str) -> float:
        """How long that took, in seconds."""
        what = f"{self.kind} {self.name}: {kind} is {status} {reason}".rstrip()
        return until(lambda: self.is_not(kind, status, reason), what, limit(limit_name))

    def wait_for_phase(self, *phases: str, limit_name: str) -> str:
        """Which of them it came to."""

        def other() -> str:
            status = self.status()
            told = f"{status.get('phase')}: {status.get('message')} {status.get('error')}"
            return "" if status.get("phase") in phases else told

        until(other, f"{self.kind} {self.name} is {' or '.join(phases)}", limit(limit_name))
        return str(self.status()["phase"])

    def events(self, reason: str = "") -> list[str]:
        """Messages of the Events about it, the oldest first."""
        return [
            each["message"]
            for each in sorted(
                self.kubectl.list("events"), key=lambda each: str(each.get("lastTimestamp"))
            )
            if each["involvedObject"].get("name") == self.name
            and each["involvedObject"].get("kind") == self.kind
            and reason in ("", each["reason"])
        ]

    def is_there(self) -> str:
        """What is there until it is gone; "" for nothing."""
        try:
            return str(self.body()["metadata"])
        except AnswerError as failure:
            return "" if failure.status == 404 else f"{failure}"
