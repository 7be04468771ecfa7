"""Reading, writing, and the small texts."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul_operator.api.cluster import ClusterSpec, ProconsulCluster
from proconsul_operator.api.cluster_parts import PodTemplate, Storage, Tls
from proconsul_operator.api.restore import ProconsulRestore
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import (
    Part,
    duration_s,
    plain,
    read,
    rename,
    size_bytes,
    time_text,
    unix_s,
)

CLUSTER: dict[str, Any] = {
    "apiVersion": "proconsul.io/v1alpha1",
    "kind": "ProconsulCluster",
    "metadata": {"name": "consul", "namespace": "infra", "uid": "u", "managedFields": []},
    "spec": {"storage": {"size": "1Gi"}, "config": {"a": None}, "fromTheFuture": 1},
    "status": {"clusterID": "0f3c", "phase": "Dreaming", "members": [{"name": "c-0"}]},
}


def test_names_are_written_as_kubernetes_writes_them() -> None:
    assert rename("storage_class_name") == "storageClassName"
    assert rename("pod_uid") == "podUID"
    assert rename("new_cluster_id") == "newClusterID"
    assert rename("id") == "id"
    assert rename("serf_lan") == "serfLan"


def test_what_a_newer_version_added_is_passed_over() -> None:
    cluster = read(ProconsulCluster, CLUSTER)
    assert cluster.metadata.name == "consul"
    assert cluster.spec.storage == Storage(size="1Gi")
    assert cluster.status.phase == "Dreaming"
    assert cluster.status.cluster_id == "0f3c"


def test_absence_is_not_written_and_emptiness_is() -> None:
    spec = plain(ClusterSpec(pod_template=PodTemplate(topology_spread_constraints=())))
    assert "storage" not in spec
    assert "tls" not in spec
    assert spec["podTemplate"]["topologySpreadConstraints"] == []
    assert "affinity" not in spec["podTemplate"]
    assert spec["paused"] is False


def test_a_null_of_the_user_in_free_form_content_stays() -> None:
    assert plain(read(ProconsulCluster, CLUSTER))["spec"]["config"] == {"a": None}


def test_what_the_schema_refuses_is_refused_when_read() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"spec\.replicas"):
        read(ProconsulCluster, {"spec": {"replicas": 9}})
    with pytest.raises(msgspec.ValidationError, match=r"spec\.image\.pullPolicy"):
        read(ProconsulCluster, {"spec": {"image": {"pullPolicy": "always"}}})


REF = {"clusterRef": {"name": "consul"}}
FULL: list[tuple[type[Part], dict[str, Any]]] = [
    (ProconsulCluster, CLUSTER),
    (ProconsulSnapshot, {"spec": {**REF, "destination": {"s3": {"bucket": "bucket"}}}}),
    (
        ProconsulSnapshotSchedule,
        {"spec": {**REF, "schedule": "@daily", "template": {"destination": {}}}},
    ),
    (
        ProconsulRestore,
        {"spec": {**REF, "mode": "NewCluster", "newCluster": {"tls": {}}}, "status": {"epoch": 3}},
    ),
]


@pytest.mark.parametrize(("kind", "body"), FULL, ids=lambda held: getattr(held, "__name__", ""))
def test_an_object_comes_back_as_it_was(kind: type[Part], body: dict[str, Any]) -> None:
    value = read(kind, body)
    assert read(kind, plain(value)) == value


def test_a_value_cannot_be_changed() -> None:
    tls = Tls()
    with pytest.raises(AttributeError):
        tls.enabled = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("720h", 2_592_000),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        ("20ms", 0.02),
    ],
)
def test_a_duration_in_seconds(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "-5s", "5d", "s", "5 s", "5s\n"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        duration_s(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("10Gi", 10 * 2**30), ("10240Mi", 10 * 2**30), ("10G", 10**10), ("1.5Ki", 1536), ("7", 7)],
)
def test_a_size_in_bytes(text: str, size: int) -> None:
    assert size_bytes(text) == size


def test_a_part_of_a_byte_is_a_byte() -> None:
    assert size_bytes("0.0001Ki") == 1


@pytest.mark.parametrize("text", ["", "Gi", "-1Gi", "1 Gi", "1GiB", "1m"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        size_bytes(text)


@given(st.integers(0, 4_000_000_000))
def test_a_moment_comes_back(moment_s: int) -> None:
    assert unix_s(time_text(moment_s)) == moment_s


def test_a_moment_is_written_in_utc_to_the_second() -> None:
    assert time_text(0.9) == "1970-01-01T00:00:00Z"
