"""An object is as we want it if it means the same; what others added is theirs."""

from typing import Any

import pytest

from proconsul_operator.plans.drift import differences, digest, drifted_fields
from proconsul_operator.plans.observe import Child


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"cpu": "0.5"}, {"cpu": "500m"}),
        ({"memory": "1024Mi"}, {"memory": "1Gi"}),
        ({"size": 1}, {"size": "1"}),
        ({"empty": {}, "none": "", "no": False}, {}),
        ({"list": [{"name": "a"}]}, {"list": [{"name": "a", "default": True}]}),
    ],
)
def test_the_same_in_other_words_is_no_drift(wanted: dict[str, Any], found: dict[str, Any]) -> None:
    assert list(differences(wanted, found)) == []


@pytest.mark.parametrize(
    ("wanted", "found", "paths"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
        ({"a": {"b": 1}}, {}, ["a"]),
        ({"list": [1, 2]}, {"list": [1]}, ["list"]),
        ({"list": [{"x": 1}]}, {"list": [{"x": 2}]}, ["list[0].x"]),
        ({"on": True}, {"on": "1"}, ["on"]),
        ({"cpu": "1"}, {"cpu": "1m"}, ["cpu"]),
    ],
)
def test_what_is_otherwise_is_named_by_its_path(
    wanted: dict[str, Any], found: dict[str, Any], paths: list[str]
) -> None:
    assert list(differences(wanted, found)) == paths


def test_only_a_change_by_others_is_called_drift() -> None:
    wanted = {"kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "ClusterIP"}}
    found = {**wanted, "spec": {"type": "NodePort"}}

    def child(applied: str, *, untouched: bool) -> Child:
        return Child(
            uid="", resource_version="", manifest=found, applied=applied, untouched=untouched
        )

    assert drifted_fields(wanted, child(digest(wanted), untouched=False)) == ("spec.type",)
    assert drifted_fields(wanted, child("another wish", untouched=False)) == ()
    assert drifted_fields(wanted, child(digest(wanted), untouched=True)) == ()


def test_a_precondition_and_a_set_s_size_are_no_wish() -> None:
    small: dict[str, Any] = {"kind": "StatefulSet", "metadata": {}, "spec": {"replicas": 3}}
    big: dict[str, Any] = {
        "kind": "StatefulSet",
        "metadata": {"resourceVersion": "7"},
        "spec": {"replicas": 4},
    }
    assert digest(small) == digest(big)
    assert digest(small) != digest({**small, "spec": {"replicas": 3, "selector": {}}})
