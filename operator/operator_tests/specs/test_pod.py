"""The server's pod."""

import dataclasses
from typing import Any

import pytest

from operator_tests.pod_security import violations
from operator_tests.specs.clusters import STORAGE, WANTED, wanted
from proconsul_operator.specs.pod import pod_template
from proconsul_operator.specs.wanted import Wanted


def pod(**spec: Any) -> dict[str, Any]:
    made: dict[str, Any] = pod_template(wanted(**spec))["spec"]
    return made


def server(**spec: Any) -> dict[str, Any]:
    (made,) = pod(**spec)["containers"]
    assert isinstance(made, dict)
    return made


@pytest.mark.parametrize("cluster", WANTED.values(), ids=WANTED)
def test_the_pod_is_restricted(cluster: Wanted) -> None:
    assert violations(pod_template(cluster)["spec"]) == []


def test_probes_ask_on_a_port_without_data_and_liveness_not_about_a_quorum() -> None:
    made = server()
    paths = {
        kind: made[kind]["httpGet"]["path"]
        for kind in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {
        "startupProbe": "/v1/proconsul/startz",
        "readinessProbe": "/v1/proconsul/readyz",
        "livenessProbe": "/v1/proconsul/livez",
    }
    assert {made[kind]["httpGet"]["port"] for kind in paths} == {"probe"}


def test_a_long_start_is_not_killed() -> None:
    probe = server()["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 20 * 60


def test_a_member_is_named_after_its_pod_and_listens_at_its_pods_address() -> None:
    arguments = server()["args"]
    assert arguments[0] == "agent"
    assert {"-node=$(POD_NAME)", "-bind=$(POD_IP)"} <= set(arguments)
    assert not any("node-id" in word for word in arguments), "the ID lives with the data"


def test_every_variable_of_the_arguments_is_set() -> None:
    for cluster in WANTED.values():
        (made,) = pod_template(cluster)["spec"]["containers"]
        known = {variable["name"] for variable in made["env"]}
        used = {word.partition("$(")[2].rstrip(")") for word in made["args"] if "$(" in word}
        assert used <= known


def test_gossip_in_the_clear_needs_no_secret() -> None:
    assert "-encrypt=$(GOSSIP_KEY)" not in server()["args"]
    assert "-encrypt=$(GOSSIP_KEY)" in server(gossip={})["args"]


def test_without_storage_the_data_goes_with_the_pod() -> None:
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert volumes["data"] == {"name": "data", "emptyDir": {}}
    assert "data" not in {volume["name"] for volume in pod(storage=STORAGE)["volumes"]}


def test_the_recoverys_order_may_come_later() -> None:
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert volumes["recovery"]["configMap"] == {"name": "consul-recovery", "optional": True}


def test_two_members_are_never_on_one_node_and_a_forbidden_node_does_not_count() -> None:
    by_host, by_zone = pod()["topologySpreadConstraints"]
    assert by_host["whenUnsatisfiable"] == "DoNotSchedule"
    assert by_host["nodeTaintsPolicy"] == "Honor"
    assert by_zone["whenUnsatisfiable"] == "ScheduleAnyway"


def test_a_persons_own_spreading_takes_the_place_of_ours() -> None:
    assert "topologySpreadConstraints" not in pod(podTemplate={"topologySpreadConstraints": []})
    own = {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway"}
    made = pod(podTemplate={"topologySpreadConstraints": [own]})
    assert made["topologySpreadConstraints"] == [own]


def test_what_is_empty_is_left_out_of_a_toleration() -> None:
    made = pod(podTemplate={"tolerations": [{"operator": "Exists"}]})
    assert made["tolerations"] == [{"operator": "Exists"}]


def test_extras_are_added_behind_ours() -> None:
    template = {
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "priorityClassName": "important",
    }
    assert pod(podTemplate=template)["volumes"][-1]["name"] == "more"
    assert pod(podTemplate=template)["priorityClassName"] == "important"
    assert server(podTemplate=template)["env"][-1] == {"name": "TZ", "value": "UTC"}
    assert server(podTemplate=template)["volumeMounts"][-1]["mountPath"] == "/more"


def test_secrets_are_pulled_and_mounted_by_name() -> None:
    made = pod(
        image={"pullSecrets": [{"name": "one"}]},
        tls={"secretName": "certificates"},
        extraConfigSecretRef={"name": "tokens", "key": "tokens.hcl"},
    )
    assert made["imagePullSecrets"] == [{"name": "one"}]
    secrets = [each["secret"]["secretName"] for each in made["volumes"] if "secret" in each]
    assert secrets == ["certificates", "tokens"]
    assert "-config-file=/proconsul/extra-config/tokens.hcl" in made["containers"][0]["args"]


def test_a_new_operator_restarts_no_member_that_names_its_image() -> None:
    cluster = wanted(image={"repository": "a/b", "tag": "1"}, storage=STORAGE, gossip={}, tls={})
    newer = dataclasses.replace(cluster, version="9.9.9")
    assert pod_template(newer) == pod_template(cluster)


def test_an_annotation_of_a_persons_own_cannot_hide_a_restart() -> None:
    key = "proconsul.io/restart-hash"
    cluster = wanted(podTemplate={"annotations": {key: "mine", "a": "b"}})
    annotations = pod_template(cluster)["metadata"]["annotations"]
    assert annotations["a"] == "b"
    assert annotations[key] != "mine"
