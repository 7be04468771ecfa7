"""Case 12: two of three disks are lost, and a person says to go on with the third.

Without a person nothing happens: no new cluster, no write, and what the survivor has can be read
with `stale`. One run is undisturbed and looks longest at that. In each of the others the operator
is killed once, at one failpoint of the plans of recovery and restore, or the survivor is killed
while it carries the recovery out.
"""

import time
from functools import partial
from typing import Final

import pytest

from e2e.cases.story import RELEASE, Story
from e2e.kubectl import AnswerError, CommandError
from e2e.load.pod import SLOWLY
from e2e.operator import Custom
from e2e.servers import Row
from e2e.waits import limit, until
from proconsul_operator.plans.steps import STEPS, Operation, Step

OF_OTHER_MODES: Final = {
    Step.RESET_GUARD: "a cluster that goes on keeps its ID",
    Step.CHECK_ARCHIVE: "there is no archive",
    Step.PUT_SNAPSHOT: "there is no archive",
    Step.NOTE_LACK: "there is no archive",
    Step.SAFETY_SNAPSHOT: "nobody leads: none can be taken before",
    Step.MAKE_CLUSTER: "the cluster is there",
}
KILLED_AT: Final = tuple(
    f"after-{step}"
    for step, row in STEPS.items()
    if row.acts and row.operation in (Operation.RECOVERY, Operation.RESTORE)
    if step not in OF_OTHER_MODES
)
RUNS: Final = ("undisturbed", "survivor-killed", *KILLED_AT)
PATIENCE_S: Final = {"undisturbed": 120.0}
BETWEEN_S: Final = 10.0  # in the other runs


@pytest.mark.case(minutes=6)
@pytest.mark.parametrize("run", RUNS)
def test_a_survivor_goes_on_only_when_a_person_says_so(story: Story, run: str) -> None:
    servers, cluster = story.servers, story.cluster
    story.store.install()
    story.install_operated()
    (cluster_id,) = {raft["ClusterID"] for raft in servers.rafts().values()}
    with story.watched(), story.load(SLOWLY):
        _load_for(5.0)
    survivor = next(name for name in servers.names if name != servers.leader())
    lost = [name for name in servers.names if name != survivor]
    ids = servers.ids()
    held = servers.rows(survivor, "stale")
    story.figures["indices before"] = {n: r["LastIndex"] for n, r in servers.rafts().items()}

    story.note(f"all but {survivor} lose their disks")
    servers.lose(*lost)
    cluster.wait_for("Quorate", "False", "MajorityLost", limit_name="settled")
    _nothing_happens(story, survivor, held, PATIENCE_S.get(run, BETWEEN_S))
    for acknowledged in ("", "another"):
        with pytest.raises(CommandError, match="acknowledgeDataLoss must repeat"):
            _restore(story, "refused", acknowledged)

    if run.startswith("after-"):
        story.operator.fail_at(run)
    began_s = story.note("it is said")
    restore = _restore(story, "again", RELEASE)
    if run == "survivor-killed":
        _kill_while_it_recovers(story, restore, survivor)
    assert restore.wait_for_phase("Succeeded", "Failed", limit_name="restore") == "Succeeded"
    story.figures["recovered after s"] = round(time.time() - began_s, 1)
    servers.wait_until_well("settled")
    cluster.wait_for("Ready", "True", limit_name="settled")

    after = servers.ids()
    assert after[survivor] == ids[survivor]
    assert not {after[name] for name in lost} & set(ids.values())
    assert servers.rows(servers.leader()) == held
    assert {raft["ClusterID"] for raft in servers.rafts().values()} == {cluster_id}
    _is_of_epoch_1(story)
    _restart_changes_nothing(story)
    _is_refused_with_a_quorum(story)
    if run.startswith("after-"):
        until(story.operator.has_died, f"it ended at {run}", limit("noticed"))
        story.note(f"it had ended at {run}")


def _load_for(seconds: float) -> None:
    began_s = time.monotonic()
    until(lambda: "" if time.monotonic() - began_s > seconds else "load", "load", 2 * seconds)


def _restore(story: Story, name: str, acknowledged: str) -> Custom:
    restore = story.custom("ProconsulRestore", name)
    restore.make(
        {
            "mode": "RecoverQuorum",
            "clusterRef": {"name": RELEASE},
            "safetyDestination": story.store.destination(),
            **({"acknowledgeDataLoss": acknowledged} if acknowledged else {}),
        }
    )
    return restore


def _nothing_happens(story: Story, survivor: str, held: dict[str, Row], patience_s: float) -> None:
    servers, cluster = story.servers, story.cluster
    pods = {name: pod["metadata"]["uid"] for name, pod in servers.pods().items()}
    began_s = time.monotonic()

    def looked() -> str:
        rafts = servers.rafts()
        for name, raft in rafts.items():
            assert raft["State"] != "Leader", f"{name} leads"
            assert name == survivor or not raft["ClusterID"], f"{name} founded a cluster"
            assert raft["RecoveryEpoch"] == 0
        for name in rafts:
            with pytest.raises(
                (AnswerError, TimeoutError)
            ):  # it says that nobody leads, or nothing in time
                servers.put(name, "e2e/nobody", 1)
        assert servers.rows(survivor, "stale") == held
        now = {name: pod["metadata"]["uid"] for name, pod in servers.pods().items()}
        assert now == pods, "the operator deletes nothing by itself"
        left_s = patience_s - (time.monotonic() - began_s)
        return "" if left_s < 0 else f"to look for {left_s:.0f} s"

    until(looked, "nothing happens", 2 * patience_s + limit("noticed"))
    assert cluster.status()["phase"] == "QuorumLost"
    assert cluster.condition("Quorate")[:2] == ("False", "MajorityLost")
    assert cluster.status().get("recoveryEpoch", 0) == 0


def _kill_while_it_recovers(story: Story, restore: Custom, survivor: str) -> None:
    """Each time that it has come up with the epoch's work, until it did it once."""
    restore.wait_for_phase("Reforming", limit_name="settled")
    before = story.servers.pods()[survivor]["metadata"]["uid"]
    for number in range(2):
        until(partial(_old_pod, story, survivor, before), f"{survivor} anew", limit("pod_gone"))
        before = story.servers.pods()[survivor]["metadata"]["uid"]
        story.note(f"{survivor} is killed, {number + 1}")
        story.servers.kill(survivor)


def _old_pod(story: Story, name: str, uid: str) -> str:
    pod = story.servers.pods().get(name)
    if pod is None or pod["metadata"]["uid"] == uid:
        return "the pod is the old one"
    statuses = pod["status"].get("containerStatuses", ())
    return "" if any("running" in each["state"] for each in statuses) else f"{statuses}"


def _is_of_epoch_1(story: Story) -> None:
    epochs = {name: raft["RecoveryEpoch"] for name, raft in story.servers.rafts().items()}
    assert epochs == dict.fromkeys(story.servers.names, 1)
    assert story.cluster.status()["recoveryEpoch"] == 1


def _restart_changes_nothing(story: Story) -> None:
    """The order is still there; a disk that has carried it out does not do it again."""
    servers = story.servers
    ids, held = servers.ids(), servers.rows(servers.leader())
    uids = {pod["metadata"]["uid"] for pod in servers.pods().values()}
    story.note("all are killed")
    servers.kill(*servers.names)

    def old() -> str:
        kept = {p["metadata"]["uid"] for p in servers.pods().values()} & uids
        return ", ".join(sorted(kept))

    until(old, "all pods are others", limit("pod_gone"))
    servers.wait_until_well("settled")
    assert servers.ids() == ids
    assert servers.rows(servers.leader()) == held
    _is_of_epoch_1(story)


def _is_refused_with_a_quorum(story: Story) -> None:
    again = _restore(story, "once-more", RELEASE)
    assert again.wait_for_phase("Succeeded", "Failed", limit_name="restore") == "Failed"
    assert "QuorumPresent" in again.status()["message"]
    _is_of_epoch_1(story)
    story.cluster.wait_for("Ready", "True", limit_name="settled")
