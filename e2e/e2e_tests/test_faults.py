"""Which rules cut which ways, and that healing takes out ours and leaves the others'.

The nodes are a program of the test's own, called as docker is: it keeps each node's rules in a file
and understands as much of iptables as is asked of it.
"""

import sys
from pathlib import Path

import pytest

from e2e import faults
from e2e.kubectl import CommandError, Manifest

NODES = """
import shlex, subprocess, sys
from pathlib import Path

def iptables(rules, words):
    match words:
        case ["-w", "-I", "FORWARD", *rule]: return [shlex.join(["-A", "FORWARD", *rule]), *rules]
        case ["-w", "-D", *rule]:
            rules.remove(shlex.join(["-A", *rule]))
            return rules
        case ["-w", "-S", "FORWARD"]:
            print("-P FORWARD ACCEPT", *rules, sep="\\n")
            return rules
    sys.exit(f"what is {words}?")

folder, verb, node, *words = sys.argv[1:]
place = Path(folder, node)
if verb != "exec":
    Path(folder, "told").open("a").write(f"{verb} {node}\\n")
    sys.exit()
rules = place.read_text().splitlines() if place.exists() else []
commands = words[2].split(" && ") if words[:2] == ["sh", "-c"] else [shlex.join(words)]
for command in commands:
    program, *rest = shlex.split(command)
    rules = iptables(rules, rest)
place.write_text("".join(f"{rule}\\n" for rule in rules))
"""
FOREIGN = "-A FORWARD -s 10.9.9.9/32 -j DROP"


@pytest.fixture
def nodes(tmp_path: Path) -> faults.Nodes:
    """Their rules are in tmp_path, a file a node."""
    (tmp_path / "nodes.py").write_text(NODES)
    return faults.Nodes((sys.executable, str(tmp_path / "nodes.py"), str(tmp_path)))


def pod(number: int) -> Manifest:
    """On a node of its own."""
    return {"spec": {"nodeName": f"n{number}"}, "status": {"podIP": f"10.0.0.{number}"}}


def rules(folder: Path, number: int) -> list[str]:
    """Of a node, without what is the same in all: who is not heard by whom."""
    place = folder / f"n{number}"
    text = place.read_text() if place.exists() else ""
    tail = f" -m comment --comment {faults.COMMENT} -j DROP"
    return [line.removeprefix("-A FORWARD ").removesuffix(tail) for line in text.splitlines()]


def test_both_ways_are_cut_each_on_the_node_of_who_sends(
    nodes: faults.Nodes, tmp_path: Path
) -> None:
    with nodes.cut(faults.both_ways(pod(1), [pod(2), pod(3)])):
        assert sorted(rules(tmp_path, 1)) == [
            "-s 10.0.0.1 -d 10.0.0.2", "-s 10.0.0.1 -d 10.0.0.3"
        ]  # fmt: skip
        assert rules(tmp_path, 2) == ["-s 10.0.0.2 -d 10.0.0.1"]
        assert rules(tmp_path, 3) == ["-s 10.0.0.3 -d 10.0.0.1"]
    assert [rules(tmp_path, number) for number in (1, 2, 3)] == [[], [], []]


def test_one_way_is_cut_and_the_other_is_not(nodes: faults.Nodes, tmp_path: Path) -> None:
    with nodes.cut([faults.one_way(pod(1), pod(2))]):
        assert (rules(tmp_path, 1), rules(tmp_path, 2)) == (["-s 10.0.0.1 -d 10.0.0.2"], [])


def test_from_everybody_a_pod_is_cut_on_its_own_node_alone(
    nodes: faults.Nodes, tmp_path: Path
) -> None:
    with nodes.cut(faults.all_ways(pod(1))):
        assert len(rules(tmp_path, 1)) == 2
        assert {place.name for place in tmp_path.iterdir()} == {"n1", "nodes.py"}


def test_it_is_healed_when_the_case_fails_and_rules_of_others_stay(
    nodes: faults.Nodes, tmp_path: Path
) -> None:
    (tmp_path / "n1").write_text(f"{FOREIGN}\n")

    def case() -> None:
        with nodes.cut([faults.one_way(pod(1), pod(2))]):
            assert len(rules(tmp_path, 1)) == 2
            raise LookupError("nobody leads")

    with pytest.raises(LookupError):
        case()
    assert (tmp_path / "n1").read_text() == f"{FOREIGN}\n"


def test_pods_of_one_node_cannot_be_cut(nodes: faults.Nodes) -> None:
    with pytest.raises(AssertionError, match="both pods are on n1"):
        faults.both_ways(pod(1), [pod(1)])
    with pytest.raises(CommandError, match="what is"):
        nodes.execute("n1", "iptables", "--frobnicate")


def test_a_node_loses_power_and_gets_it_back(nodes: faults.Nodes, tmp_path: Path) -> None:
    nodes.kill("n1")
    nodes.start("n1")
    assert (tmp_path / "told").read_text() == "kill n1\nstart n1\n"


def test_nodes_are_kinds_or_what_is_named_or_out_of_reach() -> None:
    assert faults.of({}) == faults.Nodes(("docker",))
    assert faults.of({"E2E_CLUSTER": "given"}) is None
    assert faults.of({"E2E_CLUSTER": "given", "E2E_NODES": "lab nodes"}) == faults.Nodes(
        ("lab", "nodes")
    )
