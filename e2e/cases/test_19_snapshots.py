"""Case 19: snapshots under load: on demand, by schedule, expired, spoiled, cloned; the store away.

Runs of the schedule are asked for one by one (`runNow`), so that the case does not wait for the
clock; that the clock works is seen in cases 13 and 15. An object that is spoiled or lost after it
was verified is found when it is read again, and told in three places; one that is to be restored is
refused before anything is touched. A store that does not answer has lost nothing.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Final

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


@pytest.mark.case(minutes=20)
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
        _look_again_after(story, "1m")
        _damage_is_told(story, story.store.spoil, "ArchiveBroken")
        _spoiled_is_refused(story)
        _good_again(story, runs)
        _damage_is_told(story, story.store.lose, "ObjectAbsent")
        _good_again(story, runs)
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


def _look_again_after(story: Story, interval: str) -> None:
    schedule = story.custom("ProconsulSnapshotSchedule", SCHEDULE)
    schedule.patch({"spec": {"verifyInterval": interval}})


def _damage_is_told(story: Story, happens: Callable[[str], None], reason: str) -> None:
    """The newest object goes bad: its record, an Event and the cluster say so."""
    newest = _newest(story)
    name = newest["status"]["location"].removeprefix("s3://backups/")
    record = story.custom("ProconsulSnapshot", newest["metadata"]["name"])
    assert record.condition("Verified")[0] == "True"
    story.note(f"{name}: {happens.__name__}")
    happens(name)
    took_s = record.wait_for("Verified", "False", reason, limit_name="looked_at_again")
    told = record.events("SnapshotVerificationFailed")
    assert len(told) == 1, told
    assert name in told[0]
    assert record.status()["verified"] is False
    story.cluster.wait_for("BackupReady", "False", "NotVerified", limit_name="noticed")
    assert record.name in story.cluster.condition("BackupReady")[2]
    story.figures[f"{reason} told after"] = round(took_s, 1)


def _good_again(story: Story, runs: Iterator[int]) -> None:
    """The next good one is enough, and what went bad stays told."""
    bad = _newest(story)["metadata"]["name"]
    _run_now(story, next(runs))
    story.cluster.wait_for("BackupReady", "True", "Recent", limit_name="noticed")
    record = story.custom("ProconsulSnapshot", bad)
    assert record.condition("Verified")[0] == "False"
    assert len(record.events("SnapshotVerificationFailed")) == 1


def _spoiled_is_refused(story: Story) -> None:
    newest = _newest(story)
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


def _store_away(story: Story, runs: Iterator[int]) -> None:
    """Two runs fail and are counted, so is a look in vain; the next run makes it good."""
    held = story.custom("ProconsulSnapshot", _newest(story)["metadata"]["name"])
    schedule = story.custom("ProconsulSnapshotSchedule", SCHEDULE)
    story.note("the object store is away")
    story.store.is_away(True)
    for failures in (1, 2):
        _run_now(story, next(runs), ends_well=False)
        until(partial(_failures_are_not, schedule, failures), "it is counted", limit("noticed"))
    assert schedule.condition("LastSnapshotSucceeded")[:2] == ("False", "Failed")
    story.cluster.wait_for("BackupReady", "False", "LastFailed", limit_name="noticed")
    until(partial(_was_looked_at, held), "a look in vain is counted", limit("looked_at_again"))
    assert held.condition("Verified")[0] == "True", "nobody knows otherwise"
    assert held.events("SnapshotVerificationFailed") == []
    _look_again_after(story, "6h")
    story.note("the object store is back")
    story.store.is_away(False)
    _run_now(story, next(runs))
    until(partial(_failures_are_not, schedule, 0), "it is made good", limit("noticed"))
    schedule.wait_for("LastSnapshotSucceeded", "True", limit_name="noticed")
    story.cluster.wait_for("BackupReady", "True", "Recent", limit_name="noticed")


def _was_looked_at(record: Custom) -> str:
    return "" if record.status().get("verifyFailures", 0) else f"{record.status()}"


def _failures_are_not(schedule: Custom, number: int) -> str:
    found = schedule.status().get("consecutiveFailures", 0)
    return "" if found == number else f"{found} failures"
