"""Jobs as manifests: valid to Kubernetes, under Pod Security `restricted`, and no more."""

import json
from typing import Any

import kubernetes_validate
import pytest

from operator_tests.pod_security import pods_of, violations
from operator_tests.specs.clusters import wanted as cluster
from proconsul_operator.actions.job_acts import snapshot_pod
from proconsul_operator.actions.job_orders import ORDER, SnapshotOrder
from proconsul_operator.actions.job_pods import Images, job, job_rights
from proconsul_operator.api.places import (
    Destination,
    Http,
    Pvc,
    S3Destination,
    SecretKeyRef,
    SecretRef,
)
from proconsul_operator.api.schedule import SnapshotTemplate
from proconsul_operator.api.values import read

IMAGES = Images(operator="operator:1", server="server:1")
S3 = S3Destination(
    bucket="backups",
    credentials_secret_ref=SecretRef(name="keys"),
    ca_secret_ref=SecretKeyRef(name="ca", key="x.crt"),
)
PLACES = {
    "s3": Destination(s3=S3),
    "identity": Destination(s3=S3Destination(bucket="backups")),
    "pvc": Destination(pvc=Pvc(claim_name="backups")),
    "http": Destination(
        http=Http(url="https://x/y", authorization_secret_ref=SecretKeyRef(name="a", key="b"))
    ),
}


def made(place: str, verify: Any = "Archive", schedule: str = "") -> dict[str, Any]:
    template = SnapshotTemplate(destination=PLACES[place], verify=verify)
    wanted = cluster(tls={})
    pod = snapshot_pod(wanted, template, run="uid", record="one", schedule=schedule)
    return job(wanted, "one-1234", pod, IMAGES)


def environment(manifest: dict[str, Any]) -> dict[str, Any]:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each for each in container["env"]}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("verify", ["Archive", "Restore"])
def test_a_job_is_valid_and_restricted(place: str, verify: str) -> None:
    manifest = made(place, verify)
    kubernetes_validate.validate(manifest, "1.31", strict=True)
    (pod,) = pods_of(manifest)
    assert violations(pod) == []


def test_keys_come_from_the_secret_and_without_one_from_nowhere() -> None:
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert keys <= environment(made("s3")).keys()
    assert not keys & environment(made("identity")).keys()


def test_the_order_can_be_read_again_and_holds_no_secret() -> None:
    text = environment(made("s3"))[ORDER]["value"]
    order = read(SnapshotOrder, json.loads(text))
    assert order.destination == PLACES["s3"]
    assert order.url.startswith("https://")


def test_a_server_stands_beside_it_only_to_try_the_archive_out() -> None:
    assert "initContainers" not in made("pvc")["spec"]["template"]["spec"]
    (beside,) = made("pvc", "Restore")["spec"]["template"]["spec"]["initContainers"]
    assert beside["restartPolicy"] == "Always"
    assert "-client=127.0.0.1" in beside["args"]


def test_only_who_makes_a_record_has_a_token() -> None:
    for schedule, mounted in (("", False), ("nightly", True)):
        spec = made("pvc", schedule=schedule)["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is mounted


def test_an_own_account_is_not_made_but_gets_the_right() -> None:
    assert [each["kind"] for each in job_rights(cluster())] == [
        "ServiceAccount", "Role", "RoleBinding",
    ]  # fmt: skip
    role, binding = job_rights(cluster(snapshotServiceAccountName="mine"))
    assert binding["subjects"][0]["name"] == "mine"
    verbs = {verb for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"create", "patch"}
