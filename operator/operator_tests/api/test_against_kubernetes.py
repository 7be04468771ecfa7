"""A real API server takes the definitions, and takes and refuses what we say it does.

KUBE_REAL names the kubeconfig of a cluster that may be written to: the definitions are applied and
left there, everything else is in a namespace of its own that is deleted. Needs kubectl (KUBECTL).
"""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from operator_tests.api.cases import CASES, CLUSTER, DISK, Case
from operator_tests.api.kubernetes_rules import filled
from proconsul_operator.api.group import API_VERSION
from proconsul_operator.api.schema import KINDS, Kind, root_schema

KUBE_REAL = os.environ.get("KUBE_REAL", "")
KUBECTL = os.environ.get("KUBECTL") or "kubectl"
MANIFESTS = Path(__file__).parents[3] / "manifests"
NEW_CASES = [case for case in CASES if case.old is None]
CHANGES = [case for case in CASES if case.old is not None]
TIMEOUT_S = 60

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not KUBE_REAL, reason="KUBE_REAL names no kubeconfig of a cluster"),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What kubectl said."""

    code: int
    out: str
    error: str


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl in one namespace."""

    namespace: str

    def ask(self, *words: str, body: dict[str, Any] | None = None) -> Answer:
        """Run it; `body` is what it reads from its input."""
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", KUBE_REAL, "--namespace", self.namespace, *words],
            input=None if body is None else json.dumps(body),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def do(self, *words: str, body: dict[str, Any] | None = None) -> str:
        """Run it, and it must go well."""
        answer = self.ask(*words, body=body)
        assert answer.code == 0, answer.error
        return answer.out

    def create(self, spec: dict[str, Any], name: str = "c") -> None:
        """A ProconsulCluster that is there; nobody acts on it."""
        metadata = {"name": name}
        body = {"apiVersion": API_VERSION, "kind": CLUSTER, "metadata": metadata, "spec": spec}
        self.do("create", "-f", "-", body=body)

    def get(self, resource: str, name: str) -> dict[str, Any]:
        """An object as it is stored."""
        found: dict[str, Any] = json.loads(self.do("get", resource, name, "-o", "json"))
        return found


@pytest.fixture(scope="module")
def definitions() -> None:
    """All of them applied, and the API server ready to serve them."""
    kubectl = Kubectl("default")
    kubectl.do("apply", "--server-side", "--force-conflicts", "-f", str(MANIFESTS / "crds"))
    names = [f"crd/{kind.plural}.proconsul.io" for kind in KINDS]
    kubectl.do("wait", "--for=condition=Established", f"--timeout={TIMEOUT_S}s", *names)


@pytest.fixture
def kubectl(definitions: None) -> Iterator[Kubectl]:
    """A namespace of its own for each test."""
    name = f"proconsul-api-{uuid.uuid4().hex[:8]}"
    outside = Kubectl("default")
    outside.do("create", "namespace", name)
    yield Kubectl(name)
    outside.do("delete", "namespace", name, "--wait=false")


def check(answer: Answer, case: Case) -> None:
    assert (answer.code == 0) == (not case.refusal), answer.error
    assert case.refusal in answer.error


def test_objects_are_taken_or_refused_for_the_reason(kubectl: Kubectl) -> None:
    for case in NEW_CASES:
        check(kubectl.ask("create", "--dry-run=server", "-f", "-", body=case.body), case)


def test_changes_are_taken_or_refused_for_the_reason(kubectl: Kubectl) -> None:
    for case in CHANGES:
        kubectl.do("create", "-f", "-", body=case.old_body)
        check(kubectl.ask("replace", "--dry-run=server", "-f", "-", body=case.body), case)
        kubectl.do("delete", "--wait", case.kind.lower(), case.object_name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_definition_is_structural_to_kubernetes_too(kubectl: Kubectl, kind: Kind) -> None:
    found = kubectl.get("crd", f"{kind.plural}.proconsul.io")
    conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


def test_the_samples_are_taken(kubectl: Kubectl) -> None:
    kubectl.do("apply", "--dry-run=server", "-f", str(MANIFESTS / "samples"))


def test_what_is_stored_is_what_we_say_the_defaults_are(kubectl: Kubectl) -> None:
    kubectl.create({**DISK, "tls": {}, "gossip": {}})
    (kind,) = (kind for kind in KINDS if kind.name == CLUSTER)
    said = filled(root_schema(kind), {"spec": {**DISK, "tls": {}, "gossip": {}}})
    assert kubectl.get("pcc", "c")["spec"] == said["spec"]


def test_a_field_that_nobody_knows_is_refused(kubectl: Kubectl) -> None:
    answer = kubectl.ask(
        "create", "--dry-run=server", "-f", "-",
        body={
            "apiVersion": API_VERSION, "kind": CLUSTER, "metadata": {"name": "c"},
            "spec": {**DISK, "replica": 3},
        },
    )  # fmt: skip
    assert answer.code != 0
    assert 'unknown field "spec.replica"' in answer.error


def test_scale_changes_the_size_under_the_same_rules(kubectl: Kubectl) -> None:
    kubectl.create(DISK)
    kubectl.do("scale", "pcc/c", "--replicas=5")
    assert kubectl.get("pcc", "c")["spec"]["replicas"] == 5
    for size, refusal in ((4, "replicas must be"), (1, "at most two at a time"), (9, "7")):
        answer = kubectl.ask("scale", "pcc/c", f"--replicas={size}")
        assert answer.code != 0
        assert refusal in answer.error
    kubectl.do("scale", "pcc/c", "--replicas=0")


STATUS = {
    "observedGeneration": 1,
    "phase": "Running",
    "replicas": 3,
    "readyReplicas": 3,
    "updatedReplicas": 2,
    "voters": 3,
    "leader": "c-1",
    "term": 12,
    "version": "1.0.0",
    "selector": "app.kubernetes.io/instance=c",
    "raft": {"commitIndex": 84213},
    "members": [{"name": "c-0"}, {"name": "c-1", "role": "Leader", "lastContact": "20ms"}],
    "conditions": [
        {
            "type": "Quorate",
            "status": "True",
            "reason": "LeaderAnswered",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
}


def apply_status(kubectl: Kubectl, manager: str, status: dict[str, Any]) -> Answer:
    body = {
        "apiVersion": API_VERSION,
        "kind": CLUSTER,
        "metadata": {"name": "c"},
        "status": status,
    }
    return kubectl.ask(
        "apply", "--server-side", "--subresource=status", f"--field-manager={manager}", "-f", "-",
        body=body,
    )  # fmt: skip


def test_the_columns_show_the_status(kubectl: Kubectl) -> None:
    kubectl.create(DISK)
    assert apply_status(kubectl, "proconsul-operator-status", STATUS).code == 0
    head, row = kubectl.do("get", "pcc", "c").splitlines()
    assert head.split() == [
        "NAME", "DESIRED", "READY", "VOTERS", "PHASE", "LEADER", "QUORATE", "VERSION", "AGE",
    ]  # fmt: skip
    assert row.split()[:-1] == ["c", "3", "3", "3", "Running", "c-1", "True", "1.0.0"]
    wide = kubectl.do("get", "pcc", "c", "-o", "wide").splitlines()[0].split()
    assert wide[9:] == ["UPDATED", "BACKUP", "TERM", "INDEX", "MESSAGE"]
    scale = json.loads(kubectl.do("get", "pcc", "c", "--subresource=scale", "-o", "json"))
    assert scale["status"] == {"replicas": 3, "selector": "app.kubernetes.io/instance=c"}


def test_two_managers_share_the_conditions(kubectl: Kubectl) -> None:
    kubectl.create(DISK)
    assert apply_status(kubectl, "proconsul-operator-status", STATUS).code == 0
    other = {**STATUS["conditions"][0], "type": "Seen", "reason": "ByOthers"}  # type: ignore[index]
    assert apply_status(kubectl, "somebody-else", {"conditions": [other]}).code == 0
    found = kubectl.get("pcc", "c")["status"]["conditions"]
    assert {each["type"] for each in found} == {"Quorate", "Seen"}


def test_a_status_that_is_none_is_refused(kubectl: Kubectl) -> None:
    kubectl.create(DISK)
    lying = {"conditions": [{"type": "Ready", "status": "Perhaps", "reason": "Who"}]}
    answer = apply_status(kubectl, "proconsul-operator-status", lying)
    assert answer.code != 0
    assert "Perhaps" in answer.error


def test_a_status_is_not_changed_with_the_spec(kubectl: Kubectl) -> None:
    kubectl.create(DISK)
    kubectl.do("patch", "pcc", "c", "--type=merge", "-p", '{"status": {"phase": "Dreaming"}}')
    assert kubectl.get("pcc", "c").get("status", {}) == {}


def test_explain_tells_what_a_field_is(kubectl: Kubectl) -> None:
    assert "Only ever grows" in kubectl.do("explain", "pcc.spec.storage.size")
    assert "workload" in kubectl.do("explain", "pcs.spec.destination.s3.credentialsSecretRef")
