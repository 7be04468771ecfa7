"""What the chart grants the operator is what it asks for: no call without a right, none spare.

The operator runs as its ServiceAccount, with the rules of `manifests/operator`, through the life of
clusters, snapshots, schedules and restores; acts that need servers are carried out one by one. What
the API server wrote into its audit log is then compared with the rules (e2e/audit.py).
"""

import asyncio
import contextlib
import json
import time
from typing import Any

import pytest
import yaml

from e2e.audit import Calls, Comparison, Right, calls_by, compare, events, rights_of
from operator_tests.bare_kubernetes import MANIFESTS
from operator_tests.bench import Bench
from proconsul_operator.actions import consul
from proconsul_operator.actions.acting import _ACTS, Actor, StaleError
from proconsul_operator.actions.consul import ConsulError
from proconsul_operator.actions.facts import Facts
from proconsul_operator.actions.job_acts import JobActs
from proconsul_operator.actions.job_main import _record
from proconsul_operator.actions.job_orders import SnapshotOrder
from proconsul_operator.actions.job_pods import Images, job_rights
from proconsul_operator.actions.kube import KubeError, KubeGateway
from proconsul_operator.actions.memory import Memory
from proconsul_operator.actions.observing import Observer, View, wanted_of
from proconsul_operator.actions.records import record
from proconsul_operator.api.cluster import ClusterSpec, ProconsulCluster
from proconsul_operator.api.group import API_VERSION, GROUP
from proconsul_operator.api.places import Destination
from proconsul_operator.api.values import Metadata, read
from proconsul_operator.plans import actions as a
from server_tests.loopback import address

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNT = "proconsul-operator"
PLACE = {"pvc": {"claimName": "backups"}}
STORED = {"pvc": {"claimName": "backups", "path": "a.snap"}}
NAMED_SERVERS_ONLY = {
    a.TransferLeader, a.Recommission, a.RemovePeer, a.KeyringInstall, a.KeyringUse,
    a.KeyringRemove, a.BootstrapAcl,
}  # fmt: skip
"""Acts that call servers, and the API server for nothing but what others ask it, too."""
WITH_THE_PROCESS = {
    a.Apply, a.IssueAuthority, a.IssueCertificate, a.StartJob, a.RecordRestore, a.Lock,
    a.SetFinalizer, a.DeleteObject, a.DeleteVolume,
}  # fmt: skip
"""Acts that the story of the process passes through."""
ADMISSION = frozenset(
    Right(GROUP, f"{plural}/finalizers", "update")
    for plural in ("proconsulclusters", "proconsulsnapshotschedules")
)
"""What an admission plugin of strict clusters asks for where an owner reference blocks a deletion:
it is no call. `test_without_it_...` shows that it is needed."""


class Rights:
    """The operator's account in a bench, with the rules of the manifests."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        space = bench.namespace
        self.user = f"system:serviceaccount:{space}:{ACCOUNT}"
        self.rules = _rules("clusterrole-proconsul-operator")
        self.lease_rules = _rules("role-proconsul-operator-lease")
        post = bench.kubernetes.call
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
        path = f"/api/v1/namespaces/{space}/serviceaccounts"
        post("POST", path, body)
        bench.kubeconfig = bench.kubernetes.as_user(
            bench.token(ACCOUNT), bench.folder / "as-operator"
        )
        roles = f"{RBAC}/namespaces/{space}/roles"
        post("POST", f"{RBAC}/clusterroles", _role("ClusterRole", space, self.rules))
        post("POST", roles, _role("Role", space, self.lease_rules))
        post("POST", f"{RBAC}/clusterrolebindings", self._binding("ClusterRole"))
        post("POST", f"{RBAC}/namespaces/{space}/rolebindings", self._binding("Role"))

    def _binding(self, kind: str) -> dict[str, Any]:
        space = self.bench.namespace
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": space}
        group = "rbac.authorization.k8s.io"
        return {
            "apiVersion": f"{group}/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": space},
            "roleRef": {"apiGroup": group, "kind": kind, "name": space},
            "subjects": [subject],
        }

    def calls(self) -> Calls:
        """What it did, by the API server's account."""
        log = self.bench.kubernetes.audit
        assert log is not None
        return calls_by(self.user, events(log.read_text().splitlines()))

    def comparison(self) -> Comparison:
        """With all that is granted."""
        roles = self.bench.call(lambda gateway: gateway.list("Role", self.bench.namespace))
        owned = [each for each in roles if each["metadata"].get("ownerReferences")]
        passed_on = frozenset(rights_of(rule for each in owned for rule in each["rules"]))
        granted = rights_of([*self.rules, *self.lease_rules])
        return compare(self.calls(), granted, passed_on=passed_on | ADMISSION)


def _rules(name: str) -> list[dict[str, Any]]:
    body = yaml.safe_load((MANIFESTS / "operator" / f"{name}.yaml").read_text())
    found: list[dict[str, Any]] = body["rules"]
    return found


def _role(kind: str, name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    api = "rbac.authorization.k8s.io/v1"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "rules": rules}


@pytest.fixture
def rights(bench: Bench) -> Rights:
    """In a cluster that serves cert-manager's and Prometheus' kinds as well."""
    if bench.kubernetes.audit is None:
        pytest.skip("somebody else's API server: where it writes its audit log is not known")
    for group, kind, plural in (
        ("cert-manager.io", "Certificate", "certificates"),
        ("monitoring.coreos.com", "ServiceMonitor", "servicemonitors"),
        ("monitoring.coreos.com", "PrometheusRule", "prometheusrules"),
    ):
        bench.kubernetes.define(group, kind, plural)
    return Rights(bench)


def kind(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """An object of ours."""
    return {"apiVersion": API_VERSION, "kind": name, "spec": spec}


def test_every_act_is_tried_and_none_is_named_twice() -> None:
    tried = {type(act) for act in _acts_of(None)}
    assert tried | NAMED_SERVERS_ONLY | WITH_THE_PROCESS == set(_ACTS)


def test_calls_made_are_the_rights_that_are_granted(bench: Bench, rights: Rights) -> None:
    _life(bench)
    asyncio.run(_carry_out(bench))
    _end(bench)
    found = rights.comparison()
    assert found.missing == ()
    assert found.spare == ()


def _life(bench: Bench) -> None:
    """Clusters, records and restores are made, and the operator works on them."""
    storage = {"size": "1Gi", "onDelete": "Delete"}
    monitoring = ("serviceMonitor", "prometheusRule", "dashboards")
    spec = {
        "storage": storage, "gossip": {}, "tls": {}, "acl": {"enabled": True},
        "monitoring": dict.fromkeys(monitoring, True),
    }  # fmt: skip
    bench.make(kind("ProconsulCluster", spec), "c")
    issued = {"storage": {"size": "1Gi"}, "tls": {"issuerRef": {"name": "ca"}}}
    bench.make(kind("ProconsulCluster", issued), "issued")
    _member(bench)
    ref = {"clusterRef": {"name": "c"}}
    bench.make(kind("ProconsulSnapshot", {**ref, "destination": PLACE}), "one")
    nightly = {**ref, "schedule": "@daily", "template": {"destination": PLACE}}
    bench.make(kind("ProconsulSnapshotSchedule", nightly), "nightly")
    bench.call(lambda gateway: gateway.create_if_absent(_old_snapshot(bench.namespace)))
    clone = {
        "mode": "NewCluster", "clusterRef": {"name": "clone"}, "location": STORED,
        "newCluster": {"replicas": 1},
    }  # fmt: skip
    bench.make(kind("ProconsulRestore", clone), "clone")
    bench.start()
    bench.until(lambda: {"c", "clone"} <= bench.names("StatefulSet"), "clusters are made")
    bench.until(lambda: "nightly" in bench.names("CronJob"), "the schedule is there")
    bench.until(lambda: any(n.startswith("one-") for n in bench.names("Job")), "it has a Job")
    bench.until(lambda: any("-v" in n for n in bench.names("Job")), "an old one is looked at")
    bench.until(lambda: "issued-tls" in bench.names("Certificate"), "cert-manager is asked")

    less = {
        "monitoring": dict.fromkeys(monitoring, False), "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False}, "service": {"staleService": False},
    }  # fmt: skip
    bench.patch("ProconsulCluster", "c", {"spec": less})
    bench.patch("ProconsulCluster", "issued", {"spec": {"tls": {"enabled": False}}})
    bench.until(
        lambda: (
            not any(
                bench.names(kind) for kind in ("ServiceMonitor", "PrometheusRule", "Certificate")
            )
        ),
        "they are dropped",
    )
    bench.until(lambda: "c" not in bench.names("PodDisruptionBudget"), "so is the budget")
    bench.until(lambda: "c-dashboards" not in bench.names("ConfigMap"), "so is the dashboard")
    in_place = {**ref, "mode": "InPlace", "location": STORED, "acknowledgeDataLoss": "c"}
    bench.make(kind("ProconsulRestore", in_place), "again")
    bench.until(lambda: any("check" in name for name in bench.names("Job")), "it is checked")


def _old_snapshot(namespace: str) -> dict[str, Any]:
    """One of the schedule's that nobody has looked at for long."""
    result = {
        "index": 7, "verified": True, "completedAt": "2026-01-02T03:04:05Z",
        "location": "pvc://backups/a.snap",
    }  # fmt: skip
    return record(
        namespace=namespace, cluster="c", schedule="nightly", run="1", verify="Archive",
        destination=read(Destination, PLACE), consistency="Leader", result=result,
    )  # fmt: skip


def _member(bench: Bench) -> None:
    """A pod and its claim, as a StatefulSet's controller leaves them; nobody answers there."""
    members = {
        "app.kubernetes.io/name": "proconsul", "app.kubernetes.io/instance": "c",
        "app.kubernetes.io/component": "server", "proconsul.io/cluster": "c",
    }  # fmt: skip
    resources = {"requests": {"storage": "1Gi"}}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": resources, "storageClassName": "fast",
        },
    }  # fmt: skip
    bench.make(claim, "data-c-0", labels=members)
    containers = [{"name": "server", "image": "server:1"}]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers, "nodeName": "n1"}}
    bench.make(pod, "c-0", labels=members)
    bench.make(pod, "c-1", labels=members)
    for name in ("c-0", "c-1"):
        where = address(199)
        status = {"phase": "Running", "podIP": where, "podIPs": [{"ip": where}]}
        bench.patch_status("Pod", name, status)


def _acts_of(view: View | None) -> list[a.Action]:
    """Acts for which servers would have to be in a certain way, on what is there."""
    claim: dict[str, str] = {"name": "data-c-0", "uid": "", "resource_version": ""}
    pod, guard, secret, cluster_set = ("",) * 4
    status: dict[str, Any] = {}
    if view is not None:
        volume = view.observed.volumes[0]
        claim |= {"uid": volume.uid, "resource_version": ""}
        pod = view.observed.pods[1].uid
        status = {"recovery_epoch": 0}
        cluster_set = view.observed.stateful_set.uid if view.observed.stateful_set else ""
    record = kind("ProconsulSnapshot", {"clusterRef": {"name": "c"}, "destination": PLACE})
    space = "" if view is None else view.observed.cluster.metadata.namespace
    record |= {"metadata": {"name": "made", "namespace": space}}
    source = {"location": STORED}
    return [
        a.CreateIfAbsent(manifests=(record,)),
        a.LabelVolume(**claim, left="x"),
        a.ResizeVolume(**claim, size="2Gi"),
        a.SetReplicas(uid=cluster_set, resource_version="", replicas=1),
        a.Decommission(pod="c-1", pod_uid=pod, id="x"),
        a.DeletePod(name="c-1", uid=pod, resource_version=""),
        a.PutSnapshot(name="put", restore_uid="r", source=source),
        a.ResetGuard(cluster_id="x", resource_version=guard),
        a.StoreGossipKeys(keys=("a", "b"), resource_version=secret),
        a.RotateAuthority(secret="c-ca", resource_version=secret),
        a.TrustAuthorities(
            secret="c-tls", authority="c-ca", authorities=(), resource_version=secret
        ),
        a.ForgetAuthority(secret="c-ca", resource_version=secret),
        a.RecordStatus(fields=status),
        a.OrphanStatefulSet(uid=cluster_set, resource_version=""),
    ]


async def _carry_out(bench: Bench) -> None:
    """As the operator's account, in its own code, on what its own look finds."""
    gateway = await KubeGateway.open(str(bench.kubeconfig), lambda _: None)
    memory = Memory()
    images = Images(operator="operator:1", server="server:1")
    async with consul.session() as session:
        observer = Observer(
            gateway=gateway, session=session, memory=memory, version="1.0.0", now_s=time.time,
            facts=Facts(gateway=gateway, memory=memory, now_s=time.time),
        )  # fmt: skip
        jobs = JobActs(gateway=gateway, images=images)
        actor = Actor(gateway=gateway, memory=memory, jobs=jobs)
        view = await observer.look((bench.namespace, "c"))
        assert view is not None
        for action in _acts_of(view):
            # What a server refuses, or the operator did in between, is no matter of rights; what
            # the API server forbids is in its log.
            with contextlib.suppress(StaleError, KubeError, ConsulError):
                await actor.carry_out(view, action)
        found = await gateway.get("ProconsulSnapshot", bench.namespace, "made")
        assert found is not None
        dropped = a.DeleteObject(
            kind="ProconsulSnapshot", name="made", uid=found["metadata"]["uid"]
        )
        await actor.carry_out(view, dropped)
    await gateway.close()


def _end(bench: Bench) -> None:
    """The cluster goes, with its volumes and what is kept with them; then the operator."""
    space = bench.namespace
    root = f"/apis/{API_VERSION}/namespaces/{space}"
    bench.kubernetes.call("DELETE", f"{root}/proconsulrestores/again")
    bench.kubernetes.call("DELETE", f"{root}/proconsulclusters/c")
    # It was orphaned: the garbage collector, of which there is none, ends that.
    orphaned = f"/apis/apps/v1/namespaces/{space}/statefulsets/c"
    bare = {"metadata": {"finalizers": None}}
    bench.kubernetes.call("PATCH", orphaned, bare, "merge-patch+json")
    bench.until(lambda: bench.get("StatefulSet", "c") is None, "the set goes")
    for name in ("c-0", "c-1"):
        path = f"/api/v1/namespaces/{space}/pods/{name}"
        bench.kubernetes.call("DELETE", path, {"gracePeriodSeconds": 0})
    bench.until(lambda: bench.get("ProconsulCluster", "c") is None, "nothing is left of it")
    assert bench.end() == 0


def test_a_snapshot_job_makes_its_record_with_the_rights_that_it_has(bench: Bench) -> None:
    if bench.kubernetes.audit is None:
        pytest.skip("somebody else's API server: where it writes its audit log is not known")
    owner = Metadata(
        name="c", namespace=bench.namespace, uid="0c9c0b3e-0f0a-4c8e-9d1b-2a3c4d5e6f70"
    )
    spec = read(ClusterSpec, {"storage": {"size": "1Gi"}})
    made = job_rights(wanted_of(ProconsulCluster(metadata=owner, spec=spec), "1.0.0"))
    bench.call(lambda gateway: asyncio.gather(*map(gateway.apply, made)))
    token = bench.token("c-snapshot")
    kubeconfig = bench.kubernetes.as_user(token, bench.folder / "as-job")
    order = SnapshotOrder(
        cluster="c", namespace=bench.namespace, url="http://c:8500", schedule="nightly",
        destination=read(Destination, PLACE),
    )  # fmt: skip
    result = {"index": 7, "verified": True, "completedAt": "2026-01-02T03:04:05Z"}
    asyncio.run(_record(order, "run", result, str(kubeconfig)))
    (name,) = bench.names("ProconsulSnapshot")
    assert bench.get("ProconsulSnapshot", name)["status"]["index"] == 7
    (role,) = (each for each in made if each["kind"] == "Role")
    log = bench.kubernetes.audit.read_text().splitlines()
    calls = calls_by(f"system:serviceaccount:{bench.namespace}:c-snapshot", events(log))
    assert compare(calls, rights_of(role["rules"])) == Comparison(missing=(), spare=())


def test_without_it_a_strict_cluster_refuses_what_has_an_owner(
    bench: Bench, rights: Rights
) -> None:
    """The rights that no call shows are needed all the same."""
    held = [
        each for each in rights.rules if "proconsulclusters/finalizers" not in each["resources"]
    ]
    assert held != rights.rules
    path = f"{RBAC}/clusterroles/{bench.namespace}"
    bench.kubernetes.call("PATCH", path, {"rules": held}, "merge-patch+json")
    bench.make(kind("ProconsulCluster", {"storage": {"size": "1Gi"}}), "c")
    bench.start()
    refused = "blockOwnerDeletion"
    bench.until(lambda: refused in json.dumps(rights.calls().refused), "a child is refused")
