"""The chart in mode standalone and the operator render the same cluster.

Each case is rendered twice: standalone, and as a ProconsulCluster, which the operator's builders
then render. What differs on purpose is taken out by name, each with its reason; all else is equal,
so that neither can change without the other.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from operator_tests.charts.cases import STANDALONE, values_of
from operator_tests.charts.helm import (
    MONITORING,
    SERVERS,
    Manifest,
    RefusedError,
    hook_of,
    only,
    render,
)
from proconsul_operator.api.cluster import ClusterSpec
from proconsul_operator.api.values import read
from proconsul_operator.specs.children import children
from proconsul_operator.specs.configmaps import guard, recovery
from proconsul_operator.specs.gossip_key import gossip_secret
from proconsul_operator.specs.labels import CLUSTER
from proconsul_operator.specs.server_config import DENIED_KEYS, RELOADED_KEYS
from proconsul_operator.specs.statefulset import stateful_set
from proconsul_operator.specs.wanted import Wanted

# What only the chart has: it serves people without an operator, or without rights in Kubernetes.
CHART_ONLY = {
    "minimal": "no rights in Kubernetes, no ServiceAccount",
    "openshift": "another user, other peers, a pause before SIGTERM, spreading that is preferred",
}
EQUAL = [case for case in STANDALONE if case not in CHART_ONLY]

OWN_LABELS = {"app.kubernetes.io/managed-by", "helm.sh/chart", CLUSTER, "proconsul.io/kept"}
OWN_ANNOTATIONS = {"helm.sh/resource-policy"}


def as_wanted(helm: str, values: dict[str, Any]) -> Wanted:
    """The cluster that mode operator asks for with the same values."""
    spec = without_chart_only(values)
    cluster = only(render(helm, SERVERS, {**spec, "mode": "operator"}), "ProconsulCluster")
    metadata = cluster["metadata"]
    return Wanted(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid="0c9c0b3e-0f0a-4c8e-9d1b-2a3c4d5e6f70",
        spec=read(ClusterSpec, cluster["spec"]),
        version="0.1.0",
    )


def without_chart_only(values: dict[str, Any]) -> dict[str, Any]:
    """Without labels and annotations of everything, which a custom resource cannot ask for.

    And without hooks: what they make is then among the objects, as the operator makes it.
    """
    asked = {key: value for key, value in values.items() if not key.startswith("common")}
    gossip = {"secretName": "consul-proconsul-gossip", **asked.get("gossip", {})}
    return {**asked, "hooks": {"enabled": False}, "gossip": gossip}


def from_chart(helm: str, values: dict[str, Any]) -> dict[tuple[str, str], Manifest]:
    objects = render(helm, SERVERS, without_chart_only(values), flags=MONITORING)
    servers = [
        each
        for each in objects
        if not hook_of(each)
        and each["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "server"
    ]
    return {key_of(each): normal(each) for each in servers}


def from_operator(wanted: Wanted, values: dict[str, Any]) -> dict[tuple[str, str], Manifest]:
    built = [
        *children(wanted),
        stateful_set(wanted, wanted.spec.replicas),
        guard(wanted, "0f3c2b1a-0000-4000-8000-000000000000"),
    ]
    if order := values.get("recovery"):
        built.append(
            recovery(
                wanted,
                epoch=order["epoch"],
                mode=order["mode"],
                voter=order["voter"],
                restore_uid=order["restoreUID"],
            )
        )
    return {key_of(each): normal(each) for each in built}


def key_of(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def normal(manifest: Manifest) -> Manifest:
    """Without what differs on purpose."""
    made: Manifest = _without_marks(json.loads(json.dumps(manifest)))
    made["metadata"].pop("ownerReferences", None)  # a release owns its objects by labels
    if adapt := ADAPTED.get(made["kind"]):
        adapt(made)
    return made


def _without_marks(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_marks(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _without_marks(each) for key, each in value.items()}
    for field, marks in (("labels", OWN_LABELS), ("annotations", OWN_ANNOTATIONS)):
        if isinstance(made.get(field), dict):
            made[field] = {key: each for key, each in made[field].items() if key not in marks}
            if not made[field]:
                del made[field]
    return made


def _stateful_set(manifest: Manifest) -> None:
    # Without an operator somebody must renew the pods; the operator chooses which, and when.
    update = manifest["spec"].pop("updateStrategy")
    assert update["type"] in ("OnDelete", "RollingUpdate")


def _config_map(manifest: Manifest) -> None:
    data = manifest["data"]
    # The chart leaves to the servers what an upgrade must not reset.
    for key in ("clusterID", "bootstrapped"):
        data.pop(key, None)
    for name, text in data.items():
        if name.endswith(".json"):
            data[name] = json.loads(text)


def _rule(manifest: Manifest) -> None:
    # How old a backup is, the operator knows itself: its own chart has that rule.
    groups = manifest["spec"]["groups"]
    manifest["spec"]["groups"] = [each for each in groups if each["name"] != "proconsul-backup"]


ADAPTED: dict[str, Callable[[Manifest], None]] = {
    "StatefulSet": _stateful_set,
    "ConfigMap": _config_map,
    "PrometheusRule": _rule,
}


@pytest.mark.parametrize("case", EQUAL)
def test_the_chart_and_the_operator_render_the_same_cluster(helm: str, case: str) -> None:
    values = values_of(SERVERS, case)
    chart = from_chart(helm, values)
    operator = from_operator(as_wanted(helm, values), values)
    assert chart.keys() == operator.keys()
    for key, manifest in chart.items():
        assert manifest == operator[key], key


def test_the_comparison_sees_a_difference(helm: str) -> None:
    values = values_of(SERVERS, "default")
    other = as_wanted(helm, {"resources": {"limits": {"memory": "2Gi"}}})
    key = ("StatefulSet", "consul-proconsul")
    assert from_chart(helm, values)[key] != from_operator(other, values)[key]


def test_each_of_the_two_renews_pods_in_its_own_way(helm: str) -> None:
    chart = only(render(helm, SERVERS), "StatefulSet")
    wanted = as_wanted(helm, {})
    assert chart["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"partition": 0},
    }
    assert stateful_set(wanted, 3)["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_the_gossip_key_is_found_where_either_of_the_two_puts_it(helm: str) -> None:
    chart = only(render(helm, SERVERS, values_of(SERVERS, "openshift")), "Secret")
    assert chart["metadata"]["name"] == "consul-proconsul-gossip"
    operator = gossip_secret(as_wanted(helm, {}), ["one", "two"])
    assert chart["metadata"]["name"] == operator["metadata"]["name"]
    assert "key" in chart["stringData"]
    assert operator["stringData"]["key"] == "one"


@pytest.mark.parametrize("key", sorted(DENIED_KEYS))
def test_what_the_operator_refuses_in_config_the_chart_refuses_too(helm: str, key: str) -> None:
    with pytest.raises(RefusedError, match=key):
        render(helm, SERVERS, {"config": {key: "x"}})


@pytest.mark.parametrize("key", sorted(RELOADED_KEYS | {"datacenter"}))
def test_both_restart_for_the_same_keys(helm: str, key: str) -> None:
    changed: dict[str, Any] = {"config": {key: {}}} if key != "datacenter" else {"datacenter": "b"}

    def hash_of(values: dict[str, Any]) -> str:
        template = only(render(helm, SERVERS, values), "StatefulSet")["spec"]["template"]
        text: str = template["metadata"]["annotations"]["proconsul.io/restart-hash"]
        return text

    assert (hash_of(changed) == hash_of({})) is (key in RELOADED_KEYS)
