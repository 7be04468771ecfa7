"""Case 20: kinds, operator and servers come from the last release, and the operator goes back.

E2E_LAST is a folder with the tree of that release, and E2E_LAST_TAG (`last`) the tag of its images.
Without them there is no release to come from. With that tree in ../last:

    make -C ../last images IMAGE_TAG=last
    E2E_LAST=../last E2E_EXTRA_IMAGES=../last/build/server.tar:../last/build/operator.tar \\
      make e2e E2E_FLAGS="-k last_release"
"""

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from e2e import helm, operator
from e2e.cases.story import RELEASE, VALUES, Story
from e2e.images import TAG
from e2e.operator import Custom
from e2e.waits import limit, until

OTHER: Final = "other"  # a cluster of one server
RESTS_S: Final = 30.0  # with a new operator, and nothing else new
KEY: Final = "kept/before"  # the load answers for what is below e2e/
REFUSALS: Final = ("forbidden", '"code": 403', "status=403")


class Last(NamedTuple):
    """The release before this one."""

    tree: Path
    tag: str

    def chart(self, name: str) -> Path:
        """One of its charts."""
        return self.tree / "helm" / name


@pytest.mark.case(minutes=10)
def test_everything_comes_from_the_last_release_and_the_operator_goes_back(story: Story) -> None:
    last, servers, other = _last(), story.servers, story.custom("ProconsulCluster", OTHER)
    _install(story, last)
    servers.put(servers.leader(), KEY, 1)
    ids, before = servers.ids(), _pods(story)

    with story.watched() as watcher, story.load():
        watcher.seen.floor = 2
        story.note("the operator and its kinds are upgraded, and nothing else")
        _operator(story, helm.OPERATOR, TAG)
        _rests(story, before)
        _are_valid(story)

        story.note("the servers are upgraded, one cluster after the other")
        for name, cluster in ((RELEASE, story.cluster), (OTHER, other)):
            old = _pods(story)
            began_s = story.now_s()
            _servers(story, name, helm.SERVERS, TAG)
            until(partial(_not_renewed, story, name, old), "all pods are new", limit("rolled"))
            cluster.wait_for("Ready", "True", limit_name="settled")
            story.figures[f"{name} upgraded after s"] = round(story.now_s() - began_s, 1)
        servers.wait_until_well("settled")
        assert servers.ids() == ids

        story.note("the operator goes back to the last release")
        renewed = _pods(story)
        _operator(story, last.chart("proconsul-operator"), last.tag)
        _rests(story, renewed)
        other.patch({"spec": {"paused": True}})
        other.wait_for("Paused", "True", limit_name="noticed")
        other.patch({"spec": {"paused": False}})
        other.wait_for("Paused", "False", limit_name="noticed")
        _are_valid(story)
    assert servers.values_below("kept") == {KEY: 1}


def _last() -> Last:
    named = os.environ.get("E2E_LAST")
    if not named:
        pytest.skip("E2E_LAST names no tree of a release before this one")
    return Last(Path(named), os.environ.get("E2E_LAST_TAG", "last"))


def _install(story: Story, last: Last) -> None:
    story.note("the last release is installed, with two clusters")
    story.operator.install(chart=last.chart("proconsul-operator"), **operator.images(last.tag))
    for name in (RELEASE, OTHER):
        _servers(story, name, last.chart("proconsul"), last.tag, new=True)
    for name in (RELEASE, OTHER):
        story.custom("ProconsulCluster", name).wait_for(
            "Ready", "True", limit_name="operated_ready"
        )
    story.servers.wait_until_well("operated_ready")


def _operator(story: Story, chart: Path, tag: str) -> None:
    story.operator.upgrade(chart=chart, **operator.images(tag))
    story.operator.await_rollout()


def _servers(story: Story, name: str, chart: Path, tag: str, *, new: bool = False) -> None:
    size = {} if name == RELEASE else {"replicas": 1}
    own = {"mode": "operator", "fullnameOverride": name, "image": operator.image("proconsul", tag)}
    act = helm.install if new else helm.upgrade
    act(story.kubectl.namespace, name, {**VALUES, **own, **size}, "ready", chart=chart)


def _pods(story: Story) -> dict[str, str]:
    """Servers of both clusters, by name: their UIDs."""
    pods = story.kubectl.list("pods", "app.kubernetes.io/component=server")
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}


def _rests(story: Story, before: Mapping[str, str]) -> None:
    """The operator looked at both, and no server was touched because it is another one."""
    end_s = story.now_s() + RESTS_S
    story.rest_until(end_s)
    assert _pods(story) == dict(before), "servers were restarted because the operator changed"
    for name in (RELEASE, OTHER):
        custom: Custom = story.custom("ProconsulCluster", name)
        custom.wait_for("Ready", "True", limit_name="noticed")
    log = story.kubectl("logs", f"deployment/{operator.RELEASE}", "--tail=-1")
    refused = [line for line in log.splitlines() if any(word in line for word in REFUSALS)]
    assert refused == [], "it asks for what it has no right to"


def _are_valid(story: Story) -> None:
    """What is stored could be made anew under the schema that is in force.

    Under another name: an update would be let pass where it changes nothing.
    """
    for name in (RELEASE, OTHER):
        body = story.custom("ProconsulCluster", name).body()
        new = {key: body[key] for key in ("apiVersion", "kind", "spec")}
        new["metadata"] = {"name": f"{name}-again"}
        story.kubectl("create", "--dry-run=server", "-f", "-", given=json.dumps(new))


def _not_renewed(story: Story, name: str, old: Mapping[str, str]) -> str:
    pods = _pods(story)
    same = [pod for pod in old if pod.startswith(f"{name}-") and pods.get(pod) == old[pod]]
    return f"{same} are as they were" if same else ""
