"""What lies beside the volumes: configuration, guard, recovery."""

import json

import pytest

from operator_tests.specs.clusters import wanted
from proconsul_operator.specs.configmaps import config_map, guard, recovery

SURVIVOR = "6b0f1f52-6a0e-4b7b-9a44-0c8be7d21f10"


def test_the_configuration_is_a_file_that_the_pod_is_started_with() -> None:
    made = config_map(wanted())
    assert made["metadata"]["name"] == "consul-config"
    assert json.loads(made["data"]["server.json"])["server"] is True


def test_a_new_guard_lets_a_cluster_of_its_id_be_founded_once() -> None:
    made = guard(wanted(replicas=5), "a-uuid")
    assert made["data"] == {"clusterID": "a-uuid", "bootstrapped": "false", "expect": "5"}


def test_a_guard_outlives_its_cluster_as_the_volumes_do() -> None:
    assert "ownerReferences" not in guard(wanted(), "a-uuid")["metadata"]


def test_a_recovery_tells_all_members_who_goes_on_alone() -> None:
    made = recovery(wanted(), epoch=4, mode="Reform", voter=SURVIVOR, restore_uid="u")
    assert json.loads(made["data"]["recovery.json"]) == {
        "epoch": 4,
        "mode": "Reform",
        "voter": SURVIVOR,
        "restoreUID": "u",
    }


def test_a_rebootstrap_has_no_survivor() -> None:
    made = recovery(wanted(), epoch=1, mode="Rebootstrap")
    assert json.loads(made["data"]["recovery.json"]) == {"epoch": 1, "mode": "Rebootstrap"}


def test_a_recovery_that_means_nothing_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="epoch 0"):
        recovery(wanted(), epoch=0, mode="Rebootstrap")
    with pytest.raises(AssertionError, match="one voter"):
        recovery(wanted(), epoch=1, mode="Reform")
    with pytest.raises(AssertionError, match="one voter"):
        recovery(wanted(), epoch=1, mode="Rebootstrap", voter=SURVIVOR)
