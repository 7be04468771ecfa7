"""The record of a snapshot that a schedule took: made by its Job, or later by the operator.

Both make it from the Job's result and under the same name, so there is one. The result stands in an
annotation, as a status cannot be created together with its object: who reads the record in between
knows that the snapshot is taken, and does not take another.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from proconsul_operator.actions.job_orders import result_of
from proconsul_operator.actions.snapshot_names import RUN_LENGTH
from proconsul_operator.api.group import API_VERSION
from proconsul_operator.api.places import Destination
from proconsul_operator.api.snapshot import Consistency, ProconsulSnapshot, Verify
from proconsul_operator.api.values import plain, unix_s
from proconsul_operator.plans.observe import Job
from proconsul_operator.specs.labels import CLUSTER, SCHEDULE
from proconsul_operator.specs.names import head
from proconsul_operator.specs.wanted import Manifest

RESULT: Final = "proconsul.io/result"


def record(
    *,
    namespace: str,
    cluster: str,
    schedule: str,
    destination: Destination,
    verify: Verify,
    consistency: Consistency,
    run: str,
    result: Mapping[str, Any],
) -> Manifest:
    """`run` is the Job's UID."""
    mark = hashlib.sha256(run.encode()).hexdigest()[:RUN_LENGTH]
    return {
        "apiVersion": API_VERSION,
        "kind": "ProconsulSnapshot",
        "metadata": {
            "name": f"{head(schedule)}-{mark}",
            "namespace": namespace,
            "labels": {CLUSTER: cluster, SCHEDULE: schedule},
            "annotations": {RESULT: json.dumps(result, sort_keys=True)},
        },
        "spec": {
            "clusterRef": {"name": cluster},
            "destination": plain(destination),
            "verify": verify,
            "consistency": consistency,
        },
    }


def job_of_record(snapshot: ProconsulSnapshot) -> Job | None:
    """The Job that took it, as its annotation tells; None for a record that asks for a snapshot."""
    result = result_of(snapshot.metadata.annotations.get(RESULT, ""))
    if result is None:
        return None
    started, ended = result.get("startedAt"), result.get("completedAt")
    made_s = unix_s(snapshot.metadata.creation_timestamp or "1970-01-01T00:00:00Z")
    return Job(
        name=snapshot.metadata.name,
        uid="",
        succeeded="error" not in result,
        started_s=unix_s(started) if started else made_s,
        ended_s=unix_s(ended) if ended else made_s,
        attempts=1,
        result=result,
        message=result.get("error", {}).get("message", ""),
    )
