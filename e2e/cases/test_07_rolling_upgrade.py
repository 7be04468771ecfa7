"""Case 7: another image, after a snapshot: followers first, the leader last, under load."""

import pytest

from e2e.cases.story import RELEASE, Story
from e2e.kubectl import Manifest
from e2e.load.checker import refusals
from e2e.prime import PRIME_TAG
from e2e.waits import limit, until

CLAIM = "backups"


@pytest.mark.case(minutes=6)
def test_an_upgrade_goes_through_the_followers_to_the_leader(story: Story) -> None:
    servers, cluster = story.servers, story.cluster
    story.install_operated()
    _schedule_snapshots(story)
    ids, leader = servers.ids(), servers.leader()
    renewed: list[str] = []
    with story.watched() as watcher, story.load() as load:
        leader = servers.leader()
        before = _uids(story)
        began_s = story.note(f"the image is {PRIME_TAG}; {leader} leads")
        cluster.patch(
            {"spec": {"image": {"tag": PRIME_TAG}, "update": {"preUpgradeSnapshot": True}}}
        )
        took_s = until(
            lambda: _not_rolled(story, before, renewed), "all are rolled", limit("rolled")
        )
        cluster.wait_for("Ready", "True", limit_name="settled")
        servers.wait_until_well("settled")

    assert load.ledger is not None
    gap_s = load.gap_s(began_s, began_s + took_s)
    refused = refusals(load.ledger, load.ledger.at_ns(began_s))
    terms = sorted(watcher.seen.leaders)
    story.figures |= {
        "rolled after s": round(took_s, 1),
        "write gap s": gap_s,
        "order": renewed,
        "connections refused": len(refused),
        "terms": len(terms),
    }
    assert renewed[-1] == leader
    assert sorted(renewed) == servers.names
    assert len(terms) == 2, "leadership moves once"
    assert gap_s <= limit("write_gap_after_transfer")
    assert refused == []
    assert servers.ids() == ids
    _is_told(story, leader)


def _schedule_snapshots(story: Story) -> None:
    """What says where a snapshot goes; its own time does not come."""
    story.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
    )
    story.custom("ProconsulSnapshotSchedule", "yearly").make(
        {
            "clusterRef": {"name": RELEASE},
            "schedule": "0 0 29 2 *",
            "template": {"destination": {"pvc": {"claimName": CLAIM}}},
        }
    )


def _uids(story: Story) -> dict[str, str]:
    return {name: pod["metadata"]["uid"] for name, pod in story.servers.pods().items()}


def _not_rolled(story: Story, before: dict[str, str], renewed: list[str]) -> str:
    """Notes who is new, in order; and that no server goes before the snapshot is there."""
    pods = story.servers.pods()
    new = [name for name, pod in pods.items() if pod["metadata"]["uid"] != before[name]]
    for name in new:
        if name not in renewed:
            story.note(f"{name} has a new pod")
            renewed.append(name)
    snapshots = [each["status"]["phase"] for each in _snapshots(story) if "status" in each]
    assert not new or snapshots == ["Completed"], f"{new} before the snapshot: {snapshots}"
    tags = {name: _tag(pod) for name, pod in pods.items()}
    if len(renewed) == len(before) and set(tags.values()) == {PRIME_TAG}:
        return ""
    return f"{tags}; {story.cluster.status().get('operation')}"


def _snapshots(story: Story) -> list[Manifest]:
    return story.kubectl.list("proconsulsnapshots", group="apis/proconsul.io/v1alpha1")


def _tag(pod: Manifest) -> str:
    return str(pod["spec"]["containers"][0]["image"]).rpartition(":")[2]


def _is_told(story: Story, leader: str) -> None:
    cluster = story.cluster
    rolled = cluster.events("PodRolled")
    assert sorted(each.partition(":")[0] for each in rolled) == story.servers.names
    assert all("outdated" in each for each in rolled)
    (transferred,) = cluster.events("LeadershipTransferred")
    assert transferred.startswith(f"{leader}:")
    assert len(cluster.events("RollingUpdateDone")) == 1
