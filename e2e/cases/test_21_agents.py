"""Case 21: agents in the cluster, the chart's own on every node, and a real Consul client as a pod.

They join by gossip, what is registered with them is in the catalog and checked by them, keys are
written through them, and they go on when the leader is gone and when all servers have moved.
"""

import base64
import json
import os
from functools import partial
from typing import Any, Final

import pytest

from e2e import helm, operator
from e2e.agents import CLIENTS, Agent, chart_agents, real_program, start_real
from e2e.cases.story import IMAGE, RELEASE, VALUES, Story
from e2e.waits import limit, until

RUNS: Final = ("standalone", "operated")
CLIENT: Final = {"client": {"enabled": True, "image": operator.image("proconsul")}}
SECRET: Final = f"{RELEASE}-gossip"
ALIVE, LEFT = 1, 3  # serf's states


@pytest.mark.case(minutes=5)
@pytest.mark.parametrize("how", RUNS)
def test_agents_in_the_cluster_join_and_serve(story: Story, how: str) -> None:
    program = real_program()
    if program is None:
        pytest.skip("CONSUL_REAL names no Consul whose client could join")
    servers, kubectl = story.servers, story.kubectl
    if how == "standalone":
        story.install(**CLIENT)
    else:
        story.install_operated(**CLIENT)
    nodes = len([one for one in _nodes(story) if not _is_tainted(one)])
    joined = until(lambda: _too_few(story, nodes), "an agent a node", limit("agents_joined"))
    story.figures["agents joined after s"] = round(joined, 1)
    real = start_real(kubectl, program, IMAGE, RELEASE, SECRET)
    ours = [Agent(kubectl=kubectl, pod=name) for name in sorted(chart_agents(kubectl))]
    until(lambda: _not(story, real, ALIVE), "the real one is a member", limit("agents_joined"))

    story.note("services are registered, keys are written")
    for number, agent in enumerate((real, *ours)):
        agent.register(f"web-{number}", 8500)
        agent.register(f"gone-{number}", 1)
        assert agent.ask(f"/v1/kv/by/{number}", "PUT", b"value") == b"true"
        until(partial(_not_checked, story, number), f"web-{number}", limit("noticed"))
    for pod in servers.names:
        found = servers.ask(pod, "/v1/kv/by/0?consistent")
        assert base64.b64decode(found[0]["Value"]) == b"value"

    story.note("the leader's pod is deleted")
    servers.kill(servers.leader())
    servers.wait_until_well("back_as_voter")
    _still_serve(story, real, ours)
    story.note("all servers are restarted, at new addresses")
    kubectl("delete", "pod", *servers.names, "--wait=false")
    servers.wait_until_well("settled")
    story.figures["served again after s"] = _still_serve(story, real, ours)

    story.note("the chart's agents are no longer wanted")
    _upgrade(story, how)
    until(lambda: _agents_left(story, nodes), "they have left", limit("agents_joined"))
    assert _not(story, real, ALIVE) == ""


def _upgrade(story: Story, how: str) -> None:
    mode = {} if how == "standalone" else {"mode": "operator"}
    helm.upgrade(story.kubectl.namespace, RELEASE, {**VALUES, **mode}, "ready")


def _nodes(story: Story) -> list[Any]:
    found: list[Any] = story.kubectl.proxy.json("/api/v1/nodes")["items"]
    return found


def _is_tainted(node: Any) -> bool:
    return any(taint["effect"] != "PreferNoSchedule" for taint in node["spec"].get("taints", ()))


def _members(story: Story) -> dict[str, dict[str, Any]]:
    found = story.servers.ask(story.servers.leader(), "/v1/agent/members")
    return {one["Name"]: one for one in found}


def _too_few(story: Story, nodes: int) -> str:
    ready = chart_agents(story.kubectl)
    members = _members(story)
    alive = [
        pod["spec"]["nodeName"]
        for pod in ready.values()
        if members.get(pod["spec"]["nodeName"], {}).get("Status") == ALIVE
    ]
    return "" if len(alive) == nodes else f"of {nodes}: {sorted(alive)}"


def _not(story: Story, agent: Agent, status: int) -> str:
    found = _members(story).get(agent.pod, {})
    return "" if found.get("Status") == status else f"{found}"


def _not_checked(story: Story, number: int) -> str:
    """Whether the one that answers passes, and the one where nobody answers does not."""
    leader = story.servers.leader()
    for name, wanted in ((f"web-{number}", "passing"), (f"gone-{number}", "critical")):
        (found,) = story.servers.ask(leader, f"/v1/health/service/{name}")
        states = {check["CheckID"]: check["Status"] for check in found["Checks"]}
        if states.get(f"service:{name}") != wanted or states.get("serfHealth") != "passing":
            return f"{name}: {states}"
    return ""


def _still_serve(story: Story, real: Agent, ours: list[Agent]) -> float:
    """All of them take a write, and are healthy members: how long that took, in seconds."""
    value = os.urandom(4).hex().encode()

    def look() -> str:
        for number, agent in enumerate((real, *ours)):
            if agent.ask(f"/v1/kv/by/{number}", "PUT", value) != b"true":
                return f"{agent.pod} takes no write"
            found = json.loads(agent.ask(f"/v1/kv/by/{number}?consistent"))
            if base64.b64decode(found[0]["Value"]) != value:
                return f"{agent.pod} reads {found}"
            if missing := _not_checked(story, number):
                return missing
        return ""

    return round(until(look, "all agents serve", limit("settled")), 1)


def _agents_left(story: Story, count: int) -> str:
    gone = [name for name, one in _members(story).items() if one["Status"] == LEFT]
    pods = story.kubectl.list("pods", CLIENTS)
    return "" if len(gone) == count and not pods else f"left {gone}, pods {len(pods)}"
