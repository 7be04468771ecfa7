"""The StatefulSet: what must be right at first, as it can never change."""

from typing import Any

import kubernetes_validate
import pytest

from operator_tests.specs.clusters import STORAGE, WANTED, wanted
from proconsul_operator.specs.statefulset import stateful_set
from proconsul_operator.specs.wanted import Wanted


def spec_of(**spec: Any) -> dict[str, Any]:
    made: dict[str, Any] = stateful_set(wanted(**spec), 3)["spec"]
    return made


@pytest.mark.parametrize("version", ["1.31", "1.37"])
@pytest.mark.parametrize("cluster", WANTED.values(), ids=WANTED)
def test_it_passes_the_schema_of_kubernetes(cluster: Wanted, version: str) -> None:
    kubernetes_validate.validate(stateful_set(cluster, 3), version, strict=True)


def test_all_pods_start_at_once_and_none_is_renewed_unasked() -> None:
    made = spec_of()
    assert made["podManagementPolicy"] == "Parallel"
    assert made["updateStrategy"] == {"type": "OnDelete"}


def test_its_size_is_the_plans_and_not_the_specs() -> None:
    assert stateful_set(wanted(replicas=5), 4)["spec"]["replicas"] == 4


def test_it_never_deletes_a_volume_whatever_the_spec_says() -> None:
    storage = {**STORAGE, "onDelete": "Delete", "onScaleIn": "Delete"}
    policy = spec_of(storage=storage)["persistentVolumeClaimRetentionPolicy"]
    assert policy == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_what_can_never_change_hangs_on_storage_alone() -> None:
    other: dict[str, Any] = {
        "replicas": 5,
        "image": {"tag": "2"},
        "podTemplate": {"labels": {"a": "b"}},
        "ports": {"http": 1},
        "tls": {},
    }
    frozen = ("volumeClaimTemplates", "podManagementPolicy", "serviceName", "selector")
    for field in frozen:
        assert spec_of(storage=STORAGE)[field] == spec_of(storage=STORAGE, **other)[field]


def test_a_volume_has_the_size_and_the_class_that_were_asked_for() -> None:
    (claim,) = spec_of(storage={"size": "1Ti", "storageClassName": "fast"})["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"] == {"requests": {"storage": "1Ti"}}
    (claim,) = spec_of(storage=STORAGE)["volumeClaimTemplates"]
    assert "storageClassName" not in claim["spec"], "the cluster's default class"
    assert "volumeClaimTemplates" not in spec_of()


def test_a_size_that_no_cluster_has_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        stateful_set(wanted(), 10)
