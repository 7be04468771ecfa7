"""What must be true at every moment of a case, looked at five times a second.

- Never two leaders in one term.
- From one committed configuration to the next that was seen, at most one voter comes or goes; and
  one index of the log has one configuration. Those of before the first one that was seen, which a
  member tells that comes back after a while, are not looked at.
- The term that a member knows never goes back; all members belong to one cluster.
- At least `floor` pods are ready (all but one, unless the case says otherwise).

`Invariants` judges samples and is pure; `Watcher` takes them, with one thread a member, as the API
server takes seconds to give up a pod that is gone. Its timeline is also what figures are made of.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from e2e.kubectl import Kubectl, Manifest

LOOK_S = 0.2
COMPLAINTS_MAX = 50
LABELS = "app.kubernetes.io/component=server"


@dataclass(slots=True)
class Invariants:
    """What was seen so far, and what it contradicts."""

    members: int
    floor: int  # how many must be ready
    complaints: list[str] = field(default_factory=list)
    leaders: dict[int, tuple[str, str, float]] = field(default_factory=dict)
    """By term: the leader's ID and name, and when it was first seen, wall clock."""
    ready: list[tuple[float, int]] = field(default_factory=list)
    """How many pods were ready, from when."""
    pods: list[tuple[float, int]] = field(default_factory=list)
    """How many pods there were, from when; those on their way out too."""
    configurations: list[tuple[float, int]] = field(default_factory=list)
    """How many voters a committed configuration had, when it was first seen."""
    learners: set[str] = field(default_factory=set)
    """The IDs of all that were ever seen as members without a vote."""
    _terms: dict[str, int] = field(default_factory=dict)
    _voters: dict[int, frozenset[str]] = field(default_factory=dict)
    _cluster: str = ""

    def see_member(self, at_s: float, raft: Mapping[str, Any]) -> None:
        """The document of `GET /v1/proconsul/raft/local`."""
        who, node, term = raft["NodeName"], raft["NodeID"], raft["Term"]
        if raft["State"] == "Leader":
            other = self.leaders.setdefault(term, (node, who, at_s))
            if other[0] != node:
                self._complain(at_s, f"term {term} has two leaders: {other[1]} and {who}")
        if term < self._terms.get(node, 0):
            self._complain(at_s, f"{who} went back from term {self._terms[node]} to {term}")
        self._terms[node] = max(term, self._terms.get(node, 0))
        if raft["ClusterID"]:
            self._cluster = self._cluster or raft["ClusterID"]
            if raft["ClusterID"] != self._cluster:
                self._complain(
                    at_s, f"{who} is of cluster {raft['ClusterID']}, not {self._cluster}"
                )
        self._see_configuration(at_s, raft)

    def _see_configuration(self, at_s: float, raft: Mapping[str, Any]) -> None:
        index = raft["Configuration"]["Index"]
        if index == 0 or index > raft["CommitIndex"]:
            return  # none yet, or not agreed upon: it may yet be another one
        if self._voters and index < min(self._voters):
            return
        servers = raft["Configuration"]["Servers"]
        self.learners |= {one["ID"] for one in servers if not one["Voter"]}
        voters = frozenset(one["ID"] for one in servers if one["Voter"])
        known = self._voters.get(index)
        if known is not None:
            if known != voters:
                self._complain(at_s, f"configuration {index} is {set(known)} and {set(voters)}")
            return
        self._voters[index] = voters
        if index == max(self._voters):
            self.configurations.append((at_s, len(voters)))
        places = sorted(self._voters)
        here = places.index(index)
        for other in places[max(here - 1, 0) : here] + places[here + 1 : here + 2]:
            change = voters ^ self._voters[other]
            # The first one of all is the founder's list, before which there is none.
            if len(change) > 1:
                self._complain(
                    at_s, f"configurations {sorted((other, index))} differ by {sorted(change)}"
                )

    def voter_sets(self) -> list[frozenset[str]]:
        """The voters of each committed configuration that was seen, in the log's order."""
        return [self._voters[index] for index in sorted(self._voters)]

    def never_learned(self) -> set[str]:
        """The IDs of voters that came after the first configuration and never were learners."""
        first, *others = self.voter_sets()
        return set().union(*others) - first - self.learners

    def beyond_pods(self) -> list[str]:
        """When there were more voters than pods."""
        moments = sorted([*((at_s, "pods", n) for at_s, n in self.pods),
                          *((at_s, "voters", n) for at_s, n in self.configurations)])  # fmt: skip
        now: dict[str, int] = {}
        told = []
        for at_s, kind, number in moments:
            now[kind] = number
            if len(now) == 2 and now["voters"] > now["pods"]:
                told.append(f"{at_s:.1f}: {now['voters']} voters, {now['pods']} pods")
        return told

    def see_pods(self, at_s: float, pods: list[Manifest]) -> None:
        """The servers' pods."""
        if not self.pods or self.pods[-1][1] != len(pods):
            self.pods.append((at_s, len(pods)))
        count = sum(is_ready(pod) for pod in pods)
        if not self.ready or self.ready[-1][1] != count:
            self.ready.append((at_s, count))
            if count < self.floor:
                self._complain(at_s, f"{count} pods are ready, {self.floor} must be")

    def _complain(self, at_s: float, what: str) -> None:
        line = f"{time.strftime('%H:%M:%S', time.gmtime(at_s))} {what}"
        if len(self.complaints) < COMPLAINTS_MAX:
            self.complaints.append(line)


def is_ready(pod: Manifest) -> bool:
    """Whether Kubernetes sends it requests."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


class Watcher:
    """Looks at the servers of a namespace, from `with` to its end."""

    def __init__(self, kubectl: Kubectl, name: str, members: int, port: int) -> None:
        """`name` is the StatefulSet's."""
        self.seen = Invariants(members, floor=members - 1)
        self._kubectl = kubectl
        self._name = name
        self._port = port
        self._lock = threading.Lock()
        self._done = threading.Event()
        looks = [threading.Thread(target=self._look, args=(self._pods,), daemon=True)]
        for ordinal in range(members):
            look = (lambda pod=f"{name}-{ordinal}": self._member(pod),)
            looks.append(threading.Thread(target=self._look, args=look, daemon=True))
        self._threads = looks

    def __enter__(self) -> "Watcher":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def expecting(self, floor: int) -> Iterator[None]:
        """For so long only so many must be ready."""
        before = self.seen.floor
        with self._lock:
            self.seen.floor = floor
        yield
        with self._lock:
            self.seen.floor = before

    def _look(self, once: Any) -> None:
        while not self._done.wait(LOOK_S):
            try:
                once()
            except (OSError, ValueError, LookupError):
                continue  # it does not answer: nothing is known

    def _pods(self) -> None:
        labels = f"app.kubernetes.io/instance={self._name},{LABELS}"
        pods = self._kubectl.list("pods", labels)
        with self._lock:
            self.seen.see_pods(time.time(), pods)

    def _member(self, pod: str) -> None:
        body, _ = self._kubectl.ask(pod, self._port, "/v1/proconsul/raft/local")
        raft = json.loads(body)
        with self._lock:
            self.seen.see_member(time.time(), raft)
