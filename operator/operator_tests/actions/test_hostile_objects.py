"""Objects with surprising content: one bad thing is told of, and stops nothing beside it."""

import asyncio
import json
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import pytest

from operator_tests.charts.test_scripts import serving
from operator_tests.plans.records import record
from operator_tests.plans.stories import RESTORE_UID
from operator_tests.specs.clusters import wanted
from proconsul_operator.actions.job_orders import result_of
from proconsul_operator.actions.job_pods import Images, JobPod, job, job_rights
from proconsul_operator.actions.kube import BusyError, KubeGateway
from proconsul_operator.actions.observing import _restores, read_all
from proconsul_operator.actions.reading import recovery_of, secret_text
from proconsul_operator.actions.records import RESULT, job_of_record
from proconsul_operator.api.cluster import ClusterSpec, ProconsulCluster
from proconsul_operator.api.group import RESTORE_LOCK
from proconsul_operator.api.places import Destination, Pvc
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import Metadata, plain


class Pages(BaseHTTPRequestHandler):
    """A list of two pages, of which the second has expired."""

    def do_GET(self) -> None:
        """See above."""
        gone = "continue=" in self.path
        body: dict[str, Any] = {"items": [{"metadata": {"name": "a"}}]}
        body["metadata"] = {"continue": "more"}
        if gone:
            body = {"kind": "Status", "message": "too old", "reason": "Expired", "code": 410}
        content = json.dumps(body).encode()
        self.send_response(410 if gone else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


def test_a_list_that_expires_while_it_is_read_is_not_an_empty_one(tmp_path: Path) -> None:
    async def act(port: int) -> None:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (tmp_path / "config").write_text(json.dumps(config))
        gateway = await KubeGateway.open(str(tmp_path / "config"), lambda _: None)
        try:
            with pytest.raises(BusyError):
                await gateway.list("Pod", "n")
        finally:
            await gateway.close()

    with serving(Pages) as port:
        asyncio.run(act(port))


def body_of(name: str, **spec: Any) -> dict[str, Any]:
    """A snapshot as it is stored."""
    made: dict[str, Any] = plain(record(name))
    made["metadata"]["namespace"] = "n"
    made["spec"] |= spec
    return made


def test_a_record_of_another_version_does_not_stop_the_clusters_beside_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bodies = [body_of("a"), body_of("b", verify="Twice"), body_of("c")]
    found = read_all(ProconsulSnapshot, bodies)
    assert [each.metadata.name for each in found] == ["a", "c"]
    assert "n/b" in caplog.text


def test_the_restore_that_owns_a_cluster_is_not_overlooked_because_it_cannot_be_read() -> None:
    body = {"metadata": {"name": "r", "namespace": "n", "uid": RESTORE_UID}, "spec": {"mode": "?"}}
    free = ProconsulCluster(metadata=Metadata(name="c"), spec=ClusterSpec())
    assert _restores([body], free) == ()
    owned = Metadata(name="c", annotations={RESTORE_LOCK: RESTORE_UID})
    with pytest.raises(msgspec.ValidationError):
        _restores([body], msgspec.structs.replace(free, metadata=owned))


@pytest.mark.parametrize(
    "result",
    [{"startedAt": 5}, {"error": "x"}, {"index": "many"}, {"completedAt": "noon"}, {"index": -1}],
)
def test_a_result_that_somebody_wrote_into_a_record_is_a_failure_and_no_crash(
    result: dict[str, Any],
) -> None:
    held = record("a")
    meta = msgspec.structs.replace(held.metadata, annotations={RESULT: json.dumps(result)})
    job_seen = job_of_record(msgspec.structs.replace(held, metadata=meta))
    assert job_seen is not None
    assert job_seen.succeeded is False
    assert job_seen.result is not None
    assert job_seen.result["error"]["reason"] == "ResultBroken"


def test_a_result_of_ours_is_taken_as_it_is() -> None:
    text = '{"index":3,"completedAt":"2026-01-02T03:04:05Z","verified":true,"sha256":"ab"}'
    assert result_of(text) == json.loads(text)


@pytest.mark.parametrize("order", ["", "{", "[]", '{"epoch": "x"}', '{"mode": "Reform"}'])
def test_an_order_that_somebody_spoilt_is_none(order: str) -> None:
    body = {"metadata": {"resourceVersion": "1"}, "data": {"recovery.json": order}}
    assert recovery_of(body) is None


def test_a_secret_of_bytes_is_some_text() -> None:
    assert secret_text({"data": {"token": "//79"}}, "token")


def test_what_is_made_for_a_cluster_that_is_gone_has_no_owner() -> None:
    """An owner without a UID is refused: a record's archive could never be removed."""
    gone = replace(wanted(), uid="")
    place = Destination(pvc=Pvc(claim_name="b"))
    pod = JobPod(program="restore", order={}, place=place, run="r")
    made = [job(gone, "x", pod, Images(operator="o", server="s")), *job_rights(gone)]
    assert [each["metadata"].get("ownerReferences") for each in made] == [None] * len(made)
