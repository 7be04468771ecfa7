"""Case 8: three images that never become well, each taken back: one follower is hit, no more."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from e2e import operator
from e2e.cases.story import Story
from e2e.load.checker import refusals
from e2e.waits import limit, until

GOOD = operator.image("proconsul")
REPOSITORY = f"{GOOD['registry']}/{GOOD['repository']}"
OTHER_PORT = "other-port"
BAD: Mapping[str, dict[str, Any]] = {
    "that is not there": {"image": {"tag": "no-such-tag"}},
    # Its program does not know the words of a server.
    "that ends at once": {"image": {"repository": f"{REPOSITORY}-operator"}},
    # What the image is told: probes ask where it does not listen.
    "that is never ready": {"extraConfigSecretRef": {"name": OTHER_PORT, "key": "server.json"}},
}
UPDATE = {"maxWaitPerPod": "1m", "pauseBetweenPods": "5s"}


@pytest.mark.case(minutes=12)
def test_a_bad_image_hits_one_follower_and_goes_with_the_spec(story: Story) -> None:
    servers, cluster, kubectl = story.servers, story.cluster, story.kubectl
    story.install_operated()
    secret = {"server.json": json.dumps({"ports": {"probe": 8559}})}
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": OTHER_PORT},
            "stringData": secret,
        }
    )
    cluster.patch({"spec": {"update": UPDATE}})
    good = cluster.body()["spec"]
    ids, term = servers.ids(), servers.raft(servers.leader())["Term"]
    with story.watched(), story.load() as load:
        began_s = story.note("bad images come")
        for what, change in BAD.items():
            leader, before = servers.leader(), _uids(story)
            story.note(f"an image {what}")
            cluster.patch({"spec": change})
            took_s = cluster.wait_for("Degraded", "True", "RolloutStuck", limit_name="stuck_told")
            story.figures[f"{what}: stuck after s"] = round(took_s, 1)
            (hit,) = (name for name, uid in _uids(story).items() if uid != before[name])
            assert hit != leader
            story.note(f"{hit} is stuck; the spec goes back")
            cluster.patch({"spec": {key: good.get(key) for key in change}})
            took_s = until(partial(_not_well, story, before, hit), "well", limit("settled"))
            story.figures[f"{what}: well after s"] = round(took_s, 1)

    assert load.ledger is not None
    writes = [one for one in load.ledger.operations if one.writes]
    refused = [one for one in writes if not (one.is_acked or one.is_outrun)]
    story.figures |= {
        "write gap s": load.gap_s(began_s, began_s + 3600),
        "writes without an answer": len(refused),
        "connections refused": len(refusals(load.ledger, load.ledger.at_ns(began_s))),
    }
    assert refused == [], refused[:3]
    assert servers.ids() == ids
    assert servers.raft(servers.leader())["Term"] == term, "the leader was never asked to go"
    assert len(cluster.events("RolloutStuck")) == len(BAD)


def _uids(story: Story) -> dict[str, str]:
    return {name: pod["metadata"]["uid"] for name, pod in story.servers.pods().items()}


def _not_well(story: Story, before: dict[str, str], hit: str) -> str:
    """What is missing until all is well; that nobody but `hit` ever went."""
    others = {name: uid for name, uid in _uids(story).items() if name != hit}
    assert others == {name: uid for name, uid in before.items() if name != hit}
    status, generation = story.cluster.status(), story.cluster.body()["metadata"]["generation"]
    if status["observedGeneration"] != generation:
        return "the operator has not looked"
    return story.cluster.is_not("Ready", "True") or story.servers.not_well()
