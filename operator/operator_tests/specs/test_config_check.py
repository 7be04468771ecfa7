"""The Job that asks the server about a configuration."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from operator_tests.pod_security import violations
from operator_tests.specs.clusters import WANTED, wanted
from proconsul.cli.main import main
from proconsul_operator.api.group import CONFIG
from proconsul_operator.specs.config_check import (
    COMPONENT,
    CONFIG_BYTES_MAX,
    INVALID,
    checked_text,
    config_check,
    job_name,
)
from proconsul_operator.specs.labels import CLUSTER, selector
from proconsul_operator.specs.server_config import server_config
from proconsul_operator.specs.wanted import Wanted


def template(cluster: Wanted) -> dict[str, Any]:
    """Of the Job's pod."""
    made: dict[str, Any] = config_check(cluster)["spec"]["template"]
    return made


@pytest.mark.parametrize("cluster", WANTED.values(), ids=WANTED)
def test_it_is_an_object_that_kubernetes_takes_and_its_pod_is_restricted(cluster: Wanted) -> None:
    kubernetes_validate.validate(config_check(cluster), "1.31", strict=True)
    assert violations(template(cluster)["spec"]) == []


def test_the_server_reads_what_a_pod_would_read_but_for_its_name_and_address() -> None:
    cluster = wanted(config={"log_level": "DEBUG"}, replicas=5)
    text = template(cluster)["metadata"]["annotations"][CONFIG]
    own = {"bind_addr": "127.0.0.1", "node_name": "consul-0", "bootstrap_expect": 1}
    assert json.loads(text) == {**server_config(cluster), **own}
    (item,) = template(cluster)["spec"]["volumes"][0]["downwardAPI"]["items"]
    assert item["fieldRef"]["fieldPath"] == f"metadata.annotations['{CONFIG}']"
    (container,) = template(cluster)["spec"]["containers"]
    assert container["args"] == ["validate", f"/proconsul/config/{item['path']}"]


def test_more_configuration_is_read_with_it() -> None:
    (container,) = template(WANTED["https-only"])["spec"]["containers"]
    assert container["args"][1:] == [
        "/proconsul/config/server.json",
        "/proconsul/extra-config/server.json",
    ]


def test_it_runs_where_servers_run_and_with_their_image() -> None:
    cluster = wanted(
        image={"repository": "r/p", "tag": "2", "pullSecrets": [{"name": "pull"}]},
        podTemplate={"nodeSelector": {"pool": "consul"}, "tolerations": [{"key": "consul"}]},
    )
    spec = template(cluster)["spec"]
    assert spec["containers"][0]["image"] == "r/p:2"
    assert spec["nodeSelector"] == {"pool": "consul"}
    assert spec["tolerations"] == [{"key": "consul", "operator": "Equal"}]
    assert spec["imagePullSecrets"] == [{"name": "pull"}]


def test_only_the_servers_own_no_is_final() -> None:
    spec = config_check(wanted())["spec"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [INVALID])
    assert spec["backoffLimit"] > 0
    assert spec["template"]["spec"]["containers"][0]["terminationMessagePolicy"] == (
        "FallbackToLogsOnError"
    )


def test_the_same_question_has_one_name_and_another_one_another() -> None:
    plain = job_name(wanted())
    assert job_name(wanted(replicas=5)) == plain, "a size is no question"
    others = [
        wanted(config={"log_level": "DEBUG"}),
        wanted(image={"tag": "2"}),
        wanted(extraConfigSecretRef={"name": "tokens"}),
    ]
    assert len({plain, *map(job_name, others)}) == 4


def test_the_longest_name_of_a_cluster_leaves_room_for_a_label() -> None:
    longest = Wanted(name="c" * 40, namespace="n", uid="u", spec=wanted().spec, version="1")
    assert len(job_name(longest)) <= 63


def test_its_pod_is_no_server_to_any_service_or_budget() -> None:
    labels = template(wanted())["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == COMPONENT
    assert labels[CLUSTER] == "consul"
    assert not selector(wanted()).items() <= labels.items()


def test_what_can_be_checked_fits_into_the_annotations_of_a_pod() -> None:
    assert CONFIG_BYTES_MAX < 256 * 1024
    assert len(checked_text(wanted()).encode()) < CONFIG_BYTES_MAX // 50


@pytest.mark.parametrize("cluster", WANTED.values(), ids=WANTED)
def test_our_own_configuration_is_one_that_the_server_takes(
    cluster: Wanted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.json"
    file.write_text(checked_text(cluster))
    assert main(["validate", str(file)]) == 0, capsys.readouterr()


def test_a_key_that_is_none_ends_with_the_code_that_is_final_and_names_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.json"
    file.write_text(checked_text(wanted(config={"no_such_key": 1})))
    assert main(["validate", str(file)]) == INVALID
    assert "invalid config key no_such_key" in capsys.readouterr().err
