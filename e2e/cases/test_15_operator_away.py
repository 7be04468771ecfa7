"""Case 15: the operator is away, dies together with the leader, stands still beside another.

It is away for as long as the things take that must go well without it, not for a fixed time. Nodes
are drained one after the other by a person's rules: the budget lets one server go at a time.
"""

import json
import time
from typing import Final

import pytest

from e2e import operator
from e2e.cases.story import RELEASE, Story
from e2e.kubectl import Manifest, run
from e2e.load.pod import SLOWLY
from e2e.waits import limit, until

SCHEDULE: Final = "minutely"
FROZEN_S: Final = 60.0
SIGNAL: Final = """
import os, signal, sys
for name in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{name}/cmdline", "rb") as file:
        words = file.read().split(b"\\0")
    if b"run" in words and any(word.endswith(b"proconsul-operator") for word in words):
        os.kill(int(name), getattr(signal, sys.argv[1]))
        print(name)
"""


@pytest.mark.case(minutes=12)
def test_servers_do_well_without_it_and_it_takes_up_where_it_left(story: Story) -> None:
    servers, cluster = story.servers, story.cluster
    story.store.install()
    story.install_operated()
    ids = servers.ids()
    with story.watched() as watcher, story.load(SLOWLY):
        _away(story)
        _returns(story)
        _dies_with_the_leader(story)
        _stands_still(story)
    assert servers.ids() == ids
    assert set(watcher.seen.voter_sets()) == {frozenset(ids.values())}
    assert cluster.condition("Ready")[0] == "True"


def _away(story: Story) -> None:
    """A leader's death, a drain and a scheduled snapshot, without an operator."""
    servers = story.servers
    _schedule(story)
    story.custom("ProconsulSnapshotSchedule", SCHEDULE).wait_for(
        "Ready", "True", limit_name="noticed"
    )
    story.note("the operator goes")
    story.operator.scale(0)
    before = {each["metadata"]["name"] for each in _done_jobs(story)}
    _kill_leader(story)
    back_s = servers.wait_until_well("back_as_voter")
    _drain(story, servers.leader())
    until(
        lambda: "" if {e["metadata"]["name"] for e in _done_jobs(story)} - before else "no Job",
        "a scheduled snapshot is taken without the operator",
        limit("snapshot"),
    )
    story.figures["all well without the operator after s"] = round(back_s, 1)


def _kill_leader(story: Story, *others: str) -> None:
    leader = story.servers.leader()
    term = story.servers.raft(leader)["Term"]
    story.note(f"{leader} is killed" + (f" with {', '.join(others)}" if others else ""))
    story.servers.kill(leader, *others)

    def old() -> str:
        now = story.servers.leader()
        return "" if story.servers.raft(now)["Term"] > term else f"{now} leads term {term}"

    until(old, "another leads", limit("write_gap_after_kill"))


def _drain(story: Story, name: str) -> None:
    """The node of that server, by evictions; then it may be used again."""
    node = story.servers.pods()[name]["spec"]["nodeName"]
    uid = story.servers.pods()[name]["metadata"]["uid"]
    story.note(f"{node} is drained")
    selector = f"--pod-selector=app.kubernetes.io/instance={RELEASE}"
    try:
        run("kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", selector)
    finally:
        run("kubectl", "uncordon", node)

    def old() -> str:
        pod = story.servers.pods().get(name)
        return "" if pod and pod["metadata"]["uid"] != uid else "the old pod is there"

    until(old, f"{name} is another pod", limit("pod_gone"))
    story.servers.wait_until_well("back_as_voter")


def _returns(story: Story) -> None:
    """All that happened is told, and nothing is done to the pods."""
    cluster, servers = story.cluster, story.servers
    uids = {name: pod["metadata"]["uid"] for name, pod in servers.pods().items()}
    began_s = story.note("the operator comes back")
    story.operator.scale(1)

    def stale() -> str:
        status = cluster.status()
        term = servers.raft(servers.leader())["Term"]
        if (status["leader"], status["term"]) != (servers.leader(), term):
            return f"{status['leader']} leads, it says"
        told = {each["name"]: each["podUID"] for each in status["members"]}
        return "" if told == uids else f"members {told}"

    until(stale, "its status is right", limit("noticed"))
    cluster.wait_for("Ready", "True", limit_name="noticed")
    right_s = time.time() - began_s
    until(lambda: _unrecorded(story), "each snapshot is recorded", limit("noticed"))
    assert {name: pod["metadata"]["uid"] for name, pod in servers.pods().items()} == uids
    story.figures["status right after s"] = round(right_s, 1)


def _unrecorded(story: Story) -> str:
    """Jobs that ended well and that no record tells of; "" for none."""
    taken = len(_done_jobs(story))
    recorded = len(story.kubectl.list("proconsulsnapshots", "", f"apis/{operator.API}"))
    return "" if recorded >= taken > 0 else f"{taken} taken, {recorded} recorded"


def _dies_with_the_leader(story: Story) -> None:
    """One call for both; another leads, and another operator says so."""
    (old,) = story.operator.pods()
    began_s = time.time()
    _kill_leader(story, old)
    story.servers.wait_until_well("back_as_voter")

    def not_taken() -> str:
        holder = story.operator.holder()
        return "" if holder not in ("", old) else f"{holder!r} has the Lease"

    until(not_taken, "another operator works", limit("noticed"))
    until(
        lambda: "" if story.cluster.status()["leader"] == story.servers.leader() else "the old one",
        "its status names the leader",
        limit("noticed"),
    )
    story.cluster.wait_for("Ready", "True", limit_name="noticed")
    story.figures["all well after both died, after s"] = round(time.time() - began_s, 1)


def _stands_still(story: Story) -> None:
    """Two operators: the one that works is stopped, and goes on when the other works already."""
    _make_stoppable(story)
    story.operator.scale(2)
    until(lambda: "" if story.operator.holder() in story.operator.pods() else "none", "one works",
          limit("noticed"))  # fmt: skip
    old = story.operator.holder()
    uids = {name: pod["metadata"]["uid"] for name, pod in story.servers.pods().items()}
    changed = story.cluster.body()["metadata"]["generation"]
    story.note(f"{old} stands still")
    stopped_s = time.monotonic()
    _signal(story, old, "SIGSTOP")
    moved_s = until(
        lambda: "" if story.operator.holder() not in ("", old) else "it has the Lease",
        "the Lease moves",
        limit("lease_moves"),
    )
    new = story.operator.holder()
    # What the new one does meanwhile is what the old one could undo.
    story.cluster.patch({"spec": {"service": {"annotations": {"proconsul.test/by": "another"}}}})
    until(
        lambda: "" if time.monotonic() - stopped_s > FROZEN_S else "it stands still",
        "a minute passes",
        2 * FROZEN_S,
    )
    story.note(f"{old} goes on")
    _signal(story, old, "SIGCONT")
    until(lambda: _has_ended(story, old), "the old one ends", limit("noticed"))
    story.servers.wait_until_well("settled")
    story.cluster.wait_for("Ready", "True", limit_name="settled")
    assert story.operator.holder() == new
    annotations = story.kubectl.get("services", RELEASE)["metadata"]["annotations"]
    assert annotations["proconsul.test/by"] == "another", "the old one did not undo it"
    assert {n: p["metadata"]["uid"] for n, p in story.servers.pods().items()} == uids
    assert story.cluster.body()["metadata"]["generation"] == changed + 1
    story.figures["the Lease moved after s"] = round(moved_s, 1)


def _make_stoppable(story: Story) -> None:
    """PID 1 of a container cannot be stopped from within, and a probe would end a stopped one."""
    container = {"name": "operator", "livenessProbe": None}
    spec = {"shareProcessNamespace": True, "containers": [container]}
    change = json.dumps({"spec": {"template": {"spec": spec}}})
    story.kubectl("patch", "deployment", operator.RELEASE, "--type=strategic", "-p", change)
    timeout = f"--timeout={limit('operator_ready'):.0f}s"
    story.kubectl("rollout", "status", f"deployment/{operator.RELEASE}", timeout)


def _signal(story: Story, pod: str, name: str) -> None:
    assert story.kubectl.execute(pod, "python", "-c", SIGNAL, name).strip(), "no process was found"


def _has_ended(story: Story, pod: str) -> str:
    (status,) = story.operator.pods()[pod]["status"]["containerStatuses"]
    ended = status["lastState"].get("terminated", status["state"].get("terminated"))
    if ended is None:
        return "it runs on"
    assert ended["exitCode"] == 1, "it ends as one that lost its Lease"
    return ""


def _schedule(story: Story) -> None:
    story.custom("ProconsulSnapshotSchedule", SCHEDULE).make(
        {
            "clusterRef": {"name": RELEASE},
            "schedule": "* * * * *",
            "template": {"destination": story.store.destination()},
        }
    )


def _done_jobs(story: Story) -> list[Manifest]:
    jobs = story.kubectl.list("jobs", f"proconsul.io/schedule={SCHEDULE}", "apis/batch/v1")
    return [each for each in jobs if each.get("status", {}).get("succeeded")]
