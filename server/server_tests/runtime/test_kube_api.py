"""The few calls of the Kubernetes API, over real TLS."""

from pathlib import Path

import pytest

from proconsul.config.schema import Kubernetes
from proconsul.runtime.kube_api import (
    KubeApi,
    KubeError,
    KubeSettingsError,
    api_url,
    own_namespace,
    own_pod,
)
from server_tests.loopback import address
from server_tests.runtime.kube_world import Cluster, kubernetes

pytestmark = pytest.mark.real_clock

HOST = address(231)


def api_of(cluster: Cluster) -> KubeApi:
    return KubeApi(cluster.url, str(cluster.credentials), "infra")


async def test_an_object_is_read_and_changed_in_its_namespace(tmp_path: Path) -> None:
    with kubernetes(tmp_path, HOST) as cluster:
        cluster.objects.put("configmaps", "guard", data={"a": "1"})
        api = api_of(cluster)
        assert (await api.read("configmaps", "guard"))["data"] == {"a": "1"}
        changed = await api.patch("configmaps", "guard", {"data": {"b": "2"}})
        assert changed["data"] == {"a": "1", "b": "2"}
        path = "/api/v1/namespaces/infra/configmaps/guard"
        patch = "application/merge-patch+json"
        assert cluster.seen == [("GET", path, ""), ("PATCH", path, patch)]


async def test_a_renewed_token_is_used_at_once(tmp_path: Path) -> None:
    with kubernetes(tmp_path, HOST) as cluster:
        cluster.objects.put("configmaps", "guard", data={})
        api = api_of(cluster)
        cluster.tokens.clear()
        with pytest.raises(KubeError, match="401 Unauthorized") as refused:
            await api.read("configmaps", "guard")
        assert refused.value.status == 401
        cluster.tokens.add("token-2")
        (cluster.credentials / "token").write_text("token-2\n")
        await api.read("configmaps", "guard")


async def test_a_refusal_says_what_kubernetes_said(tmp_path: Path) -> None:
    with kubernetes(tmp_path, HOST) as cluster:
        api = api_of(cluster)
        with pytest.raises(KubeError, match=r"GET configmaps/none: 404 .*not found"):
            await api.read("configmaps", "none")


async def test_whoever_has_not_the_clusters_certificate_gets_no_token(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with kubernetes(tmp_path, HOST) as cluster, kubernetes(tmp_path / "other", HOST) as other:
        cluster.objects.put("configmaps", "guard", data={})
        api = KubeApi(cluster.url, str(other.credentials), "infra")
        with pytest.raises(KubeError, match="CERTIFICATE_VERIFY_FAILED") as failed:
            await api.read("configmaps", "guard")
        assert failed.value.status == 0
        assert cluster.seen == []


async def test_an_api_that_is_not_there_is_an_error_like_any_other(tmp_path: Path) -> None:
    with kubernetes(tmp_path, HOST) as cluster:
        api = api_of(cluster)
    with pytest.raises(KubeError, match="Connection refused"):
        await api.read("configmaps", "guard")
    with pytest.raises(KubeError, match="No such file"):
        await KubeApi(cluster.url, str(tmp_path / "nowhere"), "infra").read("configmaps", "guard")


def settings(credentials: Path, **given: str) -> Kubernetes:
    return Kubernetes(
        label_own_pod=True,
        bootstrap_guard="guard",
        credentials=str(credentials),
        api_url=given.get("api_url", ""),
        namespace=given.get("namespace", ""),
        pod_name=given.get("pod_name", ""),
    )


def test_a_pod_knows_where_it_runs_by_what_kubernetes_gives_it(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("infra\n")
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    bare = settings(tmp_path)
    assert api_url(bare, pod) == "https://10.0.0.1:6443"
    assert api_url(bare, {"KUBERNETES_SERVICE_HOST": "fd00::1"}) == "https://[fd00::1]:443"
    assert api_url(settings(tmp_path, api_url="https://x"), pod) == "https://x"
    assert own_namespace(bare, {}) == "infra"
    assert own_namespace(bare, {"POD_NAMESPACE": "other"}) == "other"
    assert own_namespace(settings(tmp_path, namespace="third"), {"POD_NAMESPACE": "x"}) == "third"
    assert own_pod(bare, {}, "s-0") == "s-0"
    assert own_pod(bare, {"POD_NAME": "p-0"}, "s-0") == "p-0"


def test_who_is_no_pod_is_told_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(KubeSettingsError, match=r"kubernetes\.api_url"):
        api_url(settings(tmp_path), {})
    with pytest.raises(KubeSettingsError, match="POD_NAMESPACE"):
        own_namespace(settings(tmp_path), {})
