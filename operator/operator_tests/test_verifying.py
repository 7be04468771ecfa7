"""The whole operator, a real API server, and the Job's real program: a snapshot that went bad.

The test is the Job's controller and the kubelet: it runs the program with the order that stands in
the Job, on a folder in the place of the claim, and passes its words on.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from operator_tests.actions.archives import keys, members, state, write
from operator_tests.bench import CLUSTER, Bench
from proconsul_operator.actions.archive import sha256_of
from proconsul_operator.actions.job_orders import ORDER, RUN
from proconsul_operator.actions.records import record
from proconsul_operator.api.group import API_VERSION
from proconsul_operator.api.places import Destination, Pvc
from proconsul_operator.api.values import time_text
from proconsul_operator.specs.labels import VERIFIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

PLACE = Destination(pvc=Pvc(claim_name="backups"))
HOUR_S = 3600.0
NIGHTLY = {
    "apiVersion": API_VERSION,
    "kind": "ProconsulSnapshotSchedule",
    "spec": {
        "clusterRef": {"name": "c"},
        "schedule": "0 2 * * *",
        "template": {"destination": {"pvc": {"claimName": "backups"}}},
        "verifyInterval": "30m",
    },
}


def taken(bench: Bench, run: str, hours_ago: float) -> tuple[str, Path]:
    """A snapshot of the schedule: its record's name, and the file."""
    file = bench.folder / "volume" / f"{run}.snap"
    file.parent.mkdir(exist_ok=True)
    write(file, members(state(*keys(3))))
    when = time_text(time.time() - hours_ago * HOUR_S)
    result = {
        "index": 7, "verified": True, "startedAt": when, "completedAt": when,
        "sha256": sha256_of(file), "sizeBytes": file.stat().st_size,
        "location": f"pvc://backups/{file.name}",
    }  # fmt: skip
    made = record(
        namespace=bench.namespace, cluster="c", schedule="nightly", run=run, verify="Archive",
        destination=PLACE, consistency="Leader", result=result,
    )  # fmt: skip
    bench.call(lambda gateway: gateway.create_if_absent(made, to_apply=False))
    return str(made["metadata"]["name"]), file


def job_for(bench: Bench, name: str) -> Any:
    """The Job that looks at this record, once it is there."""
    uid = bench.get("ProconsulSnapshot", name)["metadata"]["uid"]

    def look() -> Any:
        found = bench.call(
            lambda gateway: gateway.list("Job", bench.namespace, f"{VERIFIES}={uid}")
        )
        return found[0] if found else None

    return bench.until(look, f"a Job looks at {name}")


def run_job(bench: Bench, job: Any) -> int:
    """As a kubelet and the Job's controller do; the program's exit code."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    order = next(each["value"] for each in container["env"] if each["name"] == ORDER)
    (bench.folder / "work").mkdir(exist_ok=True)
    said = bench.folder / "said"
    environment = {
        **os.environ, ORDER: order, RUN: "1",
        "PROCONSUL_WORK": str(bench.folder / "work"),
        "PROCONSUL_VOLUME": str(bench.folder / "volume"),
        "PROCONSUL_TERMINATION_LOG": str(said),
    }  # fmt: skip
    command = [sys.executable, "-m", "proconsul_operator.cli", *container["args"]]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=100)
    name = job["metadata"]["name"]
    labels = {
        **job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": name,
    }  # fmt: skip
    spec = {"containers": [{"name": "job", "image": "operator:1"}], "restartPolicy": "Never"}
    bench.make({"apiVersion": "v1", "kind": "Pod", "spec": spec}, name, labels=labels)
    ended = {"exitCode": done.returncode, "message": said.read_text()}
    container_status = {
        "name": "job", "image": "operator:1", "imageID": "", "ready": False, "restartCount": 0,
        "state": {"terminated": ended},
    }  # fmt: skip
    status: dict[str, Any] = {"phase": "Succeeded", "containerStatuses": [container_status]}
    bench.patch_status("Pod", name, status)
    now = time_text(time.time())
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": now, "lastProbeTime": now}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    bench.patch_status("Job", name, {"startTime": now})
    status = {"completionTime": now, "succeeded": 1, "conditions": conditions}
    bench.patch_status("Job", name, {**status, "uncountedTerminatedPods": {}})
    return done.returncode


def condition(bench: Bench, kind: str, name: str, of: str) -> tuple[str, str]:
    """Status and reason, ("", "") for none yet."""
    body = bench.get(kind, name) or {}
    held = body.get("status", {}).get("conditions", ())
    return next(((c["status"], c["reason"]) for c in held if c["type"] == of), ("", ""))


def backup(bench: Bench) -> tuple[str, str]:
    """Of the cluster."""
    return condition(bench, "ProconsulCluster", "c", "BackupReady")


def test_a_snapshot_that_went_bad_is_told_and_the_next_good_one_makes_it_well(
    bench: Bench,
) -> None:
    bench.make(CLUSTER, "c")
    bench.make(NIGHTLY, "nightly")
    bad, file = taken(bench, "first", hours_ago=3)
    spoiled = bytearray(file.read_bytes())
    spoiled[40] ^= 0xFF
    file.write_bytes(spoiled)
    bench.start()
    bench.until(lambda: backup(bench) == ("True", "Recent"), "nobody knows of it yet")
    job = job_for(bench, bad)
    assert job["spec"]["ttlSecondsAfterFinished"] < 86400
    assert run_job(bench, job) == 0, "it knows the answer"

    found = ("False", "ArchiveBroken")
    bench.until(
        lambda: condition(bench, "ProconsulSnapshot", bad, "Verified") == found,
        "the record is no longer verified",
    )
    bench.until(lambda: backup(bench) == ("False", "NotVerified"), "the cluster has no good backup")
    events = [
        each
        for each in bench.call(lambda gateway: gateway.list("Event", bench.namespace))
        if each["reason"] == "SnapshotVerificationFailed"
    ]
    assert [each["type"] for each in events] == ["Warning"]
    assert bad in json.dumps(events[0])

    good, _ = taken(bench, "second", hours_ago=1)
    bench.until(lambda: backup(bench) == ("True", "Recent"), "a good one was taken")
    before = bench.get("ProconsulSnapshot", good)["status"]["verifiedAt"]
    assert run_job(bench, job_for(bench, good)) == 0
    bench.until(
        lambda: bench.get("ProconsulSnapshot", good)["status"]["verifiedAt"] > before,
        "it is as it was",
    )
    assert condition(bench, "ProconsulSnapshot", good, "Verified") == ("True", "Completed")
    assert backup(bench) == ("True", "Recent")
    assert bench.end() == 0
