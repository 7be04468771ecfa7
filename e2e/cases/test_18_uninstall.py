"""Case 18, without the operator: what an uninstallation leaves, and what a new one finds."""

import pytest

from e2e import helm
from e2e.cases.story import RELEASE, Story
from e2e.waits import limit, until

KEY = "e2e/kept"


@pytest.mark.case(minutes=4)
def test_data_outlive_the_release_until_they_are_deleted(story: Story) -> None:
    servers, kubectl = story.servers, story.kubectl
    story.install()
    ids = servers.ids()
    (cluster_id,) = {raft["ClusterID"] for raft in servers.rafts().values()}
    _write(story, "1")

    _uninstall(story)
    assert len(kubectl.list("persistentvolumeclaims")) == servers.replicas
    kept = {one["metadata"]["name"] for one in kubectl.list("configmaps")}
    assert f"{RELEASE}-bootstrap" in kept
    assert f"{RELEASE}-gossip" in {one["metadata"]["name"] for one in kubectl.list("secrets")}

    story.install()
    assert servers.ids() == ids
    assert {raft["ClusterID"] for raft in servers.rafts().values()} == {cluster_id}
    assert servers.values_below("e2e") == {KEY: 1}

    _uninstall(story)
    kubectl("delete", "configmap", f"{RELEASE}-bootstrap")
    kubectl("delete", "pvc", "--all", "--timeout=60s")
    story.install()
    assert {raft["ClusterID"] for raft in servers.rafts().values()} != {cluster_id}
    assert not set(servers.ids().values()) & set(ids.values())


def _write(story: Story, value: str) -> None:
    code = (
        "import urllib.request as r; print(r.urlopen(r.Request("
        f"'http://127.0.0.1:8500/v1/kv/{KEY}', data=b'{value}', method='PUT')).read())"
    )
    assert "true" in story.kubectl.execute(story.servers.leader(), "python", "-c", code)


def _uninstall(story: Story) -> None:
    helm.uninstall(story.kubectl.namespace, RELEASE)
    until(lambda: ", ".join(story.servers.pods()), "no server is left", limit("pod_gone"))
