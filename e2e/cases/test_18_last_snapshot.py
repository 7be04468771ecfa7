"""Case 18, with the operator: what is to go, goes after a last snapshot, and a neighbour stays.

While its store is away a cluster that wants a last snapshot stays, and says why, until somebody
says to go on without.
"""

import time
from typing import Any, Final

import pytest

from e2e import operator
from e2e.cases.story import RELEASE, Story
from e2e.kubectl import AnswerError
from e2e.operator import Custom
from e2e.waits import limit, until

KEY: Final = "e2e/kept"
OTHER: Final = "other"
SERVERS: Final = ",app.kubernetes.io/component=server"  # of pods: those of snapshots stay a day
OF_A_CLUSTER: Final = {
    "persistentvolumeclaims": "",
    "secrets": "",
    "configmaps": "",
    "services": "",
    "pods": SERVERS,
}
GOING: Final = {"size": "1Gi", "onDelete": "Delete", "finalSnapshot": True}
NOT_WITHOUT: Final = "proconsul.io/force-delete"


@pytest.mark.case(minutes=8)
def test_what_is_to_go_goes_after_a_last_snapshot_and_a_neighbour_stays(story: Story) -> None:
    servers, kubectl = story.servers, story.kubectl
    story.store.install()
    chart = {"size": GOING["size"], "onDelete": GOING["onDelete"]}
    # What the chart's own values do not name, goes into the ProconsulCluster as it is.
    story.install_operated(storage=chart, cluster={"storage": {"finalSnapshot": True}})
    other = _neighbour(story)
    servers.put(servers.leader(), KEY, 1)
    _schedule(story, RELEASE)
    _schedule(story, OTHER)
    theirs = _objects(story, OTHER)

    story.note("the cluster is deleted while the store is away")
    story.store.is_away(True)
    kubectl("delete", "pcc", RELEASE, "--wait=false")
    until(lambda: _is_silent(story.cluster), "it says why it stays", limit("last_snapshot_failed"))
    assert servers.not_well() == "", "no server goes before the last snapshot"
    story.note("without one, then")
    story.cluster.patch({"metadata": {"annotations": {NOT_WITHOUT: "true"}}})
    began_s = time.time()
    until(lambda: _is_there(story.cluster), "the cluster is gone", limit("deleted"))
    story.figures["deleted without a snapshot after s"] = round(time.time() - began_s, 1)
    until(lambda: _left(story, RELEASE), "nothing of it is left", limit("pod_gone"))
    assert _objects(story, OTHER) == theirs, "nothing of the neighbour's was touched"
    assert other.condition("Ready")[0] == "True"

    story.note("the neighbour is deleted, and the store is there")
    story.store.is_away(False)
    before = set(story.store.names())
    began_s = time.time()
    kubectl("delete", "pcc", OTHER, "--wait=false")
    until(lambda: _is_there(other), "the neighbour is gone", limit("snapshot"))
    story.figures["deleted with a snapshot after s"] = round(time.time() - began_s, 1)
    until(lambda: _left(story, OTHER), "nothing of it is left", limit("pod_gone"))
    snapshots = kubectl.list("proconsulsnapshots", group=f"apis/{operator.API}")
    (last,) = (one for one in snapshots if one["metadata"]["name"].startswith(f"{OTHER}-final-"))
    assert last["status"]["phase"] == "Completed"
    made = set(story.store.names()) - before
    assert len([name for name in made if name.endswith(".snap")]) == 1


def _neighbour(story: Story) -> Custom:
    """A cluster of one beside it, of the same image."""
    spec: dict[str, Any] = story.cluster.body()["spec"]
    other = story.custom("ProconsulCluster", OTHER)
    kept = ("image", "config", "resources")
    other.make({**{key: spec[key] for key in kept if key in spec}, "replicas": 1, "storage": GOING})
    other.wait_for("Ready", "True", limit_name="operated_ready")
    return other


def _schedule(story: Story, cluster: str) -> None:
    """Says where a last snapshot goes; its own time does not come."""
    story.custom("ProconsulSnapshotSchedule", f"{cluster}-yearly").make(
        {
            "clusterRef": {"name": cluster},
            "schedule": "0 0 29 2 *",
            "template": {"destination": story.store.destination(cluster)},
        }
    )


def _objects(story: Story, cluster: str) -> dict[tuple[str, str], str]:
    """All that carries the cluster's label: the UID by kind and name."""
    return {
        (kind, each["metadata"]["name"]): each["metadata"]["uid"]
        for kind, more in OF_A_CLUSTER.items()
        for each in story.kubectl.list(kind, f"proconsul.io/cluster={cluster}{more}")
    }


def _left(story: Story, cluster: str) -> str:
    return ", ".join("/".join(each) for each in _objects(story, cluster))


def _is_there(cluster: Custom) -> str:
    try:
        return f"{cluster.status().get('operation')}"
    except AnswerError as failure:
        return "" if failure.status == 404 else str(failure)


def _is_silent(cluster: Custom) -> str:
    told = str((cluster.status().get("operation") or {}).get("message"))
    return "" if "the last snapshot cannot be taken" in told else told
