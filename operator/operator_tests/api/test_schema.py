"""The schema is one that Kubernetes accepts, and says everything that the structs say."""

from typing import Any

import pytest

from operator_tests.api.kubernetes_rules import filled, violations
from proconsul_operator.api.cluster import ClusterSpec, ProconsulCluster
from proconsul_operator.api.schema import CLUSTER, KINDS, Kind, definition, root_schema
from proconsul_operator.api.values import plain, read

# etcd takes 1.5 MiB; `kubectl apply` copies an object into an annotation of at most 256 KiB.
DEFINITION_BYTES_MAX = 250_000


def at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    for name in path.split("."):
        schema = schema["properties"][name]
    return schema


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_schema_is_structural_bounded_and_documented(kind: Kind) -> None:
    assert list(violations(root_schema(kind))) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"type": ""}, "no type"),
        ({"description": ""}, "no description"),
        ({"$ref": "#/x"}, "$ref is forbidden"),
        ({"oneOf": [{"type": "string"}]}, "type inside oneOf"),
        ({"additionalProperties": False}, "may not be false"),
        ({"required": ["ghost"]}, "ghost is required"),
        ({"default": {"ghost": 1}}, "fields that nobody knows"),
        (
            {"default": {}, "x-kubernetes-validations": [{"rule": "self.a == 1", "message": ""}]},
            "cannot be run on the default",
        ),
        (
            {"default": {}, "x-kubernetes-validations": [{"rule": "false", "message": "never"}]},
            "default: never",
        ),
        ({"type": "string", "properties": {}}, "a text without maxLength"),
        ({"type": "array", "items": {"type": "boolean"}}, "a list without maxItems"),
        ({"x-kubernetes-preserve-unknown-fields": True}, "a map without maxProperties"),
        (
            {
                "type": "array",
                "maxItems": 1,
                "items": {"type": "object"},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            "the key name is no scalar",
        ),
    ],
)
def test_the_checker_sees_what_is_wrong(change: dict[str, Any], complaint: str) -> None:
    schema = root_schema(CLUSTER)
    at(schema, "spec.gossip").update(change)
    assert any(complaint in said for said in violations(schema))


def test_the_defaults_of_the_schema_are_those_of_the_structs() -> None:
    """So the operator sees the same with and without the API server's defaulting."""
    schema = root_schema(CLUSTER)
    for spec in ({}, {"tls": {}, "gossip": {}, "storage": {}, "image": {"tag": "1"}}):
        stored = filled(schema, {"metadata": {}, "spec": spec})
        ours = read(ProconsulCluster, {"spec": spec})
        assert read(ProconsulCluster, stored) == ours
        # Nothing that says something is left to the reader to fill in.
        told = {name for name, value in plain(ours.spec).items() if value not in ("", [], {})}
        assert set(stored["spec"]) == told


def test_own_resources_are_not_mixed_with_the_default_ones() -> None:
    asked = {"storage": {}, "resources": {"requests": {"memory": "4Gi"}}}
    stored = filled(root_schema(CLUSTER), {"spec": asked})
    assert stored["spec"]["resources"] == {"requests": {"memory": "4Gi"}}


def test_what_two_writers_may_share_is_a_map() -> None:
    schema = root_schema(CLUSTER)
    for path, key in (
        ("status.conditions", "type"),
        ("status.members", "name"),
        ("spec.image.pullSecrets", "name"),
        ("spec.podTemplate.extraEnv", "name"),
        ("spec.podTemplate.extraVolumes", "name"),
        ("spec.podTemplate.extraVolumeMounts", "mountPath"),
    ):
        assert at(schema, path)["x-kubernetes-list-map-keys"] == [key]


def test_free_form_parts_are_kept_as_they_are() -> None:
    schema = root_schema(CLUSTER)
    for path in ("spec.config", "spec.podTemplate.affinity"):
        assert at(schema, path)["x-kubernetes-preserve-unknown-fields"] is True


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_definition_names_its_kind_and_has_a_status(kind: Kind) -> None:
    spec = definition(kind)["spec"]
    (version,) = spec["versions"]
    assert definition(kind)["metadata"]["name"] == f"{spec['names']['plural']}.proconsul.io"
    assert spec["names"]["categories"] == ["proconsul"]
    assert version["subresources"]["status"] == {}
    assert ("scale" in version["subresources"]) == (kind is CLUSTER)
    assert len(str(definition(kind))) < DEFINITION_BYTES_MAX


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_column_shows_a_field_that_there_is(kind: Kind) -> None:
    schema = root_schema(kind)
    for column in kind.columns:
        path = column.path.split("[")[0].removeprefix(".")
        if path.startswith("metadata."):
            continue
        shown = at(schema, path)
        if "[" not in column.path:
            wanted = {"date": "string"}.get(column.type, column.type)
            assert shown["type"] == wanted


def test_the_paths_of_scale_are_fields_of_the_right_type() -> None:
    scale = definition(CLUSTER)["spec"]["versions"][0]["subresources"]["scale"]
    schema = root_schema(CLUSTER)
    types = {name: at(schema, path.removeprefix("."))["type"] for name, path in scale.items()}
    assert types == {
        "specReplicasPath": "integer",
        "statusReplicasPath": "integer",
        "labelSelectorPath": "string",
    }


def test_the_schema_is_made_anew_each_time() -> None:
    """A caller that changes what it was given changes nothing for others."""
    root_schema(CLUSTER)["properties"].clear()
    assert "spec" in root_schema(CLUSTER)["properties"]
    assert ClusterSpec().resources.requests["cpu"] == "500m"
