"""Case 11, second part: a node with a server's volume is gone for good, and a person says so.

The node loses power and is deleted. The server's new pod waits for a volume that nobody has: the
operator tells, and does nothing, until the pod is annotated. It does nothing either while a second
server is away. Then the server begins anew on another node. The node comes back at the end.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from e2e import faults, operator
from e2e.cases import volumes
from e2e.cases.story import Story
from e2e.kubectl import PROGRAM, AnswerError, Manifest, run
from e2e.load.pod import NAME as LOAD
from e2e.waits import limit, until
from e2e.watcher import is_ready

ANNOTATION = "proconsul.io/replace-member"
ROLE = "proconsul-e2e-nodes"
UNTOUCHED_S = 20.0  # for so long it is seen that nothing is deleted


@pytest.mark.case(minutes=10)
def test_a_server_whose_node_is_gone_is_replaced_when_it_is_said_and_safe(story: Story) -> None:
    nodes = story.nodes
    with _may_see_nodes(story):
        story.install_operated()
        _loses_a_node(story, nodes)


def _loses_a_node(story: Story, nodes: faults.Nodes) -> None:
    servers, kubectl = story.servers, story.kubectl
    ids = servers.ids()
    with story.watched() as watcher, story.load() as load:
        gone, other = _followers(story)
        node = str(servers.pods()[gone]["spec"]["nodeName"])
        claim = kubectl.get("persistentvolumeclaims", f"data-{gone}")["metadata"]["uid"]
        began_s = story.note(f"{node}, the node of {gone}, loses its power")
        with _without(story, nodes, node):
            until(partial(_waits, story, gone), f"a new {gone} waits", limit("node_gone"))
            story.cluster.wait_for("DataVolumesReady", "False", "NodeGone", limit_name="noticed")
            # As it stands in the message: that is the command that a person copies.
            word = story.cluster.condition("DataVolumesReady")[2].split()[-1]
            assert word in (f"{ANNOTATION}={ids[gone]}", f"{ANNOTATION}={claim}")
            _keeps(story, gone, claim)

            pods = servers.pods()
            third = servers.leader()
            with watcher.expecting(0):
                with nodes.cut(faults.both_ways(pods[other], [pods[third]])):
                    story.note(f"{other} is cut off, {gone} is annotated")
                    until(partial(_is_ready, story, other), f"{other} is unready", limit("noticed"))
                    kubectl("annotate", "pod", gone, word)
                    _keeps(story, gone, claim)
                    healed_s = story.note("it is healed")
                for name in (other, third):
                    until(partial(_is_unready, story, name), f"{name} is ready", limit("noticed"))
            replaced_s = volumes.await_replacement(story, ids[gone])
            servers.wait_until_well("member_replaced")
            assert servers.pods()[gone]["spec"]["nodeName"] != node

    now = servers.ids()
    sets = watcher.seen.voter_sets()
    story.figures |= {
        "replaced after s": round(replaced_s, 1),
        "write gap before the second fault s": load.gap_s(began_s, began_s + UNTOUCHED_S),
        "write gap after it s": load.gap_s(healed_s, healed_s + replaced_s),
        "voters, one after the other": [len(each) for each in sets],
    }
    assert now[gone] != ids[gone]
    assert {**now, gone: ""} == {**ids, gone: ""}
    assert all(2 <= len(each) <= 3 for each in sets), "four voters lose a quorum with two"


@contextmanager
def _may_see_nodes(story: Story) -> Iterator[None]:
    """What an operator of one namespace is not given by its chart: then it cannot tell of nodes."""
    account = f"--serviceaccount={story.kubectl.namespace}:{operator.RELEASE}"
    run(PROGRAM, "create", "clusterrole", ROLE, "--verb=get", "--resource=nodes,storageclasses")
    run(PROGRAM, "create", "clusterrolebinding", ROLE, f"--clusterrole={ROLE}", account)
    try:
        yield
    finally:
        run(PROGRAM, "delete", "clusterrolebinding,clusterrole", ROLE)


def _followers(story: Story) -> tuple[str, str]:
    """The one to lose, whose node is not the load's, and the other."""
    pods, leader = story.servers.pods(), story.servers.leader()
    busy = story.kubectl.get("pods", LOAD)["spec"]["nodeName"]
    followers = [name for name in story.servers.names if name != leader]
    followers.sort(key=lambda name: bool(pods[name]["spec"]["nodeName"] == busy))
    return followers[0], followers[1]


@contextmanager
def _without(story: Story, nodes: faults.Nodes, name: str) -> Iterator[None]:
    """A node without power, and Kubernetes told that it is no more; at the end it is back."""
    path = f"/api/v1/nodes/{name}"
    before: Manifest = story.kubectl.proxy.json(path)
    nodes.kill(name)
    try:
        until(partial(_node_ready, story, path), f"{name} is missed", limit("node_gone"))
        run(PROGRAM, "delete", "node", name)
        story.note(f"{name} is deleted")
        yield
    finally:
        _register(before)
        nodes.start(name)
        until(
            lambda: "" if _node_ready(story, path) else "it is not ready",
            f"{name} is back",
            limit("node_back"),
        )


def _register(before: Manifest) -> None:
    """The node as it was: its pods' network must stay the one that it has set up."""
    metadata = {key: before["metadata"][key] for key in ("name", "labels", "annotations")}
    spec = {key: value for key, value in before["spec"].items() if key != "taints"}
    body = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}
    run(PROGRAM, "apply", "-f", "-", given=json.dumps(body))


def _node_ready(story: Story, path: str) -> str:
    try:
        node = story.kubectl.proxy.json(path)
    except AnswerError as failure:
        if failure.status == 404:
            return ""
        raise
    conditions = node["status"].get("conditions", ())
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return "it is ready" if ready else ""


def _waits(story: Story, pod: str) -> str:
    found = story.servers.pods().get(pod)
    if found is None or found["spec"].get("nodeName"):
        return f"{pod}: {found and found['spec'].get('nodeName')}"
    return ""


def _is_unready(story: Story, name: str) -> str:
    return "" if _is_ready(story, name) else f"{name} is not"


def _is_ready(story: Story, pod: str) -> str:
    return f"{pod} is ready" if is_ready(story.servers.pods()[pod]) else ""


def _keeps(story: Story, pod: str, claim: str) -> None:
    """For a while nothing may happen to its claim."""

    def look() -> None:
        found = story.kubectl.get("persistentvolumeclaims", f"data-{pod}")["metadata"]
        assert found["uid"] == claim, "the claim is another one"
        assert "deletionTimestamp" not in found, "the claim is being deleted"

    story.rest_until(story.now_s() + UNTOUCHED_S, look)
