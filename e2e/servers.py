"""The servers of a case, as the API of Kubernetes and each of them tell of them."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from e2e.kubectl import AnswerError, Kubectl, Manifest
from e2e.waits import limit, until
from e2e.watcher import LABELS, is_ready

STATE_PATHS = (
    "/v1/kv/?recurse&stale",
    "/v1/catalog/nodes?stale",
    "/v1/catalog/services?stale",
    "/v1/session/list?stale",
)
"""What a member's state is compared by."""


class Row(NamedTuple):
    """A key's number, and the index of the write that put it there."""

    value: int
    modified: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """A StatefulSet of them."""

    kubectl: Kubectl
    name: str
    replicas: int = 3
    port: int = 8500

    @property
    def names(self) -> list[str]:
        """Of the pods."""
        return [f"{self.name}-{ordinal}" for ordinal in range(self.replicas)]

    def pods(self) -> dict[str, Manifest]:
        """By name, those that there are."""
        labels = f"app.kubernetes.io/instance={self.name},{LABELS}"
        return {pod["metadata"]["name"]: pod for pod in self.kubectl.list("pods", labels)}

    def raft(self, pod: str) -> dict[str, Any]:
        """What it says of its own raft. Raises OSError, ValueError."""
        found: dict[str, Any] = json.loads(
            self.kubectl.ask(pod, self.port, "/v1/proconsul/raft/local")[0]
        )
        return found

    def ask(self, pod: str, path: str) -> Any:
        """What it answers, as JSON. Raises OSError, ValueError."""
        return json.loads(self.kubectl.ask(pod, self.port, path)[0])

    def rafts(self) -> dict[str, dict[str, Any]]:
        """Of those that answer."""
        found = {}
        for name in self.names:
            try:
                found[name] = self.raft(name)
            except (OSError, ValueError):
                continue
        return found

    def leader(self) -> str:
        """The pod that leads. Raises LookupError."""
        leading = {
            raft["Term"]: name for name, raft in self.rafts().items() if raft["State"] == "Leader"
        }
        if not leading:
            raise LookupError("nobody leads")
        return leading[max(leading)]

    def ids(self) -> dict[str, str]:
        """Each pod's ID in raft. Raises OSError."""
        return {name: str(self.raft(name)["NodeID"]) for name in self.names}

    def voters(self) -> set[str]:
        """The IDs of all voters, as the leader knows them."""
        servers = self.raft(self.leader())["Configuration"]["Servers"]
        return {one["ID"] for one in servers if one["Voter"]}

    def not_well(self) -> str:
        """What is missing until all are ready, one leads and all vote; "" for nothing."""
        pods = self.pods()
        unready = [name for name in self.names if name not in pods or not is_ready(pods[name])]
        if unready:
            told = ", ".join(f"{name}: {_why(pods.get(name))}" for name in unready)
            return f"not ready: {told}"
        if self.voters() != set(self.ids().values()):
            return f"the voters are {sorted(self.voters())}, the servers {self.ids()}"
        return ""

    def wait_until_well(self, limit_name: str) -> float:
        """How long that took, in seconds."""
        return until(self.not_well, f"all servers of {self.name} are well", limit(limit_name))

    def leads_the_service(self) -> str:
        """The pod that the leader Service leads to; "" for none or several."""
        labels = f"kubernetes.io/service-name={self.name}-leader"
        slices = self.kubectl.list("endpointslices", labels, "apis/discovery.k8s.io/v1")
        found = {
            endpoint["targetRef"]["name"]
            for one in slices
            for endpoint in one.get("endpoints") or ()
            if endpoint.get("conditions", {}).get("ready")
        }
        return str(found.pop()) if len(found) == 1 else ""

    def state(self, pod: str) -> tuple[int, str]:
        """(applied index, hash of what it holds)."""
        digest = hashlib.sha256()
        for path in STATE_PATHS:
            digest.update(_canonical(self.kubectl.ask(pod, self.port, path)[0]))
        return self.raft(pod)["AppliedIndex"], digest.hexdigest()

    def states_once_quiet(self) -> Mapping[str, tuple[int, str]]:
        """Each member's, after all have applied the same."""
        states: dict[str, tuple[int, str]] = {}

        def missing() -> str:
            before = [self.raft(name)["AppliedIndex"] for name in self.names]
            states.update({name: self.state(name) for name in self.names})
            after = [index for index, _ in states.values()]
            return "" if before == after and len(set(after)) == 1 else f"applied: {after}"

        until(missing, "all members have applied the same", limit("quiet"))
        return states

    def values_below(self, prefix: str) -> dict[str, int]:
        """Every key and its number, read consistently."""
        rows = self.ask(self.leader(), f"/v1/kv/{prefix}/?recurse&consistent")
        return {row["Key"]: int(base64.b64decode(row["Value"])) for row in rows}

    def rows(self, pod: str, query: str = "consistent") -> dict[str, Row]:
        """Every key below `e2e/`, as one member answers. Raises AnswerError, OSError."""
        try:
            found = self.ask(pod, f"/v1/kv/e2e/?recurse&{query}")
        except AnswerError as failure:
            if failure.status != 404:
                raise
            found = []
        return {
            row["Key"]: Row(int(base64.b64decode(row["Value"])), row["ModifyIndex"])
            for row in found
        }

    def put(self, pod: str, key: str, value: int) -> None:
        """A write, acknowledged. Raises AnswerError, OSError."""
        said, _ = self.kubectl.ask(pod, self.port, f"/v1/kv/{key}", "PUT", str(value).encode())
        assert said.strip() == b"true", said

    def lose(self, *pods: str) -> None:
        """These pods and their volumes, at once; until Kubernetes has made other volumes."""
        before = {pod: self._claim(pod) for pod in pods}
        self.kubectl("delete", "pvc", *(f"data-{pod}" for pod in pods), "--wait=false")
        self.kill(*pods)

        def old() -> str:
            return ", ".join(pod for pod, uid in before.items() if self._claim(pod) == uid)

        until(old, "all volumes are others", limit("pod_gone"))

    def _claim(self, pod: str) -> str:
        claim = self.kubectl.get("persistentvolumeclaims", f"data-{pod}")
        return str(claim["metadata"]["uid"])

    def kill(self, *pods: str) -> None:
        """At once, as the loss of their machines would."""
        self.kubectl("delete", "pod", *pods, "--grace-period=0", "--force", "--wait=false")


def _canonical(body: bytes) -> bytes:
    return json.dumps(json.loads(body), sort_keys=True).encode()


def _why(pod: Manifest | None) -> str:
    """Why it is not ready, as far as Kubernetes says."""
    if pod is None:
        return "there is no such pod"
    status = pod.get("status", {})
    for one in status.get("containerStatuses", ()):
        for state in one.get("state", {}).values():
            if state.get("reason"):
                return f"{state['reason']} {state.get('message', '')}".strip()
    for one in status.get("conditions", ()):
        if one["status"] != "True" and one.get("message"):
            return str(one["message"])
    return str(status.get("phase", "unknown"))
