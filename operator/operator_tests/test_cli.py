"""The whole operator as a process, against a real API server and real servers."""

import json
from typing import Any

import pytest

from operator_tests.bench import CLUSTER, Bench
from proconsul_operator.actions.cycles import KILLED
from proconsul_operator.actions.kube import Identity
from proconsul_operator.actions.records import record
from proconsul_operator.api.group import API_VERSION
from proconsul_operator.api.places import Destination, Pvc
from proconsul_operator.api.values import unix_s
from server_tests.process import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def test_a_cluster_is_made_watched_mended_and_told_of(
    bench: Bench, servers: dict[str, ServerProcess]
) -> None:
    bench.start()
    bench.make(CLUSTER, "c")
    bench.until(lambda: bench.get("StatefulSet", "c"), "the StatefulSet is made")
    assert {"c", "c-headless", "c-leader", "c-stale"} <= bench.names("Service")
    guard = bench.get("ConfigMap", "c-bootstrap")
    assert guard["data"]["bootstrapped"] == "false"

    bench.run_pods(servers)
    bench.until(lambda: bench.status().get("leader"), "a leader is seen")
    bench.until(lambda: bench.condition("Quorate") == "True", "it is quorate")
    assert bench.status()["voters"] == 3
    bench.until(lambda: "Bootstrapped" in bench.reasons(), "it is told")

    leader = bench.status()["leader"]
    servers[leader].kill()
    after = bench.until(
        lambda: bench.status()["leader"] not in ("", leader) and bench.status()["leader"],
        "another leads",
    )
    history = bench.status()["leadership"]
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
    bench.make({**CLUSTER, "spec": {**CLUSTER["spec"], "gossip": {}, "tls": {}}}, "c")
    kept: dict[str, Any] = {}
    for step in (
        "MakeSecrets",
        "MakeAuthority",
        "MakeCertificate",
        "MakeGuard",
        "MakeConfig",
        "ApplyChildren",
    ):
        bench.start(f"after-{step}=exit")
        assert bench.process is not None
        assert bench.process.wait(240) == KILLED, bench.log().read_text()
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


def test_metrics_tell_of_the_cluster_and_of_its_newest_snapshot(
    bench: Bench, servers: dict[str, ServerProcess]
) -> None:
    bench.make(CLUSTER, "c")
    bench.start()
    bench.until(lambda: bench.get("StatefulSet", "c"), "the StatefulSet is made")
    where = f'{{name="c",namespace="{bench.namespace}"}}'
    gauge = f"proconsul_operator_cluster_last_snapshot_timestamp_seconds{where}"
    assert gauge not in bench.metrics()
    bench.run_pods(servers)
    quorate = f"proconsul_operator_cluster_quorate{where} 1.0"
    bench.until(lambda: quorate in bench.metrics(), "it is quorate by /metrics")

    taken = record(
        namespace=bench.namespace, cluster="c", schedule="nightly", run="1", verify="Archive",
        destination=Destination(pvc=Pvc(claim_name="backups")), consistency="Leader",
        result={"index": 7, "verified": True, "completedAt": "2026-01-02T03:04:05Z"},
    )  # fmt: skip
    bench.call(lambda gateway: gateway.create_if_absent(taken))
    value = f"{gauge} {unix_s('2026-01-02T03:04:05Z')}"
    bench.until(lambda: value in _plain(bench.metrics()), "the time of the snapshot is told")
    assert bench.status()["lastSnapshot"]["index"] == 7
    assert 'proconsul_operator_api_requests_total{code="201",resource="statefulsets"' in (
        bench.metrics()
    )

    bench.start(name="op2")
    bench.until(lambda: "proconsul_operator_leader 0.0" in bench.metrics(), "the other one waits")
    assert gauge not in bench.metrics()


def _plain(text: str) -> str:
    """Figures as Python writes them."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return "\n".join(f"{name} {float(value)}" for name, _, value in lines)
