"""Case 6: the nodes of two servers are drained at the same time, the leader's among them.

Volumes are the node's own here, as with any local storage: a server that was evicted waits for its
node. So the budget holds back the second drain until the first node is back and all are ready.
Only pods of servers are evicted, so that the load and the volumes' provisioner stay.
"""

import subprocess
from functools import partial

import pytest

from e2e.cases.story import Story
from e2e.kubectl import PROGRAM, CommandError, run
from e2e.waits import limit, until
from e2e.watcher import LABELS, is_ready

HELD_BACK_S = 15.0  # for so long the second drain is seen to wait


class Drain:
    """`kubectl drain` of one server's node; it is uncordoned at the end of `with`."""

    def __init__(self, story: Story, pod: str) -> None:
        self.pod = pod
        self.node = story.servers.pods()[pod]["spec"]["nodeName"]
        self._uid = _uid(story, pod)
        self._story = story
        self._log = story.folder / f"drain-{self.node}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Drain":
        selector = f"--pod-selector=app.kubernetes.io/instance={self._story.servers.name},{LABELS}"
        timeout = f"--timeout={limit('drained'):.0f}s"
        flags = ("--ignore-daemonsets", "--delete-emptydir-data", selector, timeout)
        self._story.folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                (PROGRAM, "drain", self.node, *flags), stdout=log, stderr=subprocess.STDOUT
            )
        self._story.note(f"the node of {self.pod}, {self.node}, is drained")
        return self

    def __exit__(self, *failure: object) -> None:
        assert self._process is not None, "it was entered"
        self._process.kill()
        self._process.wait()
        self.uncordon()

    def uncordon(self) -> None:
        """Pods may run there again."""
        self._story.note(f"{self.node} is uncordoned")
        run(PROGRAM, "uncordon", self.node)

    def is_over(self) -> bool:
        """Whether its server is gone. Raises CommandError if the drain failed."""
        assert self._process is not None, "it was entered"
        code = self._process.poll()
        if code:
            raise CommandError((f"kubectl drain {self.node}",), code, self._log.read_text())
        return code == 0

    def has_evicted(self) -> bool:
        """Whether its server is on its way out, or another pod by now."""
        pod = self._story.servers.pods().get(self.pod)
        if pod is None or "deletionTimestamp" in pod["metadata"]:
            return True
        return bool(pod["metadata"]["uid"] != self._uid)


@pytest.mark.case(minutes=5)
def test_two_drains_at_once_take_one_server_after_the_other(story: Story) -> None:
    servers = story.servers
    story.install()
    ids, claims = servers.ids(), _claims(story)
    with story.watched() as watcher, story.load() as load:
        leader = servers.leader()
        follower = next(name for name in servers.names if name != leader)
        began_s = story.note("both drains begin")
        with Drain(story, leader) as one, Drain(story, follower) as two:
            until(partial(_nobody, one, two), "one drain is over", limit("drained"))
            first, second = (one, two) if one.is_over() else (two, one)
            held_s = story.now_s()
            story.rest_until(held_s + HELD_BACK_S, partial(_held_back, story, second))
            waits = _why_pending(story, first.pod)
            first.uncordon()
            until(
                lambda: "" if second.is_over() else "it runs", "the other drain", limit("drained")
            )
            ready_before = _ready_when_evicted(watcher.seen.ready, held_s)
            second.uncordon()
            servers.wait_until_well("drained")
            over_s = story.note("both are back")

    gap_s = load.gap_s(began_s, over_s)
    story.figures |= {
        "write gap s": gap_s,
        "drained first": "the leader" if first.pod == leader else "the follower",
        "both drained and back after s": round(over_s - began_s, 1),
        "why the first one waited": waits,
    }
    assert gap_s <= limit("write_gap_in_drain")
    assert ready_before == 3, "the second one was evicted while another was away"
    assert servers.ids() == ids
    assert _claims(story) == claims
    # Autopilot takes out who is away for long, and takes it in again as the same member. It is not
    # ready before it votes: else the second eviction would leave one of two voters.
    sets = watcher.seen.voter_sets()
    assert all(each <= set(ids.values()) and len(each) >= 2 for each in sets)


def _uid(story: Story, pod: str) -> str:
    return str(story.servers.pods()[pod]["metadata"]["uid"])


def _claims(story: Story) -> dict[str, str]:
    claims = story.kubectl.list("persistentvolumeclaims")
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in claims}


def _nobody(one: Drain, two: Drain) -> str:
    assert not (one.has_evicted() and two.has_evicted()), "both were evicted at once"
    return "" if one.is_over() or two.is_over() else "both run"


def _held_back(story: Story, drain: Drain) -> None:
    """As long as another is away nothing may happen to its server."""
    assert not drain.has_evicted(), f"{drain.pod} was evicted while another was away"
    assert is_ready(story.servers.pods()[drain.pod])


def _why_pending(story: Story, pod: str) -> str:
    """What the scheduler says of a server whose volume is on a node that takes nobody."""
    found = story.servers.pods()[pod]
    assert found["status"]["phase"] == "Pending"
    conditions = found["status"].get("conditions", ())
    told = [one.get("message", "") for one in conditions if one["type"] == "PodScheduled"]
    return told[0] if told else ""


def _ready_when_evicted(ready: list[tuple[float, int]], from_s: float) -> int:
    """How many were ready just before the last time that one went."""
    later = [count for at_s, count in ready if at_s >= from_s]
    return max(later, default=0)
