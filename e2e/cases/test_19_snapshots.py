"""Case 19: snapshots under load: on demand, by schedule, expired, spoiled, cloned; the store away.

Runs of the schedule are asked for one by one (`runNow`), so that the case does not wait for the
clock; that the clock works is seen in cases 13 and 15. An object that is spoiled after it was
verified is found when it is to be restored, before anything is touched: nothing reads it earlier.
"""

import hashlib
from functools import partial
from itertools import count
from typing import Any, Final

import pytest

from e2e import operator
from e2e.cases.story import RELEASE, VALUES, Story
from e2e.kubectl import Manifest
from e2e.load.cut import Rows, check_cut
from e2e.load.pod import SLOWLY
from e2e.operator import Custom
from e2e.servers import Servers
from e2e.waits import limit, until

SCHEDULE: Final = "kept"
KEEP: Final = 3
CLONE: Final = "clone"


@pytest.mark.case(minutes=14)
def test_snapshots_are_whole_kept_as_asked_and_become_clusters(story: Story) -> None:
    story.store.install()
    story.install_operated()
    runs = count(1)
    with story.watched(), story.load(SLOWLY) as load:
        demanded = _on_demand(story)
        cloned = _clone(story, demanded)
        _make_schedule(story)
        for _ in range(KEEP + 2):
            _run_now(story, next(runs))
        _are_kept(story)
        _expires(story)
        _spoiled_is_refused(story)
        _store_away(story, runs)
    assert load.ledger is not None
    index = demanded.status()["index"]
    assert check_cut(load.ledger, cloned, index) == []
    story.figures |= {"snapshot's index": index, "keys in it": len(cloned)}


def _on_demand(story: Story) -> Custom:
    """Verified by a server that restored it; what its record says is true of the object."""
    made = story.custom("ProconsulSnapshot", "demanded")
    made.make(
        {
            "clusterRef": {"name": RELEASE},
            "destination": story.store.destination("demand"),
            "verify": "Restore",
        }
    )
    assert made.wait_for_phase("Completed", "Failed", limit_name="snapshot") == "Completed"
    status = made.status()
    body = story.store.read(status["location"])
    assert (len(body), hashlib.sha256(body).hexdigest()) == (status["sizeBytes"], status["sha256"])
    assert made.condition("Verified")[0] == "True"
    assert status["keysChecked"] > 0
    assert 0 < status["index"] <= story.servers.raft(story.servers.leader())["CommitIndex"]
    (raft, *_) = story.servers.rafts().values()
    assert status["clusterID"] == raft["ClusterID"]
    assert len(made.events("SnapshotTaken")) == 1
    return made


def _clone(story: Story, snapshot: Custom) -> Rows:
    """Another cluster of it beside the source, which goes on: what the clone holds."""
    image = VALUES["image"]
    restore = story.custom("ProconsulRestore", "into-another")
    restore.make(
        {
            "mode": "NewCluster",
            "clusterRef": {"name": CLONE},
            "snapshotRef": {"name": snapshot.name},
            "newCluster": {
                "replicas": 1,
                "image": {
                    "repository": f"{image['registry']}/{image['repository']}",
                    "tag": image["tag"],
                },
                "storage": {"size": "1Gi"},
                "gossip": {},
            },
        }
    )
    assert restore.wait_for_phase("Succeeded", "Failed", limit_name="restore") == "Succeeded"
    clone = Servers(kubectl=story.kubectl, name=CLONE, replicas=1)
    clone.wait_until_well("settled")
    (pod,) = clone.names
    source_ids = {raft["ClusterID"] for raft in story.servers.rafts().values()}
    assert clone.raft(pod)["ClusterID"] not in {"", *source_ids}
    assert clone.raft(pod)["AppliedIndex"] >= snapshot.status()["index"]
    for servers in (clone, story.servers):
        members = servers.ask(servers.leader(), "/v1/agent/members")
        assert sorted(each["Name"] for each in members) == servers.names, "they never meet"
    return clone.rows(pod)


def _make_schedule(story: Story) -> None:
    story.custom("ProconsulSnapshotSchedule", SCHEDULE).make(
        {
            "clusterRef": {"name": RELEASE},
            "schedule": "0 3 * * *",
            "template": {"destination": story.store.destination("kept")},
            "retention": {"keepLast": KEEP},
        }
    )


def _run_now(story: Story, number: int, *, ends_well: bool = True) -> None:
    """One run; until its record is there."""
    schedule = story.custom("ProconsulSnapshotSchedule", SCHEDULE)
    before = {each["metadata"]["name"] for each in _records(story)}
    schedule.patch({"spec": {"runNow": f"run-{number}"}})
    until(partial(_no_other, story, before), f"run {number} is recorded", limit("snapshot"))
    wanted = "Completed" if ends_well else "Failed"
    (new,) = (each for each in _records(story) if each["metadata"]["name"] not in before)
    assert new["status"]["phase"] == wanted, new["status"]


def _no_other(story: Story, before: set[str]) -> str:
    new = [each for each in _records(story) if each["metadata"]["name"] not in before]
    phases = [each.get("status", {}).get("phase") for each in new]
    return "" if phases in (["Completed"], ["Failed"]) else f"new records: {phases}"


def _records(story: Story) -> list[Manifest]:
    labels = f"proconsul.io/schedule={SCHEDULE}"
    return story.kubectl.list("proconsulsnapshots", labels, f"apis/{operator.API}")


def _archives(story: Story, prefix: str) -> list[str]:
    return [n for n in story.store.names() if n.startswith(f"{prefix}/") and n.endswith(".snap")]


def _newest(story: Story) -> Manifest:
    return max(_records(story), key=lambda each: int(each["status"].get("index", 0)))


def _are_kept(story: Story) -> None:
    """So many archives as asked, the newest verified one among them."""
    kept = _archives(story, "kept")
    assert len(kept) == KEEP
    newest = _newest(story)["status"]
    assert newest["verified"]
    assert newest["location"].removeprefix("s3://backups/") in kept
    story.cluster.wait_for("BackupReady", "True", "Recent", limit_name="noticed")
    story.custom("ProconsulSnapshotSchedule", SCHEDULE).wait_for(
        "LastSnapshotSucceeded", "True", limit_name="noticed"
    )


def _expires(story: Story) -> None:
    """Record and object go together when their time is over."""
    short = story.custom("ProconsulSnapshot", "short-lived")
    short.make(
        {
            "clusterRef": {"name": RELEASE},
            "destination": story.store.destination("short"),
            "ttl": "20s",
            "deletionPolicy": "Delete",
        }
    )
    assert short.wait_for_phase("Completed", "Failed", limit_name="snapshot") == "Completed"
    assert len(_archives(story, "short")) == 1
    until(short.is_there, "its time is over", limit("snapshot"))
    assert _archives(story, "short") == []


def _spoiled_is_refused(story: Story) -> None:
    newest = _newest(story)
    name = newest["status"]["location"].removeprefix("s3://backups/")
    story.note(f"{name} is spoiled")
    story.store.spoil(name)
    before = {n: raft["ClusterID"] for n, raft in story.servers.rafts().items()}
    restore = story.custom("ProconsulRestore", "of-a-spoiled-one")
    restore.make(
        {
            "mode": "InPlace",
            "clusterRef": {"name": RELEASE},
            "acknowledgeDataLoss": RELEASE,
            "snapshotRef": {"name": newest["metadata"]["name"]},
        }
    )
    assert restore.wait_for_phase("Succeeded", "Failed", limit_name="restore") == "Failed"
    assert "the archive is not good" in restore.status()["message"]
    rafts = story.servers.rafts()
    assert {n: raft["ClusterID"] for n, raft in rafts.items()} == before
    assert {(raft["RestoreUID"], raft["RecoveryEpoch"]) for raft in rafts.values()} == {("", 0)}
    story.cluster.wait_for("Ready", "True", limit_name="noticed")


def _store_away(story: Story, runs: Any) -> None:
    """Two runs fail and are counted; the next one makes it good."""
    schedule = story.custom("ProconsulSnapshotSchedule", SCHEDULE)
    story.note("the object store is away")
    story.store.is_away(True)
    for failures in (1, 2):
        _run_now(story, next(runs), ends_well=False)
        until(partial(_failures_are_not, schedule, failures), "it is counted", limit("noticed"))
    assert schedule.condition("LastSnapshotSucceeded")[:2] == ("False", "Failed")
    story.cluster.wait_for("BackupReady", "False", "LastFailed", limit_name="noticed")
    story.note("the object store is back")
    story.store.is_away(False)
    _run_now(story, next(runs))
    until(partial(_failures_are_not, schedule, 0), "it is made good", limit("noticed"))
    schedule.wait_for("LastSnapshotSucceeded", "True", limit_name="noticed")
    story.cluster.wait_for("BackupReady", "True", "Recent", limit_name="noticed")


def _failures_are_not(schedule: Custom, number: int) -> str:
    found = schedule.status().get("consecutiveFailures", 0)
    return "" if found == number else f"{found} failures"
