"""A cluster of real Consul 1.8.7 moves to our servers and back, while clients write through it.

What docs/migrate-from-consul.md tells, step by step, with a look at the whole after each: three
real servers with one of everything and a real client agent; three of ours join by gossip; each kind
leads, with writes through every server; the real ones leave one by one; then the way back.

    python -m server_tests.with_consul.migration
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server_tests.fsm.everything import fill
from server_tests.fsm.real_server import RealServer, free_address
from server_tests.fsm.states import records, said
from server_tests.with_consul.servers import Node, leader_of, until

VOTES_WITHIN_S = 90.0
TURNS_MAX = 20  # of letting chance decide who leads next
WRITE_TIMEOUT_S = 10.0
REST_S = 0.02  # after a write that failed
PAUSE_S = 0.005  # between two writes: the servers share a machine

# As Consul begins with; to fill a server with one of everything changes it.
AUTOPILOT = {
    "CleanupDeadServers": True,
    "LastContactThreshold": "200ms",
    "MaxTrailingLogs": 250,
    "ServerStabilizationTime": "10s",
}

# Kinds of records that nothing but their owners change (fsm/commands.MessageType).
LASTING = {
    "prepared queries": 7,
    "intentions": 12,
    "ACL tokens": 17,
    "ACL policies": 19,
    "ACL roles": 23,
    "ACL binding rules": 25,
    "ACL auth methods": 27,
    "config entries": 22,
    "keys": 2,
}


class Writer:
    """Writes keys one after the other, through one server after the other, and notes the pauses."""

    def __init__(self, through: Callable[[], Sequence[Node]]) -> None:
        self._through = through
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged: list[int] = []
        self.longest_gap_s = 0.0
        self._last_s = time.monotonic()

    def start(self) -> None:
        """Begin."""
        self._last_s = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(60)

    def take_gap_s(self) -> float:
        """The longest pause between two acknowledged writes since this was asked last."""
        gap_s = max(self.longest_gap_s, time.monotonic() - self._last_s)
        self.longest_gap_s = 0.0
        return gap_s

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            nodes = self._through()
            node = nodes[number % len(nodes)]
            if self._write(node, number):
                now_s = time.monotonic()
                self.longest_gap_s = max(self.longest_gap_s, now_s - self._last_s)
                self._last_s = now_s
                self.acknowledged.append(number)
                self._stop.wait(PAUSE_S)
            else:
                self._stop.wait(REST_S)
            number += 1

    def _write(self, node: Node, number: int) -> bool:
        try:
            status, answer = node.call("PUT", f"/v1/kv/writer/{number:06}", str(number).encode())
        except (OSError, ValueError):
            return False
        return status == 200 and answer.strip() == b"true"


@dataclass
class Client(RealServer):
    """A real client agent, which knows the servers by gossip only."""

    folder: Path
    joins: Sequence[Node]
    address: str
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it."""
        flags = [f"-retry-join={node.address}" for node in self.joins]
        with (self.folder / "client.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    os.environ["CONSUL_REAL"],
                    *("agent", "-node=client", f"-data-dir={self.folder / 'client'}"),
                    *(f"-bind={self.address}", f"-client={self.address}", "-dns-port=-1", *flags),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass
class Seen:
    """What is told at the end, a line each."""

    lines: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """Say it now, too."""
        self.lines.append(text)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


class Migration:
    """The whole story; `run` tells it and raises AssertionError where it is not as it should be."""

    def __init__(self, folder: Path, ending: ExitStack) -> None:
        self._folder = folder
        self._ending = ending
        self._host = 40
        self.seen = Seen()
        self.living: list[Node] = []
        self.writer = Writer(lambda: self.living)

    # ------------------------------------------------------------ steps

    def run(self) -> None:
        """There and back."""
        real = self._nodes("real", 3, ours=False)
        self._found(real)
        client = self._client(real)
        fill(self._leader())
        self._leader().put("/v1/operator/autopilot/configuration", AUTOPILOT)
        before = lasting(self._leader())
        self.writer.start()
        self._ending.callback(self.writer.stop)
        ours = self._nodes("ours", 3, ours=True)
        self._join(ours)
        self._write_through_every_server("a real server leads", leader_is_ours=False)
        self._lead(ours, "one of ours leads")
        self._hand_to(real, "a real one leads again")
        self._leave_one_by_one(real)
        self._look(client, before, "on ours alone")
        back = self._nodes("back", 3, ours=False)
        self._join(back)
        self._leave_one_by_one(ours)
        self._look(client, before, "back on Consul 1.8.7")
        self.writer.stop()

    def _nodes(self, kind: str, count: int, *, ours: bool) -> list[Node]:
        nodes = []
        for number in range(1, count + 1):
            self._host += 1
            name = f"{kind}{number}"
            node = Node(name, free_address(self._host), self._folder / name, ours=ours)
            self._ending.callback(node.kill)
            nodes.append(node)
        return nodes

    def _found(self, nodes: list[Node]) -> None:
        for node in nodes:
            joins = [f"-retry-join={other.address}" for other in nodes if other is not node]
            node.start(f"-bootstrap-expect={len(nodes)}", "-retry-interval=1s", *joins)
        self.living = list(nodes)
        self._until_all_vote()
        leader = self._leader()
        until(lambda: leader.call("GET", "/v1/acl/token/self")[0] == 200, "ACLs are there")
        ca = {"Provider": "consul", "Config": {"LeafCertTTL": "72h", "RotationPeriod": "2160h"}}
        until(lambda: leader.call("PUT", "/v1/connect/ca/configuration", ca)[0] == 200, "a CA")
        until(lambda: b"serfHealth" in leader.get("/v1/health/node/real1"), "the catalog")

    def _client(self, servers: list[Node]) -> Client:
        self._host += 1
        client = Client(self._folder, servers, free_address(self._host))
        self._ending.callback(client.kill)
        client.start()
        web = {"Name": "web", "Port": 80, "Check": {"TTL": "10h", "Status": "passing"}}
        until(lambda: client.call("PUT", "/v1/agent/service/register", web)[0] == 200, "the client")
        until(lambda: self._sees_web(servers[0]), "the client's service in the catalog")
        return client

    def _join(self, nodes: list[Node]) -> None:
        known = [f"-retry-join={node.address}" for node in self.living]
        began_s = time.monotonic()
        for node in nodes:
            node.start("-retry-interval=1s", *known)
        self.living = [*self.living, *nodes]
        self._until_all_vote()
        self._tell(f"{names(nodes)} joined by gossip and vote", began_s)

    def _lead(self, nodes: list[Node], text: str) -> None:
        """Restart whoever else leads, until chance is with one of these."""
        for _ in range(TURNS_MAX):
            leader = self._leader()
            if leader in nodes:
                self._write_through_every_server(text, leader_is_ours=True)
                return
            leader.kill()
            self._leader([node for node in self.living if node is not leader])
            leader.start()
            until(leader.knows_a_leader, "it is back")
        raise AssertionError(f"never: {text}")

    def _hand_to(self, nodes: list[Node], text: str) -> None:
        leader = self._leader()
        leader.put(f"/v1/operator/raft/transfer-leader?id={nodes[0].id}", b"", "POST")
        until(lambda: self._leader() is nodes[0], text)
        self._write_through_every_server(text, leader_is_ours=False)

    def _leave_one_by_one(self, nodes: list[Node]) -> None:
        for node in [*nodes]:
            began_s = time.monotonic()
            led = node.leads()
            self.living = [one for one in self.living if one is not node]
            node.call("PUT", "/v1/agent/leave")
            until(lambda node=node: node.has_ended(), f"{node.name} ends")  # type: ignore[misc]
            until(
                lambda node=node: node.id not in self._voters(),  # type: ignore[misc]
                f"{node.name} is no member",
            )
            until(
                lambda node=node: node.name not in self._catalog(),  # type: ignore[misc]
                f"{node.name} is out of the catalog",
            )
            self._tell(f"{node.name} left{', which led' if led else ''}", began_s)
            self._write_through_every_server(f"without {node.name}")

    # ------------------------------------------------------------ looks

    def _look(self, client: Client, before: dict[str, list[str]], where: str) -> None:
        leader = self._leader()
        self.writer.take_gap_s()
        acknowledged = list(self.writer.acknowledged)
        found = set(json.loads(leader.get("/v1/kv/writer/?keys&consistent")))
        lost = [number for number in acknowledged if f"writer/{number:06}" not in found]
        assert not lost, f"{len(lost)} acknowledged writes are gone: {lost[:9]}"
        after = lasting(leader)
        for kind, rows in before.items():
            missing = [row for row in rows if row not in after[kind]]
            assert not missing, f"{kind} {where}: {missing[:3]}"
        for node in self.living:
            assert self._sees_web(node), f"{node.name} does not see the client's service"
        assert client.put("/v1/kv/through-the-client", where.encode()) is True
        members = json.loads(client.get("/v1/agent/members"))
        alive = {one["Name"] for one in members if one["Status"] == 1}
        assert alive == {"client", *(node.name for node in self.living)}
        count = sum(map(len, before.values()))
        self.seen.tell(
            f"{where}: {len(acknowledged)} acknowledged writes, lost 0; {count} records of "
            f"{len(before)} kinds, lost 0; the client agent works"
        )

    def _write_through_every_server(self, text: str, *, leader_is_ours: bool | None = None) -> None:
        leader = self._leader()
        assert leader_is_ours is None or leader.ours is leader_is_ours
        for node in self.living:
            key = f"/v1/kv/through/{node.name}"
            until(lambda node=node, key=key: node.put(key, b"x") is True, f"{text}: {node.name}")  # type: ignore[misc]
        self.seen.tell(f"{text}: writes through {names(self.living)} ({leader.name} leads)")

    def _tell(self, text: str, began_s: float) -> None:
        took_s = time.monotonic() - began_s
        self.seen.tell(
            f"{text} ({took_s:.1f} s; longest pause between two writes "
            f"{self.writer.take_gap_s():.2f} s)"
        )

    def _leader(self, among: Sequence[Node] = ()) -> Node:
        return leader_of(*(among or self.living))

    def _members(self) -> list[dict[str, Any]]:
        found = json.loads(self._leader().get("/v1/operator/raft/configuration"))
        servers: list[dict[str, Any]] = found["Servers"]
        return servers

    def _voters(self) -> set[str]:
        return {one["ID"] for one in self._members() if one["Voter"]}

    def _until_all_vote(self) -> None:
        until(
            lambda: self._voters() == {node.id for node in self.living},
            "all vote",
            VOTES_WITHIN_S,
        )

    def _catalog(self) -> set[str]:
        return {one["Node"] for one in json.loads(self._leader().get("/v1/catalog/nodes"))}

    def _sees_web(self, node: Node) -> bool:
        found = json.loads(node.get("/v1/health/service/web?passing"))
        return "client" in {one["Node"]["Node"] for one in found}


def names(nodes: Sequence[Node]) -> str:
    """In words."""
    return ", ".join(node.name for node in nodes)


def lasting(server: Node) -> dict[str, list[str]]:
    """The records of a server's snapshot that must still be there later, in text, by kind.

    What belongs to a session goes with it, when the server that has the session leaves. A token of
    the old kind gets an accessor ID from each real leader that finds it without one.
    """
    _, state = server.snapshot()
    _, found = records(state)
    return {
        kind: [
            said(_without_upgrades(value))
            for record, value in found
            if record == number and not _is_held(value)
        ]
        for kind, number in LASTING.items()
    }


def _without_upgrades(value: Any) -> Any:
    if not isinstance(value, dict) or value.get("Type") != "client":
        return value
    return {name: value[name] for name in ("SecretID", "Description", "Rules")}


def _is_held(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return bool(value.get("Session")) or str(value.get("Key", "")).startswith("writer/")


def main() -> int:
    """The command."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="migration-") as folder, ExitStack() as ending:
        Migration(Path(folder), ending).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
