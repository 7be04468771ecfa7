"""Snapshots by the clock: the chart's CronJob is the operator's; in mode operator a schedule."""

import json
from typing import Any

import msgspec
import pytest

from operator_tests.api.kubernetes_rules import broken_rules, filled, type_errors
from operator_tests.charts.cases import names_of, values_of
from operator_tests.charts.helm import SERVERS, Manifest, only, render
from operator_tests.charts.test_golden import as_wanted
from operator_tests.test_manifests import unknown
from proconsul_operator.actions.job_acts import snapshot_pod
from proconsul_operator.actions.job_orders import SnapshotOrder
from proconsul_operator.actions.job_pods import Images, cron_job
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.schema import KINDS, root_schema
from proconsul_operator.api.values import read

CASES = [case for case in names_of(SERVERS) if values_of(SERVERS, case).get("snapshot")]
IMAGES = Images(
    operator="ghcr.io/proconsul/proconsul-operator:0.1.0",
    server="ghcr.io/proconsul/proconsul:0.1.0",
)
SCHEMA = next(root_schema(kind) for kind in KINDS if kind.name == "ProconsulSnapshotSchedule")


def pod_of(cron: Manifest) -> tuple[Manifest, Any]:
    """The pod of a CronJob, and its order, which is taken out of it."""
    pod = json.loads(json.dumps(cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]))
    environment = pod["containers"][0]["env"]
    order = next(each for each in environment if each["name"] == "PROCONSUL_ORDER")
    environment.remove(order)
    for each in (pod.get("volumes"), environment, pod["containers"][0]["volumeMounts"]):
        each.sort(key=lambda one: one["name"])
    return pod, msgspec.json.decode(order["value"], type=SnapshotOrder)


def schedule_of(helm: str, case: str) -> Manifest:
    objects = render(helm, SERVERS, {**values_of(SERVERS, case), "mode": "operator"})
    return only(objects, "ProconsulSnapshotSchedule")


@pytest.mark.parametrize("case", CASES)
def test_the_chart_and_the_operator_run_the_same_pod(helm: str, case: str) -> None:
    values = values_of(SERVERS, case)
    chart = only(render(helm, SERVERS, values), "CronJob")
    spec = read(ProconsulSnapshotSchedule, schedule_of(helm, case)).spec
    wanted = as_wanted(helm, {key: each for key, each in values.items() if key != "snapshot"})
    asked = snapshot_pod(wanted, spec.template, run="", retention=spec.retention)
    operator = cron_job(wanted, chart["metadata"]["name"], asked, IMAGES, timing={})
    pods = pod_of(chart), pod_of(operator)
    assert pods[0] == pods[1]
    for limit in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        jobs = [each["spec"]["jobTemplate"]["spec"][limit] for each in (chart, operator)]
        assert jobs[0] == jobs[1], limit


@pytest.mark.parametrize("case", CASES)
def test_in_mode_operator_it_is_a_schedule_that_kubernetes_takes(helm: str, case: str) -> None:
    body = schedule_of(helm, case)
    assert unknown(SCHEMA, {**body, "metadata": {}}) == []
    stored = filled(SCHEMA, body)
    assert type_errors(SCHEMA, stored) == []
    assert list(broken_rules(SCHEMA, stored)) == []
    objects = render(helm, SERVERS, {**values_of(SERVERS, case), "mode": "operator"})
    assert "CronJob" not in {each["kind"] for each in objects}


def test_there_is_none_unless_it_is_asked_for(helm: str) -> None:
    assert "CronJob" not in {each["kind"] for each in render(helm, SERVERS)}


def test_without_a_rule_everything_is_kept(helm: str) -> None:
    chart = only(render(helm, SERVERS, values_of(SERVERS, "snapshot-volume")), "CronJob")
    assert pod_of(chart)[1].retention is None
