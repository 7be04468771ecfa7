"""All that is applied in every cycle."""

import json

import kubernetes_validate
import pytest

from operator_tests.specs.clusters import WANTED, wanted
from proconsul_operator.specs.children import children
from proconsul_operator.specs.wanted import Wanted

FOREIGN = ("monitoring.coreos.com", "cert-manager.io")


@pytest.mark.parametrize("cluster", WANTED.values(), ids=WANTED)
def test_every_child_passes_the_schema_of_kubernetes(cluster: Wanted) -> None:
    for child in children(cluster):
        if not child["apiVersion"].startswith(FOREIGN):
            kubernetes_validate.validate(child, "1.31", strict=True)


@pytest.mark.parametrize("cluster", WANTED.values(), ids=WANTED)
def test_every_child_is_the_clusters_own_and_in_its_namespace(cluster: Wanted) -> None:
    for child in children(cluster):
        assert child["metadata"]["namespace"] == "infra"
        assert [owner["uid"] for owner in child["metadata"]["ownerReferences"]] == [cluster.uid]
        assert child["metadata"]["labels"]["proconsul.io/cluster"] == "consul"


@pytest.mark.parametrize("cluster", WANTED.values(), ids=WANTED)
def test_building_twice_gives_the_same(cluster: Wanted) -> None:
    assert json.dumps(children(cluster)) == json.dumps(children(cluster))


def test_no_child_comes_twice() -> None:
    for cluster in WANTED.values():
        keys = [(child["kind"], child["metadata"]["name"]) for child in children(cluster)]
        assert len(keys) == len(set(keys))


def test_what_is_switched_off_is_not_there() -> None:
    kinds = {child["kind"] for child in children(wanted())}
    assert {"NetworkPolicy", "PodDisruptionBudget"} <= kinds
    off = wanted(networkPolicy={"enabled": False}, podDisruptionBudget={"enabled": False})
    assert not {"NetworkPolicy", "PodDisruptionBudget"} & {each["kind"] for each in children(off)}
    assert not {"ServiceMonitor", "Certificate"} & kinds


def test_what_is_made_once_is_not_applied_again() -> None:
    for cluster in WANTED.values():
        kinds = {child["kind"] for child in children(cluster)}
        assert not kinds & {"Secret", "StatefulSet"}
        names = {child["metadata"]["name"] for child in children(cluster)}
        assert not names & {cluster.guard, cluster.recovery}
