"""Case 1, without the operator: from nothing to three servers by one `helm install`."""

import pytest

from e2e import helm
from e2e.cases.story import RELEASE, VALUES, Story


@pytest.mark.case(minutes=3, short=True)
def test_an_installation_is_ready_and_a_second_upgrade_changes_nothing(story: Story) -> None:
    servers, kubectl = story.servers, story.kubectl
    story.figures["ready after s"] = story.install()

    rafts = servers.rafts()
    assert sorted(raft["State"] for raft in rafts.values()) == ["Follower", "Follower", "Leader"]
    assert len(servers.voters()) == 3
    (cluster_id,) = {raft["ClusterID"] for raft in rafts.values()}
    guard = kubectl.get("configmaps", f"{RELEASE}-bootstrap")["data"]
    assert (guard["clusterID"], guard["bootstrapped"]) == (cluster_id, "true")

    leader = servers.leader()
    roles = {
        name: pod["metadata"]["labels"]["proconsul.io/role"] for name, pod in servers.pods().items()
    }
    assert [name for name, role in roles.items() if role == "leader"] == [leader]
    assert servers.leads_the_service() == leader

    warnings = [event["message"] for event in kubectl.list("events") if event["type"] == "Warning"]
    assert [each for each in warnings if "violates PodSecurity" in each] == []
    assert "Succeeded" in helm.test(kubectl.namespace, RELEASE)

    before = kubectl.get("statefulsets", RELEASE, "apis/apps/v1")["metadata"]
    uids = {name: pod["metadata"]["uid"] for name, pod in servers.pods().items()}
    helm.upgrade(kubectl.namespace, RELEASE, VALUES, "ready")
    after = kubectl.get("statefulsets", RELEASE, "apis/apps/v1")["metadata"]
    assert after["generation"] == before["generation"]
    assert {name: pod["metadata"]["uid"] for name, pod in servers.pods().items()} == uids
    assert servers.leader() == leader
