"""Case 3: the leader is asked to go, as by an eviction or an update, under load."""

import json
from collections.abc import Mapping

import pytest

from e2e.cases.story import Story
from e2e.load.checker import refusals
from e2e.waits import limit, until

FINALIZER = "proconsul.test/exit-code"
"""It keeps the pod's object after its end: the only way to be sure to see its exit code."""


@pytest.mark.case(minutes=3)
def test_a_leader_that_is_asked_to_go_hands_over_first(story: Story) -> None:
    servers, kubectl = story.servers, story.kubectl
    story.install()
    ids = servers.ids()
    with story.watched(), story.load() as load:
        leader = servers.leader()
        term = servers.raft(leader)["Term"]
        _patch(story, leader, {"metadata": {"finalizers": [FINALIZER]}})
        asked_s = story.note(f"{leader} is asked to go")
        kubectl("delete", "pod", leader, "--wait=false")
        handed_over_s = until(
            lambda: _leads_yet(story, leader, term), f"{leader} hands over", limit("request")
        )
        # It goes on answering as a follower while the endpoints move.
        assert _exit_code(story, leader) is None, "it ended before another led"
        ended_s = until(
            lambda: "" if _exit_code(story, leader) is not None else "it runs",
            f"{leader} ends",
            limit("pod_gone"),
        )
        code = _exit_code(story, leader)
        _patch(story, leader, {"metadata": {"finalizers": None}})
        servers.wait_until_well("back_as_voter")

    assert load.ledger is not None
    gap_s = load.gap_s(asked_s, asked_s + ended_s + handed_over_s)
    refused = refusals(load.ledger, load.ledger.at_ns(asked_s))
    story.figures |= {
        "write gap s": gap_s,
        "handed over after s": round(handed_over_s, 1),
        "ended after s": round(handed_over_s + ended_s, 1),
        "connections refused": len(refused),
    }
    assert code == 0
    assert gap_s <= limit("write_gap_after_transfer")
    assert refused == []
    assert servers.ids() == ids


def _patch(story: Story, pod: str, change: Mapping[str, object]) -> None:
    story.kubectl("patch", "pod", pod, "--type=merge", "-p", json.dumps(change))


def _leads_yet(story: Story, old: str, term: int) -> str:
    leader = story.servers.leader()
    newer = story.servers.raft(leader)["Term"] > term
    return "" if leader != old and newer else f"{leader} leads in term {term}"


def _exit_code(story: Story, pod: str) -> int | None:
    """None while it runs."""
    statuses = story.kubectl.get("pods", pod)["status"].get("containerStatuses", ())
    for status in statuses:
        if "terminated" in status["state"]:
            code: int = status["state"]["terminated"]["exitCode"]
            return code
    return None
