"""Case 14: from three servers to five and back, under load, with the operator killed on the way.

One run is undisturbed, goes the whole way and is refused what may not be. In each of the others
the operator is killed once, at one failpoint of the plans of scaling; its way leads through that
step. All servers may share nodes here: what is tested is the order of steps.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Final

import pytest

from e2e.cases.story import RELEASE, Story
from e2e.kubectl import CommandError, run
from e2e.load.pod import SLOWLY
from e2e.waits import limit, until
from proconsul_operator.plans.steps import STEPS, Operation, Step

ANYWHERE: Final[dict[str, list[Any]]] = {"topologySpreadConstraints": []}
KEPT: Final = {"size": "1Gi", "onScaleIn": "Retain"}
DROPPED: Final = {"size": "1Gi", "onScaleIn": "Delete"}
WHOLE_WAY: Final = (3, 5, 3, 5)
WAYS: Final = {
    Step.GROW_SET: (3, 5),
    Step.BRING_BACK: (3,),  # a person shrinks the set
    Step.SCALE_TRANSFER: (5, 3),
    Step.DECOMMISSION: (5, 3),
    Step.MARK_VOLUME: (5, 3),
    Step.SHRINK_SET: (5, 3),
    Step.DROP_VOLUME: (5, 3),
    Step.REMOVE_MEMBER: (3, 1),  # of two, one is removed before it leaves
    Step.UNMARK_VOLUME: (5, 3, 5),
    Step.RECOMMISSION: (5, 3, 5),
}
"""By step: the sizes on a way that leads through it; a step without one goes the whole way."""
KILLED_AT: Final = tuple(
    f"after-{step}"
    for step, row in STEPS.items()
    if row.acts and row.operation in (Operation.SCALE_UP, Operation.SCALE_IN)
)
RUNS: Final = ("undisturbed", *KILLED_AT)


@pytest.mark.case(minutes=5)
@pytest.mark.parametrize("run", RUNS)
def test_members_come_and_go_one_at_a_time(story: Story, run: str) -> None:
    step = run.removeprefix("after-")
    first, *sizes = WAYS.get(Step(step), WHOLE_WAY) if step != run else WHOLE_WAY
    storage = DROPPED if run == "after-DropVolume" else KEPT
    story.replicas = first
    story.install_operated(replicas=first, storage=storage, podTemplate=ANYWHERE)
    if step != run:
        story.operator.fail_at(run)
    sets: list[list[int]] = []
    with story.load(SLOWLY):
        for size in sizes:
            sets.append(_scale(story, size))
            if size == 3 and run == "undisturbed":
                _may_not_jump(story)
        if run == "after-BringBack":
            sets.append(_bring_back(story))
        if step != run:
            until(story.operator.has_died, f"it ended at {run}", limit("noticed"))
    if run == "undisturbed":
        _is_blocked_by_the_sick(story)
    story.figures["voters, one after the other"] = sets
    _volumes_are(story, storage, max(first, *sizes, 0))
    assert story.cluster.status()["voters"] == story.replicas


def _scale(story: Story, size: int) -> list[int]:
    """To that size; how many voters there were, one after the other."""
    servers, before = story.servers, story.servers.ids()
    larger, smaller = max(size, servers.replicas), min(size, servers.replicas)
    if size < servers.replicas:
        _let_lead(story, servers.names[-1])
    term = servers.raft(servers.leader())["Term"]

    def change() -> None:
        story.note(f"replicas: {size}")
        story.cluster.patch({"spec": {"replicas": size}})
        story.replicas = size

    sizes = _settle(story, change, members=larger, stay=smaller)
    now = story.servers.ids()
    assert [now[name] for name in story.servers.names[:smaller]] == list(before.values())[:smaller]
    if size > len(before):
        assert story.servers.raft(story.servers.leader())["Term"] == term, (
            "newcomers disturb nobody"
        )
        assert sizes == list(range(smaller, larger + 1))
    else:
        assert sizes == list(range(larger, smaller - 1, -1))
    return sizes


def _settle(story: Story, change: Callable[[], None], members: int, stay: int) -> list[int]:
    """While that many stay, their majority is ready."""
    with story.watched(members) as watcher:
        watcher.seen.floor = stay // 2 + 1
        change()
        until(lambda: _unsettled(story), "it is as the spec asks", limit("settled"))
    assert watcher.seen.never_learned() == set()
    assert watcher.seen.beyond_pods() == []
    # A learner that comes is a configuration with the same voters.
    return [size for size, _ in groupby(len(each) for each in watcher.seen.voter_sets())]


def _unsettled(story: Story) -> str:
    cluster, body = story.cluster, story.cluster.body()
    if cluster.status().get("observedGeneration") != body["metadata"]["generation"]:
        return "the operator has not seen it"
    if len(story.servers.pods()) != story.replicas:
        return f"pods {sorted(story.servers.pods())}: {cluster.status().get('operation')}"
    return story.servers.not_well() or cluster.is_not("Ready", "True")


def _let_lead(story: Story, name: str) -> None:
    """The one that has to go first is made the leader: it must hand over."""
    servers = story.servers
    wanted = f"/v1/operator/raft/transfer-leader?id={servers.raft(name)['NodeID']}"

    def other() -> str:
        leader = servers.leader()
        if leader != name:
            story.kubectl.ask(leader, servers.port, wanted, "POST")
        return "" if servers.leader() == name else f"{leader} leads"

    until(other, f"{name} leads", limit("noticed"))


def _bring_back(story: Story) -> list[int]:
    """A person shrinks the StatefulSet: the member that lost its pod gets it back."""
    ids = story.servers.ids()

    def shrink() -> None:
        story.note("a person shrinks the StatefulSet")
        story.kubectl("scale", "statefulset", RELEASE, "--replicas=2")
        until(story.operator.has_died, "it was brought back", limit("noticed"))

    sizes = _settle(story, shrink, members=3, stay=3)
    assert story.servers.ids() == ids
    return sizes


def _may_not_jump(story: Story) -> None:
    before = story.cluster.body()["spec"]["replicas"]
    for size, why in ((7, "at most two at a time"), (4, "must be 1, 3, 5 or 7")):
        with pytest.raises(CommandError, match=why):
            story.cluster.patch({"spec": {"replicas": size}})
        scale = ("scale", "proconsulcluster", RELEASE, f"--replicas={size}")
        with pytest.raises(CommandError, match=why):
            story.kubectl(*scale)
    assert story.cluster.body()["spec"]["replicas"] == before


def _is_blocked_by_the_sick(story: Story) -> None:
    """From five to three while the first is away: nobody leaves until it is back."""
    servers, cluster = story.servers, story.cluster
    voters = servers.voters()
    with _no_room():
        story.note("the first is away")
        servers.kill(servers.names[0])
        cluster.wait_for("AllMembersReady", "False", limit_name="noticed")
        cluster.patch({"spec": {"replicas": 3}})
        cluster.wait_for("Degraded", "True", "ScaleBlocked", limit_name="noticed")
        assert servers.voters() == voters
        assert len(servers.pods()) == 5
    story.replicas = 3
    until(lambda: _unsettled(story), "it is as the spec asks", limit("settled"))
    cluster.wait_for("Degraded", "False", limit_name="noticed")


@contextmanager
def _no_room() -> Iterator[None]:
    """No new pod finds a node."""
    nodes = run("kubectl", "get", "nodes", "-o", "name").split()
    free = [each for each in nodes if "true" not in run("kubectl", "get", each, "-o", CORDONED)]
    run("kubectl", "cordon", *free)
    try:
        yield
    finally:
        run("kubectl", "uncordon", *free)


CORDONED: Final = "jsonpath={.spec.unschedulable}"


def _volumes_are(story: Story, storage: dict[str, Any], most: int) -> None:
    """Those of members that left are kept, with their mark, or gone."""
    claims = story.kubectl.list("persistentvolumeclaims")
    marked = sum("proconsul.io/left" in each["metadata"]["labels"] for each in claims)
    kept = most if storage == KEPT else story.replicas
    assert (len(claims), marked) == (kept, kept - story.replicas)
