"""Case 13: every disk is lost, and a snapshot is put back.

What is expected to be lost is exactly what was acknowledged after the snapshot's index: each key
that a write had before it is there, with its value and its index, and no other. Tokens are not
looked at: the servers do not enforce them yet.
"""

import base64
import json
import time
from typing import Any

import pytest

from e2e.cases.story import RELEASE, Story
from e2e.kubectl import AnswerError
from e2e.load.cut import after_cut, check_cut
from e2e.load.pod import SLOWLY
from e2e.waits import limit, until

SCHEDULE = "minutely"
LOCK = "lock"
EMPTY_S = 20.0  # how long servers without data are looked at
AFTER_S = 5.0  # of load after the snapshot, which is lost


@pytest.mark.case(minutes=8, short=True)
def test_a_cluster_without_any_disk_waits_for_its_snapshot(story: Story) -> None:
    servers, cluster = story.servers, story.cluster
    story.store.install()
    story.install_operated()
    (old_id,) = {raft["ClusterID"] for raft in servers.rafts().values()}
    session = _hold_a_lock(story)
    with story.watched(), story.load(SLOWLY) as load:
        _schedule(story, suspend=False)
        saved = _first_saved(story)
        _schedule(story, suspend=True)
        _more_writes(story)
    saved = _newest_saved(story)
    before, at = servers.rows(servers.leader()), saved["status"]["index"]

    story.note(f"all is lost; the snapshot is of index {at}")
    servers.lose(*servers.names)
    lost_s = cluster.wait_for("Quorate", "False", "MajorityLost", limit_name="settled")
    _nobody_serves_an_empty_cluster(story, old_id)

    name = saved["metadata"]["name"]
    restore = story.custom("ProconsulRestore", "again")
    began_s = story.note(f"{name} is put back")
    restore.make(
        {
            "mode": "InPlace",
            "clusterRef": {"name": RELEASE},
            "acknowledgeDataLoss": RELEASE,
            "snapshotRef": {"name": name},
        }
    )
    assert restore.wait_for_phase("Succeeded", "Failed", limit_name="restore") == "Succeeded"
    restored_s = time.time() - began_s
    servers.wait_until_well("settled")
    cluster.wait_for("Ready", "True", limit_name="settled")

    after = servers.rows(servers.leader())
    assert load.ledger is not None
    assert check_cut(load.ledger, after, at) == []
    older = {key: row for key, row in before.items() if row.modified <= at}
    assert {key: after.get(key) for key in older} == older
    lost = after_cut(load.ledger, after)
    assert lost, "the load went on after the snapshot: something must be lost"
    _is_a_new_cluster(story, old_id, at)
    assert _lock_of(story) == (session, [session])
    _schedule(story, suspend=False)
    backup_s = _is_saved_again(story)
    story.figures |= {
        "told MajorityLost after s": round(lost_s, 1),
        "restored after s": round(restored_s, 1),
        "writes lost, all after the snapshot": len(lost),
        "BackupReady again after s": round(backup_s, 1),
    }


def _schedule(story: Story, *, suspend: bool) -> None:
    manifest = {
        "apiVersion": "proconsul.io/v1alpha1",
        "kind": "ProconsulSnapshotSchedule",
        "metadata": {"name": SCHEDULE},
        "spec": {
            "clusterRef": {"name": RELEASE},
            "schedule": "* * * * *",
            "suspend": suspend,
            "template": {"destination": story.store.destination("nightly")},
        },
    }
    story.kubectl.apply(manifest)


def _saved(story: Story) -> list[dict[str, Any]]:
    records = story.kubectl.list("proconsulsnapshots", "", "apis/proconsul.io/v1alpha1")
    done = [each for each in records if each.get("status", {}).get("phase") == "Completed"]
    return sorted(done, key=lambda each: int(each["status"]["index"]))


def _first_saved(story: Story) -> dict[str, Any]:
    def none() -> str:
        return "" if _saved(story) else f"{story.kubectl.list('pods', 'job-name')}"[:1000]

    until(none, "a first snapshot", limit("snapshot"))
    return _saved(story)[0]


def _newest_saved(story: Story) -> dict[str, Any]:
    """After the last Job that had begun."""

    def runs() -> str:
        jobs = story.kubectl.list("jobs", "", "apis/batch/v1")
        return ", ".join(
            each["metadata"]["name"] for each in jobs if each["status"].get("active", 0)
        )

    until(runs, "no Job runs", limit("snapshot"))
    story.custom("ProconsulSnapshotSchedule", SCHEDULE).wait_for(
        "LastSnapshotSucceeded", "True", limit_name="noticed"
    )
    return _saved(story)[-1]


def _is_saved_again(story: Story) -> float:
    """A snapshot of the new cluster, and the condition that says so: after how many seconds."""
    new_id = story.cluster.status()["clusterID"]

    def none() -> str:
        found = [each["status"].get("clusterID") for each in _saved(story)]
        return "" if new_id in found else f"snapshots of {found}"

    took_s = until(none, "a snapshot of the new cluster", limit("snapshot"))
    return took_s + story.cluster.wait_for("BackupReady", "True", "Recent", limit_name="noticed")


def _more_writes(story: Story) -> None:
    began_s = time.monotonic()

    def too_few() -> str:
        return "" if time.monotonic() - began_s > AFTER_S else "the load goes on"

    until(too_few, "writes after the snapshot", 2 * AFTER_S)


def _hold_a_lock(story: Story) -> str:
    """A session of a node without an agent, and a key that it holds: the session's ID."""
    servers = story.servers
    node = {"Node": "outside", "Address": "192.0.2.1"}
    session = {"Node": "outside", "Checks": [], "Name": "kept", "Behavior": "delete"}
    _put(story, "/v1/catalog/register", node)
    made = str(json.loads(_put(story, "/v1/session/create", session))["ID"])
    assert _put(story, f"/v1/kv/{LOCK}?acquire={made}", 1).strip() == b"true"
    assert servers.ask(servers.leader(), f"/v1/session/info/{made}")[0]["ID"] == made
    return made


def _put(story: Story, path: str, body: object) -> bytes:
    servers = story.servers
    text = json.dumps(body).encode()
    return story.kubectl.ask(servers.leader(), servers.port, path, "PUT", text)[0]


def _lock_of(story: Story) -> tuple[str, list[str]]:
    """(who holds the lock, all sessions)."""
    servers = story.servers
    (row,) = servers.ask(servers.leader(), f"/v1/kv/{LOCK}?consistent")
    assert base64.b64decode(row["Value"]) == b"1"
    sessions = servers.ask(servers.leader(), "/v1/session/list?consistent")
    return row["Session"], [each["ID"] for each in sessions]


def _nobody_serves_an_empty_cluster(story: Story, old_id: str) -> None:
    """No leader, no answer but to stale reads, and the guard remembers that there was a cluster."""
    servers, began_s = story.servers, time.monotonic()

    def looked() -> str:
        for name, raft in servers.rafts().items():
            assert (raft["State"], raft["ClusterID"]) != ("Leader", old_id), name
            assert raft["State"] != "Leader", f"{name} leads an empty cluster"
            _refuses(story, name)
        held = time.monotonic() - began_s
        return "" if held > EMPTY_S else f"looked for {held:.0f} s"

    until(looked, "servers without data found nothing", 3 * EMPTY_S)
    guard = story.kubectl.get("configmaps", f"{RELEASE}-bootstrap")["data"]
    assert (guard["clusterID"], guard["bootstrapped"]) == (old_id, "true")


def _refuses(story: Story, pod: str) -> None:
    """It says that nobody leads, or nothing in time: never that there is nothing."""
    for query in ("consistent", ""):
        with pytest.raises((AnswerError, TimeoutError)) as refused:
            story.servers.ask(pod, f"/v1/kv/e2e/?recurse&{query}")
        assert not isinstance(refused.value, AnswerError) or refused.value.status == 500
    with pytest.raises((AnswerError, TimeoutError)):
        story.servers.put(pod, "e2e/nobody", 1)


def _is_a_new_cluster(story: Story, old_id: str, at: int) -> None:
    servers = story.servers
    status = story.custom("ProconsulRestore", "again").status()
    rafts = servers.rafts().values()
    assert status["newClusterID"] not in ("", old_id)
    assert {raft["ClusterID"] for raft in rafts} == {status["newClusterID"]}
    assert {raft["RecoveryEpoch"] for raft in rafts} == {status["epoch"]} == {1}
    assert min(raft["AppliedIndex"] for raft in rafts) >= at
    guard = story.kubectl.get("configmaps", f"{RELEASE}-bootstrap")["data"]
    assert (guard["clusterID"], guard["bootstrapped"]) == (status["newClusterID"], "true")
    assert story.cluster.status()["clusterID"] == status["newClusterID"]
