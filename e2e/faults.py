"""Faults of the network and of machines, done on the nodes.

A node is reached by a command that is called as docker is for kind's nodes: `docker exec NODE
COMMAND ...`, `docker kill NODE`, `docker start NODE`. E2E_NODES names one for a given cluster;
without it a given cluster has no such faults.

A packet from one pod to another is dropped in the FORWARD chain of the first one's node, by its
addresses. Flows that stand end at once, and the kubelet's probes, which come from the node itself,
still pass: Kubernetes notices nothing. Each rule has a comment, by which `heal` finds it again.
Both pods must be on nodes of their own: a bridge between two pods of one node may not ask iptables.
"""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from e2e.kubectl import Manifest, run

COMMENT = "proconsul-e2e"
IPTABLES = ("iptables", "-w")
EVERYBODY = "0.0.0.0/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One direction between two addresses, and the node that sees it."""

    node: str
    source: str
    target: str


def one_way(source: Manifest, target: Manifest) -> Way:
    """From one pod to another, both running."""
    nodes = [pod["spec"]["nodeName"] for pod in (source, target)]
    assert nodes[0] != nodes[1], f"both pods are on {nodes[0]}"
    addresses = [pod["status"]["podIP"] for pod in (source, target)]
    return Way(node=nodes[0], source=addresses[0], target=addresses[1])


def both_ways(one: Manifest, others: Iterable[Manifest]) -> list[Way]:
    """Between one pod and each of the others."""
    return [way for each in others for way in (one_way(one, each), one_way(each, one))]


def all_ways(pod: Manifest) -> list[Way]:
    """From and to everybody but the pod's own node."""
    node, address = pod["spec"]["nodeName"], pod["status"]["podIP"]
    return [
        Way(node=node, source=address, target=EVERYBODY),
        Way(node=node, source=EVERYBODY, target=address),
    ]


@dataclass(frozen=True, slots=True)
class Nodes:
    """The machines of a cluster."""

    tool: tuple[str, ...]

    def execute(self, node: str, *command: str) -> str:
        """What a command prints on a node. Raises CommandError."""
        return run(*self.tool, "exec", node, *command)

    def kill(self, node: str) -> None:
        """Its power is gone."""
        run(*self.tool, "kill", node)

    def start(self, node: str) -> None:
        """It has power again, with its disk."""
        run(*self.tool, "start", node)

    @contextmanager
    def cut(self, ways: Iterable[Way]) -> Iterator[None]:
        """Packets on these ways are lost until the end of the `with`."""
        by_node: dict[str, list[Way]] = defaultdict(list)
        for way in ways:
            by_node[way.node].append(way)
        try:
            for node, here in by_node.items():
                # One call a node, so that a cut is a moment.
                self.execute(node, "sh", "-c", " && ".join(_added(way) for way in here))
            yield
        finally:
            for node in by_node:
                self.heal(node)

    def heal(self, node: str) -> None:
        """Take out all rules of ours, whoever added them."""
        rules = self.execute(node, *IPTABLES, "-S", "FORWARD").splitlines()
        for rule in rules:
            words = shlex.split(rule)
            if COMMENT in words:
                self.execute(node, *IPTABLES, "-D", *words[1:])


def _added(way: Way) -> str:
    rule = ("-s", way.source, "-d", way.target, "-m", "comment", "--comment", COMMENT)
    return shlex.join((*IPTABLES, "-I", "FORWARD", *rule, "-j", "DROP"))


def of(environ: Mapping[str, str]) -> Nodes | None:
    """Those of the cluster that the cases run on; None if they cannot be reached."""
    if tool := environ.get("E2E_NODES", ""):
        return Nodes(tuple(shlex.split(tool)))
    return Nodes(("docker",)) if environ.get("E2E_CLUSTER", "kind") == "kind" else None
